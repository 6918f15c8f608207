#include "builder/provenance.h"

#include "builder/clock.h"
#include "layers/image/json.h"
#include "layers/image/media_type.h"
#include "layers/image/platform.h"
#include "layers/image/reference.h"

namespace acetate::build {

namespace {

using image::Json;

constexpr const char* kPredicate = "https://slsa.dev/provenance/v1";
// It says by which page the fields are to be read, and we fill them as that page has them.
constexpr const char* kBuildType = "https://github.com/moby/buildkit/blob/master/docs/attestations/slsa-definitions.md";
constexpr const char* kArtifactType = "application/vnd.docker.attestation.manifest.v1+json";
constexpr const char* kStatementType = "application/vnd.in-toto+json";
constexpr const char* kEmptyType = "application/vnd.oci.empty.v1+json";

// "pkg:docker/alpine@3.17?platform=linux%2Famd64" (github.com/package-url/purl-spec); "" for what is no name of a registry.
std::string package_url(const std::string& name, const image::Platform& platform) {
  const auto reference = image::parse_reference(name);
  if (!reference) return {};
  std::string familiar = reference->familiar();
  familiar = familiar.substr(0, familiar.find('@'));
  if (!reference->tag.empty() && familiar.ends_with(":" + reference->tag)) familiar.resize(familiar.size() - reference->tag.size() - 1);
  std::string escaped;
  for (const char c : image::format_platform(platform)) escaped += c == '/' ? "%2F" : std::string(1, c);
  const std::string version = reference->tag.empty() ? "" : "@" + reference->tag;
  return fmt::format("pkg:docker/{}{}?platform={}", familiar, version, escaped);
}

Json describe(const image::Descriptor& descriptor) {
  return {{"mediaType", descriptor.media_type}, {"digest", descriptor.digest.str()}, {"size", descriptor.size}};
}

Json digest_json(const Digest& digest) { return {{name_of(digest.algorithm()), digest.hex()}}; }

}  // namespace

std::string public_source(const std::string& context) {
  const std::size_t scheme = context.find("://");
  if (scheme == std::string::npos) return context.starts_with("git@") ? context : "";
  const std::size_t host = scheme + 3, end = std::min(context.find('/', host), context.size());
  const std::size_t at = context.rfind('@', end);
  // A query may be a signature or a token; what follows '#' names the commit.
  const std::size_t query = std::min(context.find('?'), context.size()), fragment = std::min(context.find('#', query), context.size());
  const std::string plain = context.substr(0, query) + context.substr(fragment);
  if (at == std::string::npos || at < host || at >= query) return plain;
  return plain.substr(0, host) + plain.substr(at + 1);
}

std::string provenance_statement(const Provenance& told, const std::vector<Material>& materials, const image::Descriptor& image,
                                 const image::Platform& platform, const std::vector<std::string>& names, std::int64_t ended) {
  Json subjects = Json::array();
  const Json digest = digest_json(image.digest);
  for (const std::string& name : names)
    if (std::string url = package_url(name, platform); !url.empty()) subjects.push_back({{"name", std::move(url)}, {"digest", digest}});
  if (subjects.empty()) subjects.push_back({{"name", "_"}, {"digest", digest}});

  Json dependencies = Json::array();
  for (const Material& material : materials)
    if (std::string url = package_url(material.name, material.platform); !url.empty())
      dependencies.push_back({{"uri", std::move(url)}, {"digest", digest_json(material.manifest)}});

  Json source = {{"path", told.dockerfile}};
  if (!told.source.empty()) source["uri"] = told.source;
  Json arguments = Json::object();
  if (!told.target.empty()) arguments["target"] = told.target;
  Json locals = Json::array();
  if (told.source.empty()) locals = {{{"name", "context"}}, {{"name", "dockerfile"}}};

  return image::write_json(
      {{"_type", "https://in-toto.io/Statement/v1"},
       {"predicateType", kPredicate},
       {"subject", std::move(subjects)},
       {"predicate",
        {{"buildDefinition",
          {{"buildType", kBuildType},
           {"externalParameters",
            {{"configSource", std::move(source)},
             {"request", {{"frontend", "dockerfile.v0"}, {"args", std::move(arguments)}, {"locals", std::move(locals)}}}}},
           {"internalParameters", {{"builderPlatform", image::format_platform(image::host_platform())}}},
           {"resolvedDependencies", std::move(dependencies)}}},
         {"runDetails",
          {{"builder", {{"id", told.builder_id}}},
           {"metadata", {{"startedOn", format_time(told.began)}, {"finishedOn", format_time(ended)}}}}}}}});
}

Result<image::IndexEntry> put_provenance(const std::string& statement, const image::Descriptor& image, image::Layout& layout) {
  const auto empty = TRY(layout.put_blob("{}", kEmptyType));
  const auto blob = TRY(layout.put_blob(statement, kStatementType));
  Json layer = describe(blob);
  layer["annotations"] = {{"in-toto.io/predicate-type", kPredicate}};
  const std::string artifact = image::write_json({{"schemaVersion", 2},
                                                  {"mediaType", image::kOciManifest},
                                                  {"artifactType", kArtifactType},
                                                  {"config", describe(empty)},
                                                  {"layers", Json::array({std::move(layer)})},
                                                  {"subject", describe(image)}});
  image::IndexEntry entry{.descriptor = TRY(layout.put_blob(artifact, std::string(image::kOciManifest)))};
  entry.platform = image::Platform{.os = "unknown", .architecture = "unknown"};
  entry.annotations = {{"vnd.docker.reference.digest", image.digest.str()}, {"vnd.docker.reference.type", "attestation-manifest"}};
  return entry;
}

}  // namespace acetate::build
