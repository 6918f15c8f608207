#include "layers/image/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layers/image/media_type.h"

namespace acetate::image {
namespace {

using ::testing::HasSubstr;

std::string error(std::string_view text, std::string_view announced = {}) {
  const auto document = parse_document(text, announced, "it");
  return document ? "no error" : document.error().message();
}

TEST(Manifest, ComesBackAsItWasWritten) {
  Manifest manifest;
  manifest.config = {std::string(kOciConfig), Digest::of("config"), 6};
  manifest.layers = {{std::string(kOciLayerGzip), Digest::of("a"), 1},
                     {std::string(kOciLayerZstd), Digest::of("b"), 1}};
  manifest.annotations["k"] = "v";

  const auto back = parse_document(to_json(manifest), kOciManifest, "it");

  ASSERT_TRUE(back) << back.error().message();
  ASSERT_TRUE(back->manifest);
  EXPECT_FALSE(back->index);
  EXPECT_EQ(back->manifest->config, manifest.config);
  EXPECT_EQ(back->manifest->layers, manifest.layers);
  EXPECT_EQ(back->manifest->annotations, manifest.annotations);
}

TEST(Manifest, OfAnIndexComesBackAsItWasWritten) {
  Index index;
  index.entries.push_back({.descriptor = {std::string(kOciManifest), Digest::of("m"), 1},
                           .platform = Platform{"linux", "arm", "v7"},
                           .annotations = {{"k", "v"}}});

  const auto back = parse_index(to_json(index), "it");

  ASSERT_TRUE(back) << back.error().message();
  ASSERT_EQ(back->entries.size(), 1u);
  EXPECT_EQ(back->entries[0].descriptor, index.entries[0].descriptor);
  EXPECT_EQ(back->entries[0].platform, index.entries[0].platform);
  EXPECT_EQ(back->entries[0].annotations, index.entries[0].annotations);
}

TEST(Manifest, NamesTheTableOfContentsInEverySpelling) {
  const Digest toc = Digest::of("toc");
  const auto layer_with = [](std::string_view key, std::string_view value) {
    return fmt::format(R"({{"config":{{"mediaType":"{}","digest":"{}","size":1}},"layers":[{{"mediaType":"{}","digest":"{}","size":1,)"
                       R"("annotations":{{"other":"x","{}":"{}"}}}}]}})",
                       kOciConfig, Digest::of("c").str(), kOciLayerZstd, Digest::of("l").str(), key, value);
  };
  for (const char* key : {"containerd.io/snapshot/stargz/toc.digest", "io.github.containers.zstd-chunked.manifest-checksum",
                          "io.containers.zstd-chunked.manifest-checksum"}) {
    const auto document = parse_document(layer_with(key, toc.str()), kOciManifest, "it");
    ASSERT_TRUE(document && document->manifest) << key;
    EXPECT_EQ(document->manifest->layers.at(0).toc, toc) << key;
    const auto wrong = parse_document(layer_with(key, "sha256:zz"), kOciManifest, "it");
    ASSERT_TRUE(wrong && wrong->manifest) << key;
    EXPECT_FALSE(wrong->manifest->layers.at(0).toc) << "a table that is named by no digest is not believed";
  }
}

// CVE-2021-41190: one digest that two readers understand differently.
TEST(Manifest, IsRefusedWhenItCouldBeReadAsTwoThings) {
  const auto both = R"({"schemaVersion":2,"manifests":[],"layers":[]})";

  EXPECT_EQ(error(both), "it could be read as an image manifest and as an index");
  EXPECT_EQ(error(R"({"manifests":[]})", kOciManifest),
            "it could be read as an image manifest and as an index");
  EXPECT_EQ(error(R"({"layers":[]})", kDockerIndex), "it could be read as an image manifest and as an index");
  EXPECT_THAT(error(R"({"mediaType":"a/b","manifests":[]})", kOciIndex), HasSubstr("was announced as"));
}

TEST(Manifest, OfSchemaOneIsRefusedWithTheWayOut) {
  EXPECT_THAT(error(R"({"schemaVersion":1,"fsLayers":[]})"), HasSubstr("skopeo copy --format v2s2"));
}

TEST(Manifest, OfAnArtifactIsRefusedByName) {
  EXPECT_EQ(
      error(
          R"({"config":{"mediaType":"application/vnd.oci.empty.v1+json"},"layers":[],"artifactType":"text/sbom"})"),
      "it is an artifact of type \"text/sbom\" and not an image");
  EXPECT_EQ(error(R"({"config":{"mediaType":"application/vnd.helm"},"layers":[]})"),
            "it is an artifact of type \"application/vnd.helm\" and not an image");
}

TEST(Manifest, NamesTheKeyThatIsWrong) {
  EXPECT_EQ(error("7"), "it is not a JSON object");
  EXPECT_EQ(error("{}"), "it is neither an image manifest nor an index of them");
  EXPECT_EQ(error(R"({"manifests":{}})"), "it: \"manifests\" is not a list");
  EXPECT_THAT(error(R"({"manifests":[{"mediaType":"x","digest":"sha256:zz","size":1}]})"),
              HasSubstr("it: manifests: \"digest\""));
  const auto huge = std::string(R"({"manifests":[{"mediaType":"x","digest":"sha256:)") +
                    std::string(64, 'a') + R"(","size":18446744073709551615}]})";
  EXPECT_EQ(error(huge), "it: manifests: \"size\" is not a size");
}

}  // namespace
}  // namespace acetate::image
