// Where a step's files come from: stages, images, contexts, and copies of contexts.

#include "builder/build_files.h"
#include "builder/context_layer.h"
#include "builder/copy_source.h"
#include "builder/executor.h"
#include "builder/tree_view.h"
#include "layers/image/config.h"
#include "layers/stack.h"

namespace acetate::build {

namespace {

// A path as a pattern that matches nothing else.
std::string literally(const std::string& path) {
  std::string pattern;
  for (const char c : path) pattern += std::string_view("*?[\\").find(c) == std::string_view::npos ? std::string(1, c) : std::string{'\\', c};
  return pattern;
}

}  // namespace

Result<CopyOrigin> Executor::origin_of(const CopyStep& step) {
  if (!step.from) return CopyOrigin{.tree = context_, .is_context = true, .context_dir = options_.context_dir};
  switch (step.from->kind) {
    case Origin::Kind::scratch:
      return CopyOrigin{.tree = TRY(make_stack({}))};
    case Origin::Kind::stage:
      return CopyOrigin{.tree = TRY(shop_.layers.tree(TRY(stage(step.from->stage))->state))};
    case Origin::Kind::image:
      if (auto dir = TRY(bases_.directory(step.from->image))) return directory_origin(*dir);
      return CopyOrigin{.tree = TRY(shop_.layers.tree(*TRY(bases_.open(step.from->image, options_.platform))))};
  }
  return Error(EINVAL);
}

// A directory that --build-context names, without what its own .dockerignore leaves out.
Result<CopyOrigin> Executor::directory_origin(const std::string& dir) {
  return CopyOrigin{.tree = TRY(open_context(dir, TRY(read_ignore_of(dir, {".dockerignore"})))), .is_context = true, .context_dir = dir};
}

Result<MountSource> Executor::mount_source(const RunStep::Mount& mount) {
  const std::string source = "/" + mount.is.source;
  if (!mount.from) return snapshot({.tree = context_, .is_context = true, .context_dir = options_.context_dir}, source);
  if (mount.from->kind == Origin::Kind::image)
    if (auto dir = TRY(bases_.directory(mount.from->image))) return snapshot(TRY(directory_origin(*dir)), source);
  if (mount.from->kind == Origin::Kind::scratch) return MountSource{.lowers = {}, .source = source, .identity = "nothing"};
  const StageState& state = mount.from->kind == Origin::Kind::stage ? TRY(stage(mount.from->stage))->state
                                                                    : *TRY(bases_.open(mount.from->image, options_.platform));
  // Opened once, so that the layers are known to be what their configuration says.
  const LayerPtr tree = TRY(shop_.layers.tree(state));
  MountSource shown{.lowers = state.lowers(), .source = source, .identity = state.chain().str()};
  // A part counts as what is in it, whatever layers that came in: of a whole image hashing all files would cost more than it spares.
  if (mount.is.type == dockerfile::Mount::Type::bind && source.find_first_not_of('/') != std::string::npos) {
    const StageState empty;
    Workshop undated{.cache = shop_.cache, .layers = shop_.layers, .runner = shop_.runner, .times = {.kind = TimeRule::Kind::keep}};
    const CopyStep part{.sources = {literally(source)}, .dest = "/"};
    // What is not there is told when it is to be mounted.
    const auto top = resolve(LayerView(*tree), source, LastLink::follow);
    if (const auto inputs = make_copy_job(part, {.tree = tree}, empty, undated)->inputs(); inputs && top && top->seen)
      shown.identity = fmt::format("files {} in {:o} {}:{}", inputs->digest().str(), top->seen->attr.mode, top->seen->attr.uid, top->seen->attr.gid);
  }
  return shown;
}

// A step must not see the context change under it, nor what .dockerignore leaves out, nor, by a symlink, what lies
// outside: it gets a copy of the part it asks for, which is made once for the same files with the same times. These are real, since
// nothing of it gets into the image and make(1) compares them with what a cache mount holds; the step's own key has none.
Result<MountSource> Executor::snapshot(CopyOrigin origin, const std::string& source) {
  const RelPath path = TRY(RelPath::parse_clamped(source));
  const auto found = TRY(resolve(LayerView(*origin.tree), path.str(), LastLink::follow));
  if (!found.seen) return not_found("context", source);
  // A directory with its own mode, so by its name.
  const bool named = !path.is_root() && found.seen->attr.is_dir();
  const CopyStep copy{.sources = {named ? fmt::format("{}/./{}", literally(path.parent().str()), literally(std::string(path.name()))) : "/" + literally(path.str())},
                      .dest = "/",
                      .parents = named};
  StageState empty;
  Workshop shop{.cache = shop_.cache, .layers = shop_.layers, .runner = shop_.runner, .times = {.kind = TimeRule::Kind::keep}};
  const auto job = make_copy_job(copy, std::move(origin), empty, shop);
  const Digest identity = TRY(job->inputs()).digest();
  KeyInputs dated;
  dated.add("the files of a mount", identity.str());
  dated.add("their times", job->times().str());
  auto record = TRY(shop_.cache.find(dated.digest()));
  if (!record) record = TRY(shop_.cache.put(dated.digest(), TRY(job->run([](std::string_view) {}, false))));
  MountSource snapshot{.identity = identity.str()};
  if (record->layer)
    snapshot.lowers.push_back(format_layer_spec({.path = shop_.cache.layer_path(record->layer->diff_id), .digest = record->layer->diff_id}));
  snapshot.source = path.is_root() ? "/" : "/" + std::string(path.name());
  return snapshot;
}

// FROM a directory: its files, and no configuration.
Result<Executor::Built> Executor::directory_base(const std::string& dir, const image::Platform& platform) {
  Built built{.state = {}, .args = StageArgs(scope_, options_.build_args)};
  built.state.config = image::empty_config(platform);
  built.state.config.working_dir = "/";
  if (shop_.times.kind == TimeRule::Kind::epoch) built.state.clock = shop_.times.epoch;
  const CopyStep copy{.sources = {"/"}, .dest = "/"};
  const auto job = make_copy_job(copy, TRY(directory_origin(dir)), built.state, shop_);
  const KeyInputs inputs = TRY(job->inputs());
  auto record = TRY(shop_.cache.find(inputs.digest()));
  if (!record) record = TRY(shop_.cache.put(inputs.digest(), TRY(job->run([](std::string_view) {}, false))));
  add_layer(built.state, *record);
  built.state.base_layers = built.state.layers.size();
  return built;
}

}  // namespace acetate::build
