#include "layers/registry/serve/command_line.h"

#include <gtest/gtest.h>

namespace acetate::registry {
namespace {

TEST(ServeArguments, AreReadAsTheyWereWritten) {
  ServeRequest request{.store = {.dir = "/a store=", .shared = {"/one", "/two"}}};
  request.options = {.host = "::1", .port = 7, .certificate_file = "c", .key_file = "k", .htpasswd_file = "h", .read_only = true, .allow_delete = true};
  const auto read = parse_arguments(to_arguments(request));
  ASSERT_TRUE(read) << read.error().message();
  EXPECT_EQ(read->store.dir, "/a store=");
  EXPECT_EQ(read->store.shared, (std::vector<std::string>{"/one", "/two"}));
  EXPECT_EQ(read->options.host, "::1");
  EXPECT_EQ(read->options.port, 7);
  EXPECT_EQ(read->options.certificate_file + read->options.key_file + read->options.htpasswd_file, "ckh");
  EXPECT_TRUE(read->options.read_only && read->options.allow_delete);
}

TEST(ServeArguments, OfAnyOtherKindAreRefused) {
  for (const char* word : {"--help", "stores=/x", "port=x", "host"}) {
    const std::vector<std::string> words{word};
    EXPECT_TRUE(parse_arguments(words).error().is(EINVAL)) << word;
  }
}

}  // namespace
}  // namespace acetate::registry
