#include "cli/run_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acetate::cli {
namespace {

using ::testing::ElementsAre;
using sandbox::Network;

TEST(RunPort, IsAddressOursTheirsAndProtocol) {
  auto text = [](const std::string& typed) {
    const auto port = parse_port(typed);
    EXPECT_TRUE(port) << typed;
    return port ? fmt::format("{} {} {} {}", port->address, port->outside, port->inside, port->udp ? "udp" : "tcp") : "";
  };
  EXPECT_EQ(text("80"), " 80 80 tcp");
  EXPECT_EQ(text("8080:80"), " 8080 80 tcp");
  EXPECT_EQ(text("127.0.0.1:8080:80/udp"), "127.0.0.1 8080 80 udp");
  EXPECT_EQ(text("127.0.0.1::80"), "127.0.0.1 80 80 tcp");
  EXPECT_EQ(text("[::1]:8080:80"), "::1 8080 80 tcp");
  for (const char* typed : {"", "0", "65536", "x", "80:", "1:2:3:4:5x", "80/sctp"}) EXPECT_FALSE(parse_port(typed)) << typed;
}

Result<sandbox::Spec> described(const RunOptions& options) {
  sandbox::Spec spec;
  TRY(describe_network(options, spec));
  return spec;
}

TEST(RunNetwork, IsOneOfFour) {
  RunOptions options;
  EXPECT_EQ(described(options)->network, Network::host);
  for (const auto& [name, network] : {std::pair{"none", Network::none}, std::pair{"pasta", Network::pasta}, std::pair{"slirp4netns", Network::slirp4netns}}) {
    options.network = name;
    EXPECT_EQ(described(options)->network, network);
  }
  options.network = "bridge";
  EXPECT_FALSE(described(options));
}

TEST(RunNetwork, IsOneThatPublishesWhenAPortIsGiven) {
  RunOptions options;
  options.ports = {"8080:80"};
  EXPECT_NE(described(options)->network, Network::host);
  options.network = "host";
  EXPECT_FALSE(described(options));
  options.network = "none";
  EXPECT_FALSE(described(options));
}

TEST(RunNetwork, HasHostsAndNameservers) {
  RunOptions options;
  options.add_hosts = {"box:10.0.0.1", "six:fd00::1"};
  options.dns = {"9.9.9.9"};
  const auto spec = described(options);

  ASSERT_TRUE(spec);
  EXPECT_THAT(spec->hosts, ElementsAre("10.0.0.1\tbox", "fd00::1\tsix"));
  EXPECT_THAT(spec->nameservers, ElementsAre("9.9.9.9"));
  options.add_hosts = {"box"};
  EXPECT_FALSE(described(options));
}

}  // namespace
}  // namespace acetate::cli
