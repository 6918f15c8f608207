// What must hold whatever the bytes are. Not assert(): fuzzing builds may have that off.
#pragma once

#include <cstdlib>

namespace acetate::fuzz {

inline void demand(bool holds) {
  if (!holds) std::abort();
}

}  // namespace acetate::fuzz
