#include "layers/stream/inflater.h"

#include <atomic>

namespace acetate {

namespace {

#ifdef ACETATE_WITH_ISAL
constexpr MakeInflater kFast = isal_inflater;
#else
constexpr MakeInflater kFast = nullptr;
#endif
std::atomic<MakeInflater> fast = kFast;

}  // namespace

void set_fast_inflater(MakeInflater make) noexcept { fast = make != nullptr ? make : kFast; }
bool has_fast_inflater() noexcept { return fast != nullptr; }

Result<std::unique_ptr<Inflater>> make_inflater(InflateEngine engine) {
  const MakeInflater make = fast;
  return engine == InflateEngine::fastest && make != nullptr ? make() : zlib_inflater();
}

}  // namespace acetate
