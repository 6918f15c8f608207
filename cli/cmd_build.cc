// acetate build: the command line of docker build and podman build, as far as we have it.
#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <istream>
#include <iterator>
#include <memory>
#include <ostream>
#include <sstream>
#include <thread>

#include "base/sys/file.h"
#include "builder/build.h"
#include "builder/build_files.h"
#include "builder/dockerfile/csv.h"
#include "builder/dockerfile/go_bool.h"
#include "builder/dockerfile/mount.h"
#include "builder/sandbox/ending.h"
#include "builder/sandbox/any_holder.h"
#include "cli/build_call.h"
#include "cli/build_flags.h"
#include "cli/build_habits.h"
#include "cli/build_page.h"
#include "cli/command.h"
#include "cli/human.h"
#include "cli/pull_image.h"
#include "cli/run_rights.h"
#include "cli/store_place.h"
#include "cli/working_dir.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string context, file, target, iidfile, metadata_file, timestamps, graph;
  std::string network = "host", progress = "auto", call = "build";
  std::optional<std::string> source_date_epoch;
  std::vector<std::string> tags, build_args, labels, contexts, outputs, secrets, agents, annotations, allowed;
  std::vector<std::string> hosts, no_cache_stages, cache_from, cache_to;
  std::string shm_size;
  std::string format = "oci";
  std::string trace_cache = "auto", pull, upper = "auto";
  RemoteFlags remote;  // of base images: how often they are tried
  std::string provenance;
  std::vector<std::string> ulimits, platforms, attestations;
  std::vector<std::string> build_arg_files, volumes, nameservers, env, unset_env, unset_labels, added_capabilities, dropped_capabilities;
  std::string ignore_file, logfile;
  bool inherit_labels = true;
  std::shared_ptr<BuildHabits> habits;
  unsigned jobs = 0;
  bool no_cache = false, explain = false, quiet = false, check = false, squash = false, push = false, load = false;
};

// SOURCE_DATE_EPOCH by option, by build argument, by environment; else logical times.
Result<void> set_times(const Options& options, build::BuildOptions& build) {
  std::optional<std::string> epoch = options.source_date_epoch;
  if (!epoch)
    if (const auto given = build.build_args.find("SOURCE_DATE_EPOCH"); given != build.build_args.end()) epoch = given->second;
  if (!epoch)
    if (const char* value = std::getenv("SOURCE_DATE_EPOCH"); value != nullptr && *value != '\0') epoch = value;
  build.epoch = std::move(epoch);
  if (options.timestamps == "keep") build.times = {.kind = build::TimeRule::Kind::keep};
  else if (!options.timestamps.empty() && options.timestamps != "logical")
    return fail(EINVAL, "--timestamps wants logical or keep, not \"{}\"", options.timestamps);
  return {};
}

// --pull, in docker's words and podman's. Without it what is not here is got, as with theirs.
Result<void> set_pull(std::string policy, const RemoteFlags& remote, const Paths& paths, const Context& context, build::BuildOptions& build) {
  if (policy == "true") policy = "always";
  if (policy.empty() || policy == "false") policy = "missing";
  if (policy == "never") return {};
  if (policy != "always" && policy != "missing" && policy != "newer")
    return fail(EINVAL, "--pull wants always, missing, newer or never, not \"{}\"", policy);
  build.pull = policy;
  build.fetch = [paths, remote, &context](const std::string& name, const std::string& when, const image::Platform& platform) -> Result<void> {
    std::ostringstream ids;  // the build says what it needs to of the image
    return pull_images(paths, {name}, {.platform = platform, .policy = when, .quiet = true, .remote = remote}, context.streams, ids);
  };
  return {};
}

// How large the cache may become.
Result<std::uint64_t> cache_limit() {
  const char* set = std::getenv("ACETATE_BUILD_CACHE");
  if (set == nullptr || *set == '\0') return std::uint64_t{20} << 30;
  return TRY_WITHIN(parse_size(set), "ACETATE_BUILD_CACHE");
}

// `agents`: what --ssh has started, for as long as the build takes.
Result<build::BuildOptions> understand(const Options& options, const Context& context, std::vector<KeyAgent>& agents) {
  const BuildHabits& habits = *options.habits;
  TRY(check(habits));
  const Paths paths = TRY(find_paths());
  build::BuildOptions build{.context_dir = options.context,
                            .dockerfile = options.file,
                            .target = options.target,
                            .no_cache = options.no_cache || !habits.cache_ttl.empty(),
                            .explain = options.explain,
                            .squash = options.squash || !habits.layers,
                            .tags = options.tags,
                            .build_dir = paths.data + "/build",
                            .index_dir = paths.index(),
                            .scratch_base = paths.data + "/scratch"};
  build.images = TRY(store_place(paths));
  if (options.context == "-" && options.file == "-")
    return fail(EINVAL, "the context and the Dockerfile cannot both come from standard input");
  if (options.file == "-") {
    build.dockerfile.clear();
    build.dockerfile_text = std::string(std::istreambuf_iterator<char>(context.streams.in), {});
  }
  build.platforms = TRY(parse_platforms(options.platforms));
  build.build_args = TRY(read_build_args(options.build_arg_files));
  for (auto& [name, value] : TRY(parse_build_args(options.build_args))) build.build_args[name] = std::move(value);
  build.labels = TRY(parse_pairs(options.labels, "--label", false));
  build.contexts = TRY(parse_pairs(options.contexts, "--build-context", true));
  for (auto& [name, what] : build.contexts)
    if (!what.starts_with('/') && sys::stat_following(what)) what = working_dir() + "/" + what;
  TRY(set_times(options, build));
  if (options.network != "host" && options.network != "default" && options.network != "none")
    return fail(EINVAL, "--network wants host or none, not \"{}\"", options.network);
  build.network = options.network != "none";
  for (const std::string& output : options.outputs) {
    build.outputs.push_back(TRY(parse_output(output)));
    build::Output& made = build.outputs.back();
    if (!made.epoch) continue;
    if (made.epoch->empty()) made.packing.tells_epoch = false;
    else if (!build.epoch) build.epoch = made.epoch;
    else if (build.epoch != made.epoch)
      return fail(EINVAL, "--output source-date-epoch={}: steps are made once, for all outputs, with SOURCE_DATE_EPOCH {}", *made.epoch, *build.epoch);
  }
  if (options.push) build.outputs.push_back({.type = build::Output::Type::registry});
  if (options.load) build.outputs.push_back({.type = build::Output::Type::image});
  build.hosts = TRY(parse_hosts(options.hosts));
  build.besides.volumes = TRY(parse_volumes(options.volumes));
  build.besides.nameservers = TRY(parse_nameservers(options.nameservers));
  if (!options.added_capabilities.empty() || !options.dropped_capabilities.empty())
    build.besides.capabilities = TRY(change_capabilities(sandbox::build_capabilities(), options.added_capabilities, options.dropped_capabilities));
  build.bases = {.env = TRY(parse_build_args(options.env, "--env")), .unset_labels = options.unset_labels, .inherit_labels = options.inherit_labels};
  build.unset_env = options.unset_env;
  if (!options.ignore_file.empty()) build.ignore_file = options.ignore_file;
  if (!options.shm_size.empty()) {
    const auto bytes = dockerfile::parse_size(options.shm_size);
    if (!bytes || *bytes == 0) return fail(EINVAL, "--shm-size wants a size such as 64m, not \"{}\"", options.shm_size);
    build.shm_size = *bytes;
  }
  for (const std::string& text : options.no_cache_stages)
    for (std::string& stage : TRY(dockerfile::split_csv(text))) build.no_cache_stages.push_back(std::move(stage));
  build.cache_from = TRY(parse_caches(options.cache_from, "--cache-from", "src"));
  build.cache_to = TRY(parse_caches(options.cache_to, "--cache-to", "dest"));
  // As docker's clients have it, from before there was type=inline.
  if (const auto asked = build.build_args.find("BUILDKIT_INLINE_CACHE"); asked != build.build_args.end() && dockerfile::parse_bool(asked->second).value_or(false))
    if (std::ranges::none_of(build.cache_to, &build::CachePlace::in_image)) build.cache_to.push_back({.in_image = true});
  build.cache_bytes = TRY(cache_limit());
  for (const std::string& text : options.ulimits) build.limits.push_back(TRY(parse_ulimit(text)));
  TRY(set_pull(options.pull, options.remote, paths, context, build));
  using build::TraceRule;
  build.trace = options.trace_cache == "on"       ? TraceRule::always
                : options.trace_cache == "off"    ? TraceRule::never
                : options.trace_cache == "verify" ? TraceRule::verify
                                                  : TraceRule::without_network;
  build.annotations = TRY(parse_annotations(options.annotations));
  const Told told = TRY(parse_provenance(options.provenance, options.attestations));
  build.provenance = told.provenance;
  build.builder_id = told.builder_id;
  build.metadata_file = options.metadata_file;
  build.jobs = options.jobs != 0 ? options.jobs : std::max(1U, std::thread::hardware_concurrency());
  build.secrets = TRY(parse_secrets(options.secrets));
  build.agents = TRY(parse_agents(options.agents, agents));
  for (const std::string& allowed : options.allowed) {
    if (allowed == "security.insecure") build.allow_insecure = true;
    else if (allowed == "device") build.devices.emplace_back();
    else if (allowed.starts_with("device=")) build.devices.push_back(allowed.substr(7));
    else if (allowed != "network.host") return fail(EINVAL, "--allow knows security.insecure, device[=NAME] and network.host, not \"{}\"", allowed);
  }
  return build;
}

// Asked for by option, else by BuildKit's variable, else by where the words go.
Result<build::Progress::Mode> progress_mode(const Options& options, const Context& context) {
  using Mode = build::Progress::Mode;
  if (options.quiet) return Mode::quiet;
  std::string wanted = options.progress;
  const char* variable = std::getenv("BUILDKIT_PROGRESS");
  if (wanted == "auto" && variable != nullptr && *variable != '\0') wanted = variable;
  if (wanted == "auto") return context.streams.tty ? Mode::terminal : Mode::plain;
  if (wanted == "plain") return Mode::plain;
  if (wanted == "tty") return Mode::terminal;
  if (wanted == "rawjson") return Mode::json;
  if (wanted == "quiet" || wanted == "none") return Mode::quiet;
  return fail(EINVAL, "BUILDKIT_PROGRESS={}: auto, tty, plain, rawjson and quiet are known", wanted);
}

unsigned terminal_columns() {
  winsize size{};
  return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

Result<void> write_graph(const Options& options, const build::BuildReport& report, build::LayerOpener& layers) {
  const std::string title = options.tags.empty() ? "build of " + options.context : options.tags.front();
  const std::string page = build_page(title, report, TRY(weigh(report, layers)));
  return TRY_WITHIN(sys::write_file_atomically({kWorkingDir, options.graph.c_str()}, page, 0644), "writing {}", options.graph);
}

// `unable`: why no step can be run here; steps that run nothing need none.
Result<void> carry_out(const Options& options, build::BuildOptions build, sandbox::IdMode ids, const Error* unable, const Context& context) {
  build.owners = ids == sandbox::IdMode::none;
  const auto mode = TRY(progress_mode(options, context));
  build::Progress progress(context.streams.err, mode, terminal_columns());
  auto runner = build::make_sandbox_runner(build.scratch_base, ids, *sandbox::parse_upper_kind(options.upper));
  if (unable != nullptr) runner = build::make_unable_runner(runner->kind(), unable->clone());
  // Of a build that failed too: there one wants to look all the more.
  if (!options.graph.empty())
    build.report = [&](const build::BuildReport& report, build::LayerOpener& layers) {
      if (const auto drawn = write_graph(options, report, layers); !drawn) context.streams.err << fmt::format("acetate: {}\n", drawn.error().message());
    };
  const auto image = TRY(build::build(build, *runner, progress));
  // Where only files were asked for there is no image, and as with docker the file says so by being empty: an old id in it would be wrong.
  if (!options.iidfile.empty())
    TRY_WITHIN(sys::write_file_atomically({kWorkingDir, options.iidfile.c_str()}, image ? image->config.str() : "", 0644), "writing {}",
               options.iidfile);
  if (!image) return {};
  if (mode == build::Progress::Mode::quiet) context.streams.out << image->config.str() << '\n';
  return {};
}

// 0: nothing to complain of.
int answer(const Call& call, const build::BuildOptions& build, const Context& context) {
  const auto answered = answer(call, build, context.streams.out);
  if (!answered) context.streams.err << fmt::format("acetate: {}\n", answered.error().message());
  context.streams.out.flush();
  context.streams.err.flush();
  return answered && *answered ? 0 : 1;
}

Result<int> run_build(const Options& options, const Context& given) {
  std::ofstream log;
  if (!options.logfile.empty()) {
    log.open(options.logfile, std::ios::trunc);
    if (!log) return fail(errno, "--logfile {} cannot be written", options.logfile);
  }
  const Streams logged{.in = given.streams.in, .out = given.streams.out, .err = log};
  const Context context{.streams = options.logfile.empty() ? given.streams : logged, .verbose = given.verbose};
  // Of a build that fails none is written, and one that an earlier build left would be taken for it.
  if (const auto old = sys::stat_following(options.iidfile); old && S_ISREG(old->st_mode)) TRY_WITHIN(sys::unlink({kWorkingDir, options.iidfile.c_str()}), "removing the old {}", options.iidfile);
  std::vector<KeyAgent> agents;
  const Call call = options.check ? Call{.question = Call::Question::check} : TRY(parse_call(options.call));
  const build::BuildOptions build = TRY(understand(options, context, agents));
  const auto plan = sandbox::plan_holder();
  context.streams.out.flush();
  context.streams.err.flush();
  // The holder is a process of its own, which ends without the destructors of ours: it says what went wrong
  // itself, and empties its streams.
  const auto body = [&](sandbox::IdMode ids, const Error* unable) {
    if (call.question != Call::Question::none) return answer(call, build, context);
    const auto built = carry_out(options, build, ids, unable, context);
    if (!built) context.streams.err << fmt::format("acetate: failed to solve: {}\n", built.error().message());
    context.streams.out.flush();
    context.streams.err.flush();
    if (const int signal = sandbox::ended_by(); signal != 0 && !built) return 128 + signal;
    return built && context.streams.out ? 0 : 1;
  };
  if (!plan) return body(sandbox::plan_without(plan.error()).mode, &plan.error());
  return sandbox::run_in_holder(*plan, [&] { return body(plan->mode, nullptr); });
}

}  // namespace

Runner build_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("CONTEXT", options->context, "the directory that COPY and ADD copy from; a tarball, a git repository, a URL, or - for standard input")->required();
  app.add_option("-f,--file", options->file, "the Dockerfile, if not CONTEXT/Dockerfile or CONTEXT/Containerfile; - reads it");
  app.add_option("-t,--tag", options->tags, "name the image NAME[:TAG]; may be given again")->allow_extra_args(false);
  app.add_option("--target", options->target, "build this stage and what it needs");
  app.add_option("--platform", options->platforms,
                 "what to build for, OS/ARCHITECTURE[/VARIANT][,...]; of several an index is made; this machine's by default")
      ->allow_extra_args(false);
  app.add_option("--build-arg", options->build_args, "NAME=VALUE for an ARG, or NAME for the environment's value")
      ->allow_extra_args(false);
  app.add_option("--label", options->labels, "NAME=VALUE, added to the image's labels")->allow_extra_args(false);
  app.add_option("--build-context", options->contexts, 
                 "NAME=WHAT: what FROM NAME and COPY --from=NAME mean: a directory, a git repository, a tarball or its URL, docker-image://IMAGE, "
                 "oci-layout://DIRECTORY")
      ->allow_extra_args(false);
  app.add_option("--build-arg-file", options->build_arg_files, "the same, a line each, out of a file; --build-arg counts before it")->allow_extra_args(false);
  app.add_option("--ignorefile", options->ignore_file, "what the context leaves out, instead of its .dockerignore");
  app.add_option("-o,--output", options->outputs,
                 "DIRECTORY or -, or type=oci|docker|tar|local,dest=PATH[,compression=gzip|zstd|estargz|none], or type=image|registry; without it the image goes to "
                 "our own store")
      ->allow_extra_args(false);
  app.add_flag("--push", options->push, "send the image to the registries that its names are of: --output type=registry");
  app.add_flag("--load", options->load, "put the image into our own store, beside any other --output: --output type=image");
  app.add_option("--secret", options->secrets, "id=NAME,src=FILE or id=NAME,env=VARIABLE, for RUN --mount=type=secret")
      ->allow_extra_args(false);
  app.add_option("--ssh", options->agents, "default, NAME=SOCKET or NAME=KEY[,KEY...]: an agent for RUN --mount=type=ssh")->allow_extra_args(false);
  app.add_option("--allow", options->allowed, "security.insecure: RUN --security=insecure may have every capability; device[=NAME]: RUN --device may have that device, or any")
      ->allow_extra_args(false);
  app.add_option("--annotation", options->annotations, "NAME=VALUE, added to the manifest")->allow_extra_args(false);
  app.add_flag("--provenance{true}", options->provenance,
               "tell beside the image what it was made from (SLSA): true or mode=min, with builder-id=URL; false, the default");
  app.add_option("--attest", options->attestations, "type=provenance,mode=min: the same in other words")->allow_extra_args(false);
  app.add_option("--metadata-file", options->metadata_file, "write digests and names of the image into this file, as JSON");
  app.add_option("--iidfile", options->iidfile, "write the image's id into this file");
  app.add_option("--network", options->network, "what RUN reaches: host or none");
  app.add_option("--progress", options->progress, "auto (tty at a terminal, else plain), tty, plain, rawjson or quiet")
      ->check(CLI::IsMember({"auto", "tty", "plain", "rawjson", "quiet"}));
  app.add_option("--source-date-epoch,--timestamp", options->source_date_epoch,
                 "no file is newer than this many seconds since 1970; SOURCE_DATE_EPOCH by default");
  app.add_option("--timestamps", options->timestamps,
                 "logical (default): the same steps give the same digests; keep: real times");
  app.add_option("--jobs", options->jobs, "steps of different stages done at the same time; as many as there are processors by default");
  app.add_option("--format", options->format, "oci or docker: the same image, since ours keeps what only docker's has (HEALTHCHECK)")
      ->check(CLI::IsMember({"oci", "docker"}));
  app.add_option("--trace-cache", options->trace_cache,
                 "take a RUN from the cache when nothing that it looked at has changed: auto (those without network), on, off, or "
                 "verify (run it all the same, and compare)")
      ->check(CLI::IsMember({"auto", "on", "off", "verify"}));
  app.add_option("--upper", options->upper,
                 "who keeps what a RUN writes: auto (default: the kernel's overlay above our layers where it works and the step is not recorded for "
                 "the cache), own (our daemon) or kernel; the layers are the same")
      ->check(CLI::IsMember({"own", "kernel", "auto"}));
  app.add_option("--add-host", options->hosts, "NAME:ADDRESS, a line more in the /etc/hosts of every RUN")->allow_extra_args(false);
  app.add_option("-v,--volume", options->volumes,
                 "HOST:CONTAINER[:ro]: a directory or file of ours that every RUN sees, and no layer gets; what it holds is no reason to do a step anew")
      ->allow_extra_args(false);
  app.add_option("--dns", options->nameservers, "ADDRESS of a name server for every RUN, instead of ours; may be given again")->allow_extra_args(false);
  app.add_option("--cap-add", options->added_capabilities,
                 "CAPABILITY, or ALL, that every RUN has besides docker's fourteen, within the namespace it runs in")->allow_extra_args(false);
  app.add_option("--cap-drop", options->dropped_capabilities, "CAPABILITY, or ALL, that no RUN has")->allow_extra_args(false);
  app.add_option("--env", options->env, "NAME=VALUE, or NAME for the environment's value: a variable that the images begin with, and an ENV may change")->allow_extra_args(false);
  app.add_option("--unsetenv", options->unset_env, "NAME of a variable that the image is to have no more")->allow_extra_args(false);
  app.add_option("--unsetlabel", options->unset_labels, "NAME of a label that is not taken from a base image")->allow_extra_args(false);
  app.add_flag("--inherit-labels", options->inherit_labels, "true (default): the labels of a base image are the image's, too; false: they are not");
  app.add_option("--ulimit", options->ulimits, "NAME=SOFT[:HARD], a limit of every RUN's processes: nofile=1024:2048")->allow_extra_args(false);
  app.add_flag("--pull{always}", options->pull,
               "get base images from their registries: always, missing (default: those that are not here), newer or never; always without a word");
  add_retry_options(app, options->remote.retry, options->remote.retry_delay);
  app.add_option("--shm-size", options->shm_size, "how large /dev/shm is in every RUN")->type_name("");
  app.add_option("--cache-from", options->cache_from,
                 "type=local,src=DIRECTORY[,mounts=true] or type=registry,ref=NAME[,mounts=true]: a build cache that --cache-to wrote, also on another machine")
      ->allow_extra_args(false);
  app.add_option("--cache-to", options->cache_to,
                 "type=local,dest=DIRECTORY[,mounts=true], type=registry,ref=NAME[,mounts=true] or type=inline (in the image): write what the cache has of this build "
                 "there; mounts: what its cache mounts hold, too")
      ->allow_extra_args(false);
  app.add_option("--no-cache-filter", options->no_cache_stages, "do every step of this stage anew; may be given again")
      ->allow_extra_args(false);
  app.add_flag("--no-cache", options->no_cache, "do every step anew");
  app.add_flag("--squash", options->squash, "make one layer of those of this build");
  app.add_option("--call", options->call,
                 "instead of a build: check, outline (what can be given to it) or targets (its stages); with \",format=json\" for programs");
  app.add_flag("--check", options->check, "build nothing: say what had better not be done in the Dockerfile");
  app.add_option("--graph", options->graph, "write a page for a browser into this file: stages, steps, times, what the cache had, layers");
  app.add_flag("--explain", options->explain,
                 "say why a step is not taken from the cache, which files it reads, and what would spare it; what steps look at is recorded for it, as with "
                 "--trace-cache");
  app.add_flag("-q,--quiet", options->quiet, "print the image's id and nothing else");
  app.add_option("--logfile", options->logfile, "write what is told of the build into this file, and not to standard error");
  options->habits = add_build_habits(app);
  return [options](const Context& context) { return run_build(*options, context); };
}

}  // namespace acetate::cli
