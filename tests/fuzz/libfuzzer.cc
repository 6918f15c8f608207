// libFuzzer's door to one target: compiled once for each, with ACETATE_FUZZ_TARGET its name.
#include "base/log.h"
#include "tests/fuzz/targets.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const bool quiet = [] {
    acetate::log::set_sink([](acetate::log::Level, std::string_view) {});
    return true;
  }();
  (void)quiet;
  return acetate::fuzz::ACETATE_FUZZ_TARGET(std::as_bytes(std::span(data, size)));
}
