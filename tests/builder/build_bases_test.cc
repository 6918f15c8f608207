// What FROM finds: images of our own store, those that are fetched, named contexts.
#include <latch>
#include <mutex>
#include <set>
#include <string>

#include "tests/builder/build_fixture.h"

namespace acetate::build {
namespace {

TEST_F(BuildTest, BuildsOnAnImageOfItsOwnStore) {
  dockerfile("FROM scratch\nRUN touch base 1\nENV A=1\nONBUILD RUN touch trigger 1\n");
  BuildOptions how = options();
  how.outputs.clear();
  how.tags = {"my/base"};
  ASSERT_TRUE(build(how).starts_with("sha256:"));
  dockerfile("FROM my/base\nRUN touch own 1\n");

  const std::string id = build();

  ASSERT_TRUE(id.starts_with("sha256:")) << id;
  EXPECT_EQ(runner_.ran, (Words{"touch trigger 1", "touch own 1"}));
  EXPECT_EQ(config()["rootfs"]["diff_ids"].size(), 3U);
  EXPECT_EQ(config()["config"].contains("OnBuild"), false);
  EXPECT_EQ(config()["created"], config()["history"].back()["created"]) << "and not when the base was";
}

TEST_F(BuildTest, SaysWhereAMissingBaseWasNamed) {
  dockerfile("FROM no/such:image\n");
  const std::string error = build();
  EXPECT_TRUE(error.starts_with("error: failed to resolve source metadata for docker.io/no/such:image: not found: there is no image \"no/such:image\" here")) << error;
}

TEST_F(BuildTest, TakesADockerImageOfANamedContextFromOurStore) {
  BuildOptions base = options();
  base.outputs.clear();
  base.tags = {"my/base:2"};
  dockerfile("FROM scratch\nLABEL is=base\n");
  ASSERT_TRUE(build(base).starts_with("sha256:"));

  dockerfile("FROM other\n");
  BuildOptions how = options();
  for (const char* scheme : {"docker-image://", "container-image://", "docker://"}) {
    how.contexts = {{"other", std::string(scheme) + "my/base:2"}};
    ASSERT_TRUE(build(how).starts_with("sha256:")) << build(how);
    EXPECT_EQ(config()["config"]["Labels"]["is"], "base");
  }
  how.contexts = {{"other", "docker-image://scratch"}};
  ASSERT_TRUE(build(how).starts_with("sha256:")) << build(how);
  EXPECT_FALSE(config()["config"].contains("Labels"));
  how.contexts = {{"other", "docker-image://nowhere"}};
  EXPECT_NE(build(how).find("the build context \"other\": failed to resolve source metadata for docker.io/library/nowhere:latest: not found"), std::string::npos) << build(how);
}

TEST_F(BuildTest, FetchesBaseImagesThatAreNotHereOnce) {
  dockerfile("FROM nowhere AS a\nRUN touch a 1\nFROM nowhere AS b\nRUN touch b 1\nFROM never AS c\nFROM a\nCOPY --from=b / /b\n");
  Words asked;
  BuildOptions how = options();
  how.fetch = [&](const std::string& name, const std::string& policy, const image::Platform&) -> Result<void> {
    asked.push_back(name + " " + policy);
    return fail(ENOENT, "no such registry");
  };
  EXPECT_NE(build(how).find("no such registry"), std::string::npos);
  EXPECT_EQ(asked, Words{"nowhere missing"});
  how.pull = "never";
  EXPECT_NE(build(how).find("there is no image \"nowhere\" here"), std::string::npos);
  EXPECT_EQ(asked.size(), 1U);
}

TEST_F(BuildTest, FetchesDifferentBaseImagesBesideEachOther) {
  dockerfile("FROM one AS a\nFROM two AS b\nFROM one AS c\nFROM scratch\nCOPY --from=a / /\nCOPY --from=b / /\nCOPY --from=c / /\n");
  std::latch both(2);  // neither comes back before both are on their way
  std::mutex mutex;
  std::multiset<std::string> asked;
  BuildOptions how = options();
  how.jobs = 2;
  how.fetch = [&](const std::string& name, const std::string&, const image::Platform&) -> Result<void> {
    {
      const std::lock_guard lock(mutex);
      asked.insert(name);
    }
    both.arrive_and_wait();
    return fail(ENOENT, "no such registry");
  };
  EXPECT_NE(build(how).find("no such registry"), std::string::npos);
  EXPECT_EQ(asked, (std::multiset<std::string>{"one", "two"}));
}

}  // namespace
}  // namespace acetate::build
