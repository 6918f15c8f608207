// --output: the image or its files to where the person wants them.

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "base/sys/file.h"
#include "base/sys/new_file.h"
#include "builder/export.h"
#include "builder/export_registry.h"
#include "builder/export_scratch.h"
#include "builder/export_tree.h"
#include "layers/image/platform.h"
#include "layers/image/save.h"

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

// Where the files of one of several images go: "linux_arm64".
std::string directory_of(const image::Platform& platform) {
  std::string name = image::format_platform(platform);
  std::ranges::replace(name, '/', '_');
  return name;
}

// Files of an image as a person wants them; of one of several in a directory of its own.
Result<void> write_files(const ExportRequest& request, const BuiltImage& image, const Output& output) {
  std::string dest = output.dest;
  if (request.images.size() > 1) {
    dest += "/" + directory_of(image.platform);
    TRY_WITHIN(sys::make_dirs(output.dest, 0755), "making {}", output.dest);
  }
  return write_tree_dir(TRY(request.layers.tree(image.state)), request.times, dest, request.owners);
}

Result<void> write_tar(const ExportRequest& request, const Output& output) {
  std::vector<PlacedTree> trees;
  for (const BuiltImage& image : request.images)
    trees.push_back({.tree = TRY(request.layers.tree(image.state)), .below = request.images.size() > 1 ? directory_of(image.platform) : ""});
  return write_dest(output.dest, [&](FdRef out) { return write_tree_tar(trees, request.times, out); });
}

Result<ExportedImage> write_archive(const ExportRequest& request, const Output& output) {
  const ScratchExport made = TRY(export_to_scratch(request, output.packing));
  image::NamedImage named{.target = made.exported.manifest};
  for (const std::string& tag : request.tags) named.names.push_back(with_tag(tag));
  TRY(write_dest(output.dest, [&](FdRef out) {
    return output.type == Output::Type::docker
               ? image::write_docker_archive({{.files = made.files.get(), .image = named}}, request.images.front().platform, out)
               : image::write_oci_archive(made.dir, out);
  }));
  return made.exported;
}

}  // namespace

Result<std::optional<ExportedImage>> export_to(const ExportRequest& request, const Output& output) {
  using Type = Output::Type;
  using Answer = std::optional<ExportedImage>;
  ExportRequest named = request;
  for (const std::string& name : output.names) named.tags.push_back(name);
  switch (output.type) {
    case Type::none: return Answer();
    case Type::local:
      for (const BuiltImage& image : request.images) TRY(write_files(request, image, output));
      return Answer();
    case Type::tar:
      TRY(write_tar(request, output));
      return Answer();
    case Type::image: return Error(EINVAL);
    case Type::registry: return Answer(TRY(export_to_registry(named, output.packing)));
    case Type::docker:
      if (request.images.size() > 1) return fail(ENOTSUP, "--output type=docker holds the image of one platform; type=oci holds several");
      return Answer(TRY(write_archive(named, output)));
    case Type::oci: break;
  }
  if (named.tags.empty()) named.tags.emplace_back("latest");
  if (output.archive) return Answer(TRY(write_archive(named, output)));
  const auto layout = TRY(image::Layout::open(output.dest));
  return Answer(TRY(export_images(named, *layout, output.packing)));
}

}  // namespace acetate::build
