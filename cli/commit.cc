#include "cli/commit.h"

#include <fcntl.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <functional>

#include "base/sys/file.h"
#include "builder/base_state.h"
#include "builder/clock.h"
#include "builder/dockerfile/json_array.h"
#include "builder/layer_file.h"
#include "builder/shell.h"
#include "cli/kept_changes.h"
#include "cli/store_place.h"
#include "layers/image/media_type.h"

namespace acetate::cli {

namespace {

// The layer of what was written; nothing when nothing was.
Result<std::optional<build::StageLayer>> write_layer(const Kept& kept, build::Cache& cache) {
  const LayerPtr below = TRY(tree_below(kept.record().image));
  Fd upper = TRY_WITHIN(sys::open(kept.upper(), O_RDONLY | O_DIRECTORY), "opening {}", kept.upper());
  const auto file = TRY(build::LayerFile::begin(cache));
  bool changed = false;
  TRY_WITHIN(read_upper(std::move(upper), below.get(),
                        [&](const DeltaOp& op, const FileView* content) {
                          changed = changed || op.kind != DeltaOp::Kind::implicit_dir;
                          return file->add(op, content);
                        },
                        DeltaDepth::whole, kept.whiteout_files()),
             "reading what {} wrote", kept.record().name);
  if (!changed) return std::optional<build::StageLayer>();
  const build::CachedLayer layer = TRY(file->commit());
  return std::optional(build::StageLayer{.spec = {.path = cache.layer_path(layer.diff_id), .digest = layer.diff_id},
                                         .blob = layer.diff_id,
                                         .diff_id = layer.diff_id,
                                         .size = layer.size,
                                         .media_type = std::string(image::kOciLayer)});
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  while (!text.empty()) {
    text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    if (end > 0) words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

// The exec form, or the shell form as a Dockerfile has it.
std::vector<std::string> command_of(const image::Config& config, const std::string& text) {
  if (auto list = dockerfile::parse_json_array(text); list.kind == dockerfile::JsonArray::Kind::strings) return std::move(list.items);
  std::vector<std::string> words = build::shell_of(config);
  words.push_back(text);
  return words;
}

// An image is whole or none.
Result<void> check_is_here(const KeptRecord& kept) {
  for (const auto& layer : kept.image.layers)
    if (layer.spec.lazy && !sys::stat_following(layer.spec.path))
      return fail(ENOENT, "not all of {} is here, on which {} was written; `acetate seal {}` fetches the rest first", kept.image.name,
                  kept.name, kept.image.name);
  return {};
}

// A JSON list, or words.
std::vector<std::string> words_of(const std::string& text) {
  if (auto list = dockerfile::parse_json_array(text); list.kind == dockerfile::JsonArray::Kind::strings) return std::move(list.items);
  return split_words(text);
}

Result<void> change_pairs(const std::string& text, const std::string& instruction, const std::function<void(std::string, std::string)>& put) {
  for (const std::string& word : split_words(text)) {
    const std::size_t equals = word.find('=');
    if (equals == 0 || equals == std::string::npos) return fail(EINVAL, "--change '{}': wants NAME=VALUE", instruction);
    put(word.substr(0, equals), word.substr(equals + 1));
  }
  return {};
}

}  // namespace

Result<void> change_config(image::Config& config, const std::string& instruction) {
  const std::size_t space = std::min(instruction.find_first_of(" \t="), instruction.size());
  std::string name = instruction.substr(0, space);
  std::ranges::transform(name, name.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  const std::string rest = instruction.substr(std::min(instruction.find_first_not_of(" \t=", space), instruction.size()));
  if (name == "LABEL") return change_pairs(rest, instruction, [&](auto key, auto value) { config.labels[key] = value; });
  if (name == "ENV")
    return change_pairs(rest, instruction, [&](const auto& key, const auto& value) {
      std::erase_if(config.env, [&](const std::string& entry) { return entry.starts_with(key + "="); });
      config.env.push_back(key + "=" + value);
    });
  if (name == "CMD") {
    config.cmd = command_of(config, rest);
  } else if (name == "ENTRYPOINT") {
    config.entrypoint = command_of(config, rest);
  } else if (name == "USER") {
    config.user = rest;
  } else if (name == "WORKDIR") {
    config.working_dir = rest;
  } else if (name == "STOPSIGNAL") {
    config.stop_signal = rest;
  } else if (name == "EXPOSE") {
    for (const std::string& port : split_words(rest)) config.exposed_ports.push_back(port.find('/') == std::string::npos ? port + "/tcp" : port);
  } else if (name == "VOLUME") {
    for (const std::string& volume : words_of(rest)) config.volumes.push_back(volume);
  } else {
    return fail(EINVAL, "--change '{}': CMD, ENTRYPOINT, ENV, EXPOSE, LABEL, STOPSIGNAL, USER, VOLUME and WORKDIR can be changed", instruction);
  }
  return {};
}

Result<build::ExportedImage> commit_kept(const Kept& kept, const CommitRequest& request, const Paths& paths) {
  TRY(check_is_here(kept.record()));
  build::Cache cache = TRY(build::Cache::open(paths.data + "/build"));
  build::StageState state = TRY(build::base_state(kept.record().image, cache));
  auto layer = TRY(write_layer(kept, cache));
  const auto now = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  const std::string created = build::format_time(now);
  state.config.history.push_back({.created = created,
                                  .created_by = fmt::format("acetate commit {}", kept.record().name),
                                  .author = request.author,
                                  .comment = request.message,
                                  .empty_layer = !layer});
  if (layer) state.push(*std::move(layer));
  for (const auto& [name, value] : kept.record().labels) state.config.labels[name] = value;  // of the container, as docker and podman have it
  for (const std::string& change : request.changes) TRY(change_config(state.config, change));
  state.config.created = created;
  if (!request.author.empty()) state.config.author = request.author;

  build::LayerOpener layers(default_index_dir());
  const std::vector<build::BuiltImage> built{{.platform = state.config.platform, .state = std::move(state)}};
  build::ExportRequest wanted{.images = built, .cache = cache, .layers = layers, .scratch_base = paths.data + "/scratch"};
  if (!request.tag.empty()) wanted.tags.push_back(build::with_tag(request.tag));
  if (!request.dest.empty()) {
    const auto exported = TRY(build::export_to(wanted, {.dest = request.dest, .archive = request.dest.ends_with(".tar")}));
    if (!exported) return fail(EINVAL, "{} is not where an image can be written", request.dest);
    return *exported;
  }
  // Uncompressed: a mount reads such layers straight from their files.
  const auto store = TRY(image::ImageStore::open(TRY(store_place(paths))));
  auto exported = TRY(build::export_images(wanted, *store, {.compression = build::Compression::none}));
  if (request.tag.empty()) TRY(store->keep_unnamed(exported.manifest));
  return exported;
}

}  // namespace acetate::cli
