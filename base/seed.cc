#include "base/seed.h"

#include <ctime>
#include <exception>
#include <random>

namespace acetate {

std::uint64_t process_seed() noexcept {
  static const std::uint64_t seed = [] {
    try {
      std::random_device random;
      return std::uint64_t{random()} << 32 | random();
    } catch (const std::exception&) {
      // No source of chance in sight: better than a number that stands in the source.
      return static_cast<std::uint64_t>(std::time(nullptr)) * 0x9e3779b97f4a7c15U;
    }
  }();
  return seed;
}

}  // namespace acetate
