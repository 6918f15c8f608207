#include "layers/image/subject.h"

#include "layers/image/json.h"

namespace acetate::image {

Result<std::optional<Digest>> read_subject(std::string_view document, std::string_view what) {
  const Json value = TRY(parse_json(document, what));
  const auto subject = value.find("subject");
  if (subject == value.end() || !subject->is_object()) return std::optional<Digest>();
  const auto digest = subject->find("digest");
  if (digest == subject->end() || !digest->is_string()) return std::optional<Digest>();
  const auto parsed = Digest::parse(digest->get<std::string>());
  return parsed ? std::optional(*parsed) : std::nullopt;
}

}  // namespace acetate::image
