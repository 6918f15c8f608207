#include "layers/registry/referrer.h"

#include "layers/image/json.h"

namespace acetate::registry {

namespace {

std::string text_of(const image::Json& object, const char* key) {
  const auto at = object.find(key);
  return at != object.end() && at->is_string() ? at->get<std::string>() : std::string();
}

}  // namespace

std::optional<Digest> subject_of(const nlohmann::json& manifest) {
  const auto subject = manifest.find("subject");
  if (subject == manifest.end() || !subject->is_object()) return std::nullopt;
  auto digest = Digest::parse(text_of(*subject, "digest"));
  return digest ? std::optional(*digest) : std::nullopt;
}

image::IndexEntry referrer_entry(const image::Descriptor& descriptor, const nlohmann::json& manifest) {
  image::IndexEntry entry{.descriptor = descriptor};
  entry.artifact_type = text_of(manifest, "artifactType");
  if (const auto config = manifest.find("config");
      entry.artifact_type.empty() && config != manifest.end() && config->is_object())
    entry.artifact_type = text_of(*config, "mediaType");
  if (const auto notes = manifest.find("annotations"); notes != manifest.end() && notes->is_object())
    for (const auto& [key, value] : notes->items())
      if (value.is_string()) entry.annotations[key] = value.get<std::string>();
  return entry;
}

}  // namespace acetate::registry
