// What of a URL may be told.
#pragma once

#include <string>
#include <string_view>

namespace acetate::build {

// A text with every URL in it, "https://user:secret@host/x", without the part that is nobody's business: "https://host/x".
std::string without_users(std::string_view text);

}  // namespace acetate::build
