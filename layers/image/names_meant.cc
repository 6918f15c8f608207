#include "layers/image/names_meant.h"

#include <algorithm>

namespace acetate::image {

Result<std::vector<Reference>> names_meant(std::string_view text, const StorePlace& place) {
  const auto typed = TRY(parse_reference(text));
  if (!is_short_name(text)) return std::vector{typed};
  std::vector<std::string> texts{std::string(text), fmt::format("localhost/{}", text)};
  if (place.short_names) texts = TRY(place.short_names(std::string(text)));
  std::vector<Reference> names;
  for (const auto& each : texts) {
    auto name = TRY(parse_reference(each));
    if (std::ranges::find(names, name) == names.end()) names.push_back(std::move(name));
  }
  return names;
}

}  // namespace acetate::image
