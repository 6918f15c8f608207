// Builds for other platforms than this machine's, and for several at once; what stands beside an image in an index.
#include <filesystem>

#include "builder/base_state.h"
#include "builder/provenance.h"
#include "layers/stack.h"
#include "tests/builder/build_fixture.h"

namespace acetate::build {
namespace {

class PlatformTest : public BuildTest {
 protected:
  // Images of two platforms: the first by its own name.
  BuildOptions for_both() {
    BuildOptions how = options();
    how.platforms = {{.os = "linux", .architecture = "amd64"}, {.os = "linux", .architecture = "arm64"}};
    return how;
  }
  std::string file_of(const image::Platform& platform, std::string_view name) {
    const auto image = image::open_image("oci:" + (dir_ / "out"), platform);
    if (!image) return image.error().message();
    LayerOpener layers(dir_ / "index");
    Cache cache = *Cache::open(dir_ / "build");
    const auto tree = layers.tree(*base_state(*image, cache));
    const auto found = walk(**tree, *RelPath::parse(name));
    if (!found) return "nothing";
    const auto content = (*tree)->open(found->node);
    std::string text((*content)->size(), '\0');
    EXPECT_TRUE((*content)->pread(std::as_writable_bytes(std::span(text)), 0));
    return text;
  }
};

TEST_F(PlatformTest, BuildsForEachAndNamesThemInAnIndex) {
  dockerfile(R"(
FROM --platform=$BUILDPLATFORM scratch AS tools
ARG TARGETARCH BUILDARCH
COPY <<EOF /made
$TARGETARCH
EOF
FROM scratch
ARG TARGETPLATFORM
LABEL for=$TARGETPLATFORM
COPY --from=tools /made /
)");
  const std::string id = build(for_both());
  ASSERT_TRUE(id.starts_with("sha256:")) << id;
  const image::Platform amd{.os = "linux", .architecture = "amd64"}, arm{.os = "linux", .architecture = "arm64"};
  EXPECT_EQ(file_of(amd, "made"), "amd64\n");
  EXPECT_EQ(file_of(arm, "made"), "arm64\n");
  const auto image = image::open_image("oci:" + (dir_ / "out"), arm);
  ASSERT_TRUE(image);
  EXPECT_EQ(image->config.platform, arm);
  EXPECT_EQ(image->config.labels.at("for"), "linux/arm64");
  EXPECT_NE(log_.find("[linux/arm64 stage-1 1/1]"), std::string::npos) << log_;
}

TEST_F(PlatformTest, TakesOfABaseWhatItsPlatformNames) {
  dockerfile("FROM scratch\nARG TARGETARCH\nLABEL base=$TARGETARCH\n");
  BuildOptions base = for_both();
  base.outputs.clear();
  base.tags = {"my/base"};
  ASSERT_TRUE(build(base).starts_with("sha256:"));
  dockerfile("FROM my/base AS target\nFROM --platform=$BUILDPLATFORM my/base AS here\nFROM target\n");
  ASSERT_TRUE(build(for_both()).starts_with("sha256:"));
  EXPECT_EQ(image::open_image("oci:" + (dir_ / "out"), {.os = "linux", .architecture = "arm64"})->config.labels.at("base"), "arm64");
  BuildOptions missing = options();
  missing.platforms = {{.os = "linux", .architecture = "s390x"}};
  EXPECT_NE(build(missing).find("linux/s390x"), std::string::npos) << build(missing);
}

TEST_F(PlatformTest, MakesAnImageForWindowsAsBuildKitDoes) {
  dockerfile("FROM scratch\nARG TARGETPLATFORM TARGETOSVERSION\nLABEL for=$TARGETPLATFORM version=$TARGETOSVERSION\nENTRYPOINT foo bar\n");
  BuildOptions how = options();
  how.platforms = {{.os = "windows", .architecture = "amd64", .os_version = "10.0.20348.1006"}};
  how.tags = {"my/windows"};
  ASSERT_TRUE(build(how).starts_with("sha256:")) << build(how);
  const auto made = [&](const image::Platform& wanted) { return image::open_image("oci:" + (dir_ / "out"), wanted); };
  const auto image = made(how.platforms.front());
  ASSERT_TRUE(image) << image.error().message();
  EXPECT_EQ(image->config.platform, how.platforms.front());
  EXPECT_EQ(image->config.labels.at("for"), "windows(10.0.20348.1006)/amd64");
  EXPECT_EQ(image->config.labels.at("version"), "10.0.20348.1006");
  EXPECT_EQ(image->config.entrypoint, (Words{"cmd", "/S", "/C", "foo bar"}));
  EXPECT_EQ(image->config.env, Words()) << "no PATH of ours";

  // What is built on it is for the same version.
  BuildOptions base = how;
  base.outputs = {{.type = Output::Type::image}};
  ASSERT_TRUE(build(base).starts_with("sha256:"));
  dockerfile("FROM my/windows\nLABEL on=top\n");
  how.platforms = {{.os = "windows", .architecture = "amd64"}};
  how.tags.clear();
  std::filesystem::remove_all(dir_ / "out");
  ASSERT_TRUE(build(how).starts_with("sha256:")) << build(how);
  const auto on_top = made(how.platforms.front());
  ASSERT_TRUE(on_top) << on_top.error().message();
  EXPECT_EQ(on_top->config.platform.os_version, "10.0.20348.1006");
}

TEST_F(PlatformTest, SaysWhatACommandOfAnotherMachineNeeds) {
  dockerfile("FROM scratch\nRUN fail 126\n");
  BuildOptions how = options();
  how.platforms = {{.os = "linux", .architecture = "s390x"}};
  EXPECT_NE(build(how).find("binfmt_misc has no qemu-s390x"), std::string::npos);
}

TEST_F(PlatformTest, PutsTheFilesOfEachIntoADirectoryOfItsOwn) {
  dockerfile("FROM scratch\nCOPY <<EOF /a\nb\nEOF\n");
  BuildOptions how = for_both();
  how.outputs = {{.type = Output::Type::local, .dest = dir_ / "files"}};
  build(how);
  EXPECT_EQ(dir_.read("files/linux_arm64/a"), "b\n");
  how.outputs = {{.type = Output::Type::tar, .dest = dir_ / "all.tar"}};
  ASSERT_EQ(build(how), "no image");
  const auto both = image::image_from_layers({dir_ / "all.tar"});
  ASSERT_TRUE(both);
  Cache cache = *Cache::open(dir_ / "build");
  LayerOpener layers(dir_ / "index");
  const auto tree = layers.tree(*base_state(*both, cache));
  for (const char* file : {"linux_amd64/a", "linux_arm64/a"}) EXPECT_TRUE(walk(**tree, *RelPath::parse(file))) << file;
  how.outputs = {{.type = Output::Type::docker, .dest = dir_ / "files.tar"}};
  EXPECT_NE(build(how).find("holds the image of one platform"), std::string::npos);
}

TEST_F(PlatformTest, ComplainsOfOneThatIsNone) {
  dockerfile("FROM --platform=a/b/c/d scratch\n");
  EXPECT_NE(build().find("failed to parse platform a/b/c/d: "), std::string::npos) << build();
}

TEST_F(PlatformTest, KeepsTheTableOfContentsOfABase) {
  dockerfile("FROM scratch\nCOPY <<EOF /a\nb\nEOF\n");
  BuildOptions base = options();
  base.outputs = {{.dest = dir_ / "base", .packing = {.compression = Compression::estargz}}};
  ASSERT_TRUE(build(base).starts_with("sha256:"));
  const auto layers_of = [&](const std::string& layout) {
    const auto read = [&](const nlohmann::json& entry) {
      return nlohmann::json::parse(dir_.read(layout + "/blobs/sha256/" + entry.at("digest").get<std::string>().substr(7)));
    };
    return read(nlohmann::json::parse(dir_.read(layout + "/index.json")).at("manifests").at(0)).at("layers");
  };
  const nlohmann::json packed = layers_of("base").at(0);
  ASSERT_TRUE(packed.contains("annotations")) << packed;

  dockerfile("FROM base\nCOPY <<EOF /c\nd\nEOF\n");
  BuildOptions how = options();
  how.contexts = {{"base", "oci-layout://" + (dir_ / "base")}};
  ASSERT_TRUE(build(how).starts_with("sha256:")) << build(how);
  EXPECT_EQ(layers_of("out").at(0), packed);
  EXPECT_FALSE(layers_of("out").at(1).contains("annotations"));
}

class ProvenanceTest : public BuildTest {
 protected:
  nlohmann::json blob(const nlohmann::json& descriptor) {
    return nlohmann::json::parse(dir_.read("out/blobs/sha256/" + descriptor.at("digest").get<std::string>().substr(7)));
  }
  nlohmann::json top() { return blob(nlohmann::json::parse(dir_.read("out/index.json")).at("manifests").at(0)); }
};

TEST_F(ProvenanceTest, StandsBesideAnImageThatIsTheSameWithoutIt) {
  dockerfile("FROM scratch\nLABEL a=b\n");
  BuildOptions base = options();
  base.outputs.clear();
  base.tags = {"my/base:1"};
  build(base);
  dockerfile("FROM my/base:1\nARG TOKEN\nCOPY <<EOF /f\nx\nEOF\n");
  BuildOptions how = options();
  how.build_args = {{"TOKEN", "hunter2"}};
  const std::string id = build(how);
  const std::string plain = nlohmann::json::parse(dir_.read("out/index.json")).at("manifests").at(0).at("digest");
  how.provenance = true;
  how.tags = {"my/app"};
  how.builder_id = "https://ci.example/7";
  std::filesystem::remove_all(dir_ / "out");
  EXPECT_EQ(build(how), id);

  const nlohmann::json index = top();
  ASSERT_EQ(index.at("manifests").size(), 2U);
  const nlohmann::json &image = index["manifests"][0], &entry = index["manifests"][1];
  EXPECT_EQ(image.at("digest"), plain);
  EXPECT_EQ(entry.at("platform"), (nlohmann::json{{"os", "unknown"}, {"architecture", "unknown"}}));
  EXPECT_EQ(entry.at("annotations"), (nlohmann::json{{"vnd.docker.reference.digest", plain}, {"vnd.docker.reference.type", "attestation-manifest"}}));
  const nlohmann::json artifact = blob(entry);
  EXPECT_EQ(artifact.at("subject").at("digest"), plain);
  EXPECT_EQ(artifact.at("layers").at(0).at("annotations").at("in-toto.io/predicate-type"), "https://slsa.dev/provenance/v1");
  const nlohmann::json statement = blob(artifact.at("layers").at(0));
  EXPECT_EQ(statement.dump().find("hunter2"), std::string::npos);
  EXPECT_EQ(statement.at("subject").at(0).at("digest").at("sha256"), plain.substr(7));
  EXPECT_TRUE(statement.at("subject").at(0).at("name").get<std::string>().starts_with("pkg:docker/my/app@latest?platform=linux%2F"));
  const nlohmann::json& definition = statement.at("predicate").at("buildDefinition");
  EXPECT_EQ(definition.at("externalParameters").at("configSource").at("path"), "Dockerfile");
  ASSERT_EQ(definition.at("resolvedDependencies").size(), 1U);
  EXPECT_TRUE(definition["resolvedDependencies"][0].at("uri").get<std::string>().starts_with("pkg:docker/my/base@1?platform="));
  EXPECT_EQ(statement["predicate"]["runDetails"]["builder"]["id"], "https://ci.example/7");
  // What reads images finds the image and no other.
  EXPECT_EQ(image::open_image("oci:" + (dir_ / "out"), image::host_platform())->manifest_digest->str(), plain);
}

TEST(Provenance, TellsNoPasswordOfAContextAndNothingOfThisMachine) {
  EXPECT_EQ(public_source("https://me:secret@git.example/r.git#main"), "https://git.example/r.git#main");
  EXPECT_EQ(public_source("https://git.example/a@b"), "https://git.example/a@b");
  EXPECT_EQ(public_source("https://files.example/c.tar?X-Signature=secret&a=me@b"), "https://files.example/c.tar");
  EXPECT_EQ(public_source("https://git.example/r.git?token=secret#main"), "https://git.example/r.git#main");
  EXPECT_EQ(public_source("git@git.example:r.git"), "git@git.example:r.git");
  EXPECT_EQ(public_source("/home/me/src"), "");
}

TEST_F(PlatformTest, TakesABaseThatThereIsForAnotherPlatformOnlyAndWarns) {
  dir_.write("context/a", "1");
  dockerfile("FROM scratch\nCOPY a /a\n");
  BuildOptions base = options();
  base.outputs.clear();
  base.tags = {"strange"};
  base.platforms = {{.os = "linux", .architecture = "s390x"}};
  ASSERT_TRUE(build(base).starts_with("sha256:"));
  dockerfile("FROM strange\nCOPY a /b\n");
  BuildOptions how = options();
  how.platforms = {{.os = "linux", .architecture = "amd64"}};
  Words asked;
  how.fetch = [&](const std::string& name, const std::string&, const image::Platform&) -> Result<void> {
    asked.push_back(name);
    return fail(ENOENT, "no such registry");
  };
  ASSERT_TRUE(build(how).starts_with("sha256:")) << log_;
  EXPECT_EQ(asked, Words{"strange"}) << "it might be there for this one";
  EXPECT_NE(log_.find("InvalidBaseImagePlatform: Base image strange was pulled with platform \"linux/s390x\", expected \"linux/amd64\""), std::string::npos) << log_;
}

}  // namespace
}  // namespace acetate::build
