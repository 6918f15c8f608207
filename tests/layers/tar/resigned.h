// An index with bytes changed and all checksums put right, as somebody would who means harm.
#pragma once

#include <string>

namespace acetate::test {

// Any bytes at least as long as a header; what they say of sections is believed only as far as it is possible.
std::string signed_again(std::string bytes);

}  // namespace acetate::test
