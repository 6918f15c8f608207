// Which library inflates gzip: a choice for tests and for machines where the fast one is not to be trusted.
#pragma once

#include <cstdint>

namespace acetate {

enum class InflateEngine : std::uint8_t {
  fastest,  // ISA-L where it was built in, else zlib
  zlib,
};

}  // namespace acetate
