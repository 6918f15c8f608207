// A number nobody can foretell: the seed of hash tables in memory whose keys a stranger chooses.
#pragma once

#include <cstdint>

namespace acetate {

// Drawn at random once a process.
std::uint64_t process_seed() noexcept;

}  // namespace acetate
