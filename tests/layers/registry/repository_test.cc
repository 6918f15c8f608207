#include "layers/registry/repository.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "layers/image/media_type.h"
#include "tests/layers/registry/misbehaving.h"

namespace acetate::registry {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::string manifest_text(const std::string& rest = "") {
  const auto config = Digest::of("{}").str();
  return R"({"schemaVersion":2,"mediaType":")" + std::string(image::kOciManifest) +
         R"(","config":{"mediaType":")" + std::string(image::kOciConfig) + R"(","digest":")" + config +
         R"(","size":2},"layers":[])" + rest + "}";
}

image::Descriptor descriptor_of(const std::string& text) {
  return {.media_type = std::string(image::kOciManifest), .digest = Digest::of(text), .size = text.size()};
}

class RepositoryTest : public testing::Test {
 protected:
  test::MisbehavingRegistry registry_;
  Repository repository_{registry_.client(), "team/app"};

  void put(const std::string& tag, const std::string& text) {
    const auto done = repository_.put_manifest(tag, descriptor_of(text), text);
    ASSERT_TRUE(done) << done.error().message();
  }
};

TEST_F(RepositoryTest, GetsWhatItPutByTagAndByDigest) {
  const auto text = manifest_text();
  put("1.0", text);

  for (const auto& reference : {std::string("1.0"), Digest::of(text).str()}) {
    const auto got = repository_.manifest(reference);
    ASSERT_TRUE(got) << got.error().message();
    EXPECT_EQ(got->bytes, text);
    EXPECT_EQ(got->descriptor, descriptor_of(text));
  }
  EXPECT_EQ(*repository_.manifest_digest("1.0"), Digest::of(text));
}

TEST_F(RepositoryTest, TakesNoOtherManifestThanTheOneAskedFor) {
  const auto text = manifest_text();
  put("1.0", text);
  for (const auto& reference : {std::string("1.0"), Digest::of(text).str()}) {
    registry_.fault({{"path", "/manifests/"}, {"method", "GET"}, {"do", "corrupt"}, {"at", 20}});
    const auto got = repository_.manifest(reference);
    ASSERT_FALSE(got);
    EXPECT_TRUE(got.error().is(EBADMSG)) << got.error().message();
  }
}

TEST_F(RepositoryTest, RefusesAManifestThatNeverEnds) {
  put("1.0", manifest_text());
  registry_.fault({{"path", "/manifests/"}, {"do", "longer"}, {"by", 5 << 20}});
  const auto got = repository_.manifest("1.0");
  ASSERT_FALSE(got);
  EXPECT_TRUE(got.error().is(EFBIG));
}

TEST_F(RepositoryTest, RefusesWhatIsAnnouncedAsSomethingElse) {
  const auto text = manifest_text();
  auto lying = descriptor_of(text);
  lying.media_type = image::kOciIndex;
  ASSERT_TRUE(repository_.put_manifest("lie", lying, text));
  EXPECT_FALSE(repository_.manifest("lie"));
}

TEST_F(RepositoryTest, SaysWhatIsNotThereInTheRegistrysWords) {
  const auto got = repository_.manifest("none");
  ASSERT_FALSE(got);
  EXPECT_TRUE(got.error().is(ENOENT));
  EXPECT_THAT(got.error().message(), HasSubstr("the manifest none of " + registry_.host() + "/team/app"));
  EXPECT_THAT(got.error().message(), HasSubstr("manifest unknown"));
}

TEST_F(RepositoryTest, ListsTagsOverAllPages) {
  for (const char* tag : {"a", "b", "c", "d", "e"}) put(tag, manifest_text());
  registry_.set({{"page", 2}});
  EXPECT_THAT(*repository_.tags(), ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(registry_.requests("GET", "/tags/list"), SizeIs(3));
}

TEST_F(RepositoryTest, FindsReferrersWithAndWithoutTheRegistrysHelp) {
  const auto subject = manifest_text();
  put("1.0", subject);
  const auto refer = [&](const std::string& type, const std::string& subject_text) {
    return manifest_text(
        R"(,"artifactType":")" + type + R"(","annotations":{"who":"me"},"subject":{"mediaType":")" +
        std::string(image::kOciManifest) + R"(","digest":")" + Digest::of(subject_text).str() +
        R"(","size":)" + std::to_string(subject_text.size()) + "}");
  };
  for (const bool helps : {true, false}) {
    registry_.set({{"referrers", helps}});
    const auto type = helps ? std::string("text/one") : std::string("text/two");
    const auto sbom = refer(type, subject), other = refer("text/other", subject);
    put(Digest::of(sbom).str(), sbom);
    put(Digest::of(other).str(), other);

    const auto found = repository_.referrers(Digest::of(subject), type);
    ASSERT_TRUE(found) << found.error().message();
    ASSERT_THAT(*found, SizeIs(1));
    EXPECT_EQ(found->front().descriptor, descriptor_of(sbom));
    EXPECT_EQ(found->front().artifact_type, type);
    EXPECT_THAT(*repository_.referrers(Digest::of("nobody"), ""), IsEmpty());
  }
}

TEST_F(RepositoryTest, ReferrersTagsHaveAtMost64Digits) {
  const auto digest = Digest::of("subject", Digest::Algorithm::sha512);
  EXPECT_EQ(referrers_tag(digest), "sha512-" + digest.hex().substr(0, 64));
}

TEST_F(RepositoryTest, PutsAReferrerOnceUnderItsTag) {
  registry_.set({{"referrers", false}});
  const auto text = manifest_text(R"(,"subject":{"mediaType":"x","digest":")" + Digest::of("subject").str() +
                                  R"(","size":7})");
  put(Digest::of(text).str(), text);
  put(Digest::of(text).str(), text);

  EXPECT_THAT(*repository_.referrers(Digest::of("subject"), ""), SizeIs(1));
  EXPECT_THAT(*repository_.tags(), ElementsAre("sha256-" + Digest::of("subject").hex()));
}

}  // namespace
}  // namespace acetate::registry
