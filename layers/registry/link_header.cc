#include "layers/registry/link_header.h"

#include <string_view>

namespace acetate::registry {

std::optional<std::string> next_page(const std::vector<std::string>& headers) {
  for (const std::string_view header : headers) {
    std::size_t at = 0;
    while ((at = header.find('<', at)) != std::string_view::npos) {
      const auto end = header.find('>', at);
      if (end == std::string_view::npos) break;
      const auto parameters_end = std::min(header.find('<', end), header.size());
      const auto parameters = header.substr(end, parameters_end - end);
      const bool next = parameters.find("rel=\"next\"") != std::string_view::npos ||
                        parameters.find("rel=next") != std::string_view::npos;
      if (next) return std::string(header.substr(at + 1, end - at - 1));
      at = end;
    }
  }
  return std::nullopt;
}

}  // namespace acetate::registry
