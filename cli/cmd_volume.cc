// acetate volume ls|create|rm|inspect|prune: the named volumes of `run -v NAME:TARGET`.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <algorithm>
#include <istream>
#include <memory>
#include <nlohmann/json.hpp>
#include <ostream>

#include "cli/in_holder.h"
#include "cli/named_volume.h"
#include "cli/rows.h"
#include "cli/run_commands.h"
#include "cli/run_container.h"
#include "cli/volume_store.h"

namespace acetate::cli {

namespace {

using Json = nlohmann::ordered_json;

// As podman has them.
constexpr int kNotFound = 1, kInUse = 2;

struct Options {
  std::string action, format;
  std::vector<std::string> names, filters;
  bool all = false, force = false, ignore = false, quiet = false, no_heading = false;
};

std::string when(std::time_t seconds) {
  char text[32];
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return {text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc)};
}

// The keys of docker's and podman's; InUse is ours.
Json describe(const StoredVolume& volume) {
  return {{"Name", volume.name},         {"Driver", "local"}, {"Mountpoint", volume.dir}, {"CreatedAt", when(volume.created)}, {"Labels", Json::object()},
          {"Scope", "local"}, {"Options", Json::object()}, {"InUse", volume.in_use}};
}

// name=TEXT is a part of it; dangling=true those that no container has. Several of one kind: any of them; of several kinds: each.
Result<bool> matches(const StoredVolume& volume, const std::vector<std::string>& filters) {
  bool names = false, named = false;
  for (const std::string& filter : filters) {
    const std::size_t equals = std::min(filter.find('='), filter.size());
    const std::string key = filter.substr(0, equals), value = filter.substr(std::min(equals + 1, filter.size()));
    if (key == "name") {
      names = true;
      named = named || volume.name.find(value) != std::string::npos;
    } else if (key == "dangling" && (value == "true" || value == "1")) {
      if (volume.in_use) return false;
    } else if (key == "dangling" && (value == "false" || value == "0")) {
      if (!volume.in_use) return false;
    } else {
      return fail(EINVAL, "there is no filter \"{}\" (name=, dangling=true|false)", filter);
    }
  }
  return !names || named;
}

Result<std::vector<StoredVolume>> chosen(const Options& options, const std::string& volumes) {
  std::vector<StoredVolume> all;
  for (StoredVolume& volume : TRY(list_volumes(volumes)))
    if (TRY(matches(volume, options.filters))) all.push_back(std::move(volume));
  return all;
}

Result<int> list(const Options& options, const std::string& volumes, const Context& context) {
  const auto found = TRY(chosen(options, volumes));
  auto& out = context.streams.out;
  if (options.quiet) {
    for (const StoredVolume& volume : found) out << volume.name << '\n';
    return 0;
  }
  std::vector<Json> rows;
  for (const StoredVolume& volume : found) rows.push_back(describe(volume));
  out << TRY(format_rows(rows, {{"Driver", "DRIVER"}, {"Name", "VOLUME NAME"}}, options.format, !options.no_heading));
  return 0;
}

Result<int> create(const Options& options, const std::string& volumes, const Context& context) {
  if (options.names.size() != 1) return fail(EINVAL, "volume create wants one name");
  const std::string& name = options.names[0];
  if (!is_volume_name(name)) return fail(EINVAL, "\"{}\" cannot be a volume's name (letters, digits, _ . -)", name);
  if (find_volume(volumes, name) && !options.ignore) return fail(EEXIST, "there is a volume {} already (--ignore: that is well)", name);
  TRY(make_volume({.dir = volumes + "/" + name, .target = {}}));
  context.streams.out << name << '\n';
  return 0;
}

Result<int> inspect(const Options& options, const std::string& volumes, const Context& context) {
  std::vector<StoredVolume> found;
  if (options.all) found = TRY(list_volumes(volumes));
  else if (options.names.empty()) return fail(EINVAL, "which volume? `acetate volume ls` lists them");
  for (const std::string& name : options.all ? std::vector<std::string>() : options.names) found.push_back(TRY(find_volume(volumes, name)));
  std::vector<Json> rows;
  for (const StoredVolume& volume : found) rows.push_back(describe(volume));
  context.streams.out << TRY(format_rows(rows, {}, options.format.empty() ? "json" : options.format));
  return 0;
}

// In the holder: what runs in containers leaves files of other ids. The names of what is gone are printed.
Result<int> remove(const std::vector<std::string>& names, bool may_be_gone, bool may_be_used, const std::string& volumes, const Context& context) {
  if (names.empty()) return 0;
  return in_holder_or_here(context, kOurFault, [&](const sandbox::HolderPlan&) -> Result<int> {
    int failed = 0;
    for (const std::string& name : names) {
      const auto removed = remove_volume(volumes, name);
      if (removed) {
        context.streams.out << name << '\n';
        continue;
      }
      const bool gone = removed.error().is(ENOENT), used = removed.error().is(EBUSY);
      if ((gone && may_be_gone) || (used && may_be_used)) continue;
      context.streams.err << fmt::format("acetate: {}\n", removed.error().message());
      failed = std::max(failed, gone ? kNotFound : used ? kInUse : kOurFault);
    }
    return failed;
  });
}

Result<int> rm(const Options& options, const std::string& volumes, const Context& context) {
  std::vector<std::string> names = options.names;
  if (options.all)
    for (const StoredVolume& volume : TRY(list_volumes(volumes)))
      if (!volume.in_use && std::ranges::find(names, volume.name) == names.end()) names.push_back(volume.name);
  if (names.empty() && !options.all) return fail(EINVAL, "which volume? `acetate volume ls` lists them, and --all means every one that no container has");
  return remove(names, options.force, false, volumes, context);
}

// What no container that runs has; a kept one names its volumes anew each time.
Result<int> prune(const Options& options, const std::string& volumes, const Context& context) {
  if (!options.names.empty()) return fail(EINVAL, "volume prune takes no names: --filter name=TEXT chooses, and volume rm removes what is named");
  std::vector<std::string> names;
  for (const StoredVolume& volume : TRY(chosen(options, volumes)))
    if (!volume.in_use) names.push_back(volume.name);
  if (!options.force && !names.empty()) {
    context.streams.err << fmt::format("This removes {} with all that is in them: {}. Go on? [y/N] ", names.size() == 1 ? "a volume" : fmt::format("{} volumes", names.size()), fmt::join(names, ", ")) << std::flush;
    std::string answer;
    if (!std::getline(context.streams.in, answer) || (answer != "y" && answer != "Y" && answer != "yes")) return 0;
  }
  return remove(names, true, true, volumes, context);
}

Result<int> volume(const Options& options, const Context& context) {
  const std::string volumes = volumes_dir(TRY(find_paths()));
  if (options.action == "create") return create(options, volumes, context);
  if (options.action == "inspect") return inspect(options, volumes, context);
  if (options.action == "rm" || options.action == "remove") return rm(options, volumes, context);
  if (options.action == "prune") return prune(options, volumes, context);
  if (!options.names.empty()) return fail(EINVAL, "volume ls takes no names: --filter name=TEXT chooses");
  return list(options, volumes, context);
}

}  // namespace

Runner volume_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("ACTION", options->action, "ls, create, rm, inspect or prune")->required()->type_name("")->check(CLI::IsMember({"ls", "list", "create", "rm", "remove", "inspect", "prune"}));
  app.add_option("NAME", options->names, "volumes, to create, rm and inspect");
  app.add_flag("-a,--all", options->all, "rm: every one that no container has; inspect: every one");
  app.add_flag("-f,--force", options->force, "rm: one that is not there is no error; prune: do not ask");
  app.add_option("--filter", options->filters, "ls, prune: name=TEXT, dangling=true|false")->allow_extra_args(false);
  app.add_option("--format", options->format, "ls, inspect: json, or a template like '{{.Name}} {{.Mountpoint}}'")->type_name("");
  app.add_flag("--ignore", options->ignore, "create: one that is there already is no error");
  app.add_flag("-n,--noheading", options->no_heading, "ls: no line above the columns");
  app.add_flag("-q,--quiet", options->quiet, "ls: names only");
  return [options](const Context& context) { return volume(*options, context); };
}

}  // namespace acetate::cli
