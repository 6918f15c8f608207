// --output: the image or its files to where the person wants them.

#include <fcntl.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "base/sys/file.h"
#include "base/sys/new_file.h"
#include "builder/export.h"
#include "builder/export_tree.h"
#include "builder/sandbox/scratch.h"
#include "layers/image/manifest.h"

namespace acetate::build {

namespace {

// Gives `write` a descriptor of what will be `dest` when it succeeds: a file that is renamed into place when it is
// complete, or standard output.
Result<void> write_dest(const std::string& dest, const std::function<Result<void>(FdRef)>& write) {
  if (dest == "-") return write(FdRef{STDOUT_FILENO});
  auto file = TRY_WITHIN(sys::NewFile::make(dest, 0644), "writing {}", dest);
  TRY_WITHIN(write(file.ref()), "writing {}", dest);
  return TRY_WITHIN(file.commit(), "writing {}", dest);
}

// What `docker load` wants beside the layout. Names without a registry are told as docker.io's are: short.
Result<void> add_docker_list(const std::string& dir, const ExportedImage& image, const std::vector<std::string>& tags) {
  const auto blob = [](const Digest& digest) { return "blobs/sha256/" + digest.hex(); };
  const std::string manifest = TRY(sys::read_file(dir + "/" + blob(image.manifest.digest), 4 << 20));
  const auto document = TRY(image::parse_document(manifest, image.manifest.media_type, "the manifest just written"));
  nlohmann::json layers = nlohmann::json::array();
  for (const auto& layer : document.manifest->layers) layers.push_back(blob(layer.digest));
  nlohmann::json names = nlohmann::json::array();
  for (const std::string& tag : tags) names.push_back(with_tag(tag));
  const nlohmann::json list = {{{"Config", blob(image.config)}, {"RepoTags", std::move(names)}, {"Layers", std::move(layers)}}};
  return sys::write_file_atomically({kWorkingDir, (dir + "/manifest.json").c_str()}, list.dump(), 0644);
}

Result<ExportedImage> write_archive(const ExportRequest& request, const Output& output) {
  const auto scratch = TRY(sandbox::Scratch::make(request.scratch_base));
  const std::string dir = scratch.path() + "/layout";
  const auto layout = TRY(image::Layout::open(dir));
  const ExportedImage exported = TRY(export_image(request, *layout, output.packing));
  if (output.type == Output::Type::docker) TRY(add_docker_list(dir, exported, request.tags));
  TRY(write_dest(output.dest, [&](FdRef out) { return image::write_oci_archive(dir, out); }));
  return exported;
}

}  // namespace

Result<std::optional<ExportedImage>> export_to(const ExportRequest& request, const Output& output) {
  using Type = Output::Type;
  using Answer = std::optional<ExportedImage>;
  ExportRequest named = request;
  for (const std::string& name : output.names) named.tags.push_back(name);
  switch (output.type) {
    case Type::none: return Answer();
    case Type::local: {
      const LayerPtr tree = TRY(request.layers.tree(request.state));
      TRY(write_tree_dir(tree, request.times, output.dest, request.owners));
      return Answer();
    }
    case Type::tar: {
      const LayerPtr tree = TRY(request.layers.tree(request.state));
      TRY(write_dest(output.dest, [&](FdRef out) { return write_tree_tar(tree, request.times, out); }));
      return Answer();
    }
    case Type::docker: return Answer(TRY(write_archive(named, output)));
    case Type::oci: break;
  }
  if (named.tags.empty()) named.tags.emplace_back("latest");
  if (output.archive) return Answer(TRY(write_archive(named, output)));
  const auto layout = TRY(image::Layout::open(output.dest));
  return Answer(TRY(export_image(named, *layout, output.packing)));
}

}  // namespace acetate::build
