#include "builder/emulation.h"

#include "base/sys/file.h"
#include "layers/image/platform.h"

namespace acetate::build {

namespace {

// As qemu's packages name the machine in binfmt_misc.
std::string qemu_name(const std::string& architecture) {
  if (architecture == "amd64") return "x86_64";
  if (architecture == "arm64") return "aarch64";
  if (architecture == "386") return "i386";
  if (architecture == "loong64") return "loongarch64";
  return architecture;
}

bool runs_without_help(const std::string& here, const std::string& program) {
  return here == program || (here == "amd64" && program == "386") || (here == "arm64" && program == "arm");
}

}  // namespace

std::string emulation_hint(const image::Platform& of_image, const image::Platform& here, const std::string& handlers) {
  if (of_image.architecture.empty() || runs_without_help(here.architecture, of_image.architecture)) return {};
  const std::string handler = "qemu-" + qemu_name(of_image.architecture);
  if (sys::stat_following(handlers + "/" + handler)) return {};
  return fmt::format("the stage is for {}, and on this machine ({}) nothing runs programs of that kind: binfmt_misc has no {} (Debian: apt "
                     "install qemu-user-static). FROM --platform=$BUILDPLATFORM builds a stage with this machine's programs",
                     image::format_platform(of_image), image::format_platform(here), handler);
}

}  // namespace acetate::build
