// Text of others in a page of ours.
#pragma once

#include <string>
#include <string_view>

namespace acetate::cli {

// Nothing in it is markup any more; control characters are shown as what they are.
std::string escaped_html(std::string_view text);

}  // namespace acetate::cli
