#include "cli/build_habits.h"

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>

#include "builder/dockerfile/duration.h"
#include "builder/dockerfile/go_bool.h"

namespace acetate::cli {

namespace {

struct Known {
  const char *option, *instead;
};
constexpr Known kRefused[] = {
    {"--cgroup-parent", "steps run in no cgroup of their own"},
    {"-m,--memory", "steps run in no cgroup of their own; start acetate in one that has the limit (systemd-run --user --scope -p MemoryMax=…)"},
    {"--memory-swap", "steps run in no cgroup of their own"},
    {"--cpu-period", "steps run in no cgroup of their own"},
    {"--cpu-quota", "steps run in no cgroup of their own"},
    {"-c,--cpu-shares", "steps run in no cgroup of their own"},
    {"--cpuset-cpus", "start acetate with taskset(1), which steps inherit"},
    {"--cpuset-mems", "start acetate with numactl(8), which steps inherit"},
    {"--userns", "steps run in the user namespace that acetate makes for itself"},
    {"--builder", "there is no builder but acetate itself"},
    {"--sign-by", "images are not signed; cosign or skopeo sign what was pushed"},
    {"--decryption-key", "encrypted layers are not read"},
};

}  // namespace

std::shared_ptr<BuildHabits> add_build_habits(CLI::App& app) {
  const auto habits = std::make_shared<BuildHabits>();
  app.add_flag("--layers", habits->layers, "layers of steps are kept for later builds, as they are in any case; false: make one layer of them (--squash)");
  app.add_flag("--rm", habits->rm, "taken and without effect: no container is left of a step");
  app.add_flag("--force-rm", habits->force_rm, "the same");
  app.add_flag("--compress", habits->compress, "taken and without effect: a context is read where it is");
  app.add_flag("-D,--disable-compression", habits->disable_compression, "taken and without effect: --output compression=none leaves layers as they are");
  app.add_flag("--disable-content-trust", habits->disable_content_trust, "taken and without effect: no signature is asked for");
  app.add_flag("--identity-label", habits->identity_label, "taken and without effect: no label says who has built");
  app.add_option("--isolation", habits->isolation, "default, oci, rootless or chroot: taken and without effect, there is one way to run a step")
      ->check(CLI::IsMember({"default", "oci", "rootless", "chroot"}));
  app.add_flag("--rewrite-timestamp", habits->rewrite_timestamp, "taken and without effect: with --source-date-epoch no file of a layer is newer in any case");
  app.add_flag("--skip-unused-stages", habits->skip_unused_stages, "true, the only way: stages that the target does not need are not built");
  app.add_option("--cache-ttl", habits->cache_ttl, "0: the same as --no-cache; what the cache has does not age otherwise");
  app.add_option("--security-opt", habits->security,
                 "label=disable and the like: taken and without effect, since steps have no label; others are refused")->allow_extra_args(false);
  app.add_option("--sbom", habits->sbom, "false, the only way: none is made");
  habits->refused.reserve(std::size(kRefused));
  for (const auto& [option, instead] : kRefused) {
    const std::string names = option;
    auto& one = habits->refused.emplace_back(BuildHabits::Refused{.option = names.substr(names.find("--")), .instead = instead});
    app.add_option(names, one.values)->allow_extra_args(false)->group("");
  }
  return habits;
}

Result<void> check(const BuildHabits& habits) {
  for (const BuildHabits::Refused& one : habits.refused)
    if (!one.values.empty()) return fail(ENOTSUP, "{} is not to be had: {}", one.option, one.instead);
  if (!habits.skip_unused_stages) return fail(ENOTSUP, "--skip-unused-stages=false is not to be had: only what the target needs is built; --target builds another");
  if (!habits.sbom.empty() && dockerfile::parse_bool(habits.sbom) != std::optional(false)) return fail(ENOTSUP, "--sbom is not to be had: no list of packages is made");
  if (!habits.cache_ttl.empty() && dockerfile::parse_duration(habits.cache_ttl) != std::optional(std::chrono::nanoseconds(0)))
    return fail(ENOTSUP, "--cache-ttl {} is not to be had: what the cache has does not age; --no-cache and --no-cache-filter do steps anew", habits.cache_ttl);
  for (const std::string& option : habits.security)
    if (!option.starts_with("label=") && !option.starts_with("label:"))
      return fail(ENOTSUP, "--security-opt {} is not to be had: a RUN --security=insecure has every capability and no filter, with --allow security.insecure", option);
  return {};
}

}  // namespace acetate::cli
