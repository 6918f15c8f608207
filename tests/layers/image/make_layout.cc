// make_layout DIR ARCHIVE LAYER.tar: writes an image of one layer as the layout DIR (tag "v1"), and that as
// the oci-archive ARCHIVE. For the suite in which other tools read what we write.
#include <fcntl.h>
#include <fmt/format.h>

#include "base/sys/file.h"
#include "layers/image/config.h"
#include "layers/image/layout.h"
#include "layers/image/manifest.h"
#include "layers/image/media_type.h"

namespace acetate::image {
namespace {

Result<void> make(const std::string& dir, const std::string& archive, const std::string& layer_path) {
  const auto layer_bytes = TRY(sys::read_file(layer_path, 1 << 30));
  const auto layout = TRY(Layout::open(dir));
  const auto layer = TRY(layout->put_blob(layer_bytes, std::string(kOciLayer)));

  Config config = empty_config(host_platform());
  config.created = "2026-01-02T03:04:05Z";
  config.env = {"GREETING=hello"};
  config.cmd = {"/bin/sh"};
  config.labels["who"] = "made by hand";
  config.diff_ids = {layer.digest};
  config.history = {{.created = config.created, .created_by = "COPY layer.tar /"},
                    {.created = config.created, .created_by = "CMD [\"/bin/sh\"]", .empty_layer = true}};
  const auto config_blob = TRY(layout->put_blob(TRY(to_json(config)), std::string(kOciConfig)));
  const Manifest manifest{.config = config_blob, .layers = {layer}};
  const auto manifest_blob = TRY(layout->put_blob(to_json(manifest), std::string(kOciManifest)));
  TRY(layout->set_reference("v1", manifest_blob));

  const Fd out = TRY(sys::open(archive, O_WRONLY | O_CREAT | O_TRUNC, 0644));
  return write_oci_archive(dir, out.ref());
}

}  // namespace
}  // namespace acetate::image

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const auto made = acetate::image::make(argv[1], argv[2], argv[3]);
  if (!made) fmt::print(stderr, "{}\n", made.error().message());
  return made ? 0 : 1;
}
