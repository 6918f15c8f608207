#include "cli/run_network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace acetate::cli {
namespace {

using ::testing::ElementsAre;
using sandbox::Network;

TEST(RunPort, IsAddressOursTheirsAndProtocol) {
  auto text = [](const std::string& typed) {
    const auto ports = parse_ports(typed);
    EXPECT_TRUE(ports) << typed;
    std::string all;
    if (ports)
      for (const sandbox::Port& port : *ports)
        all += fmt::format("{}{} {} {} {}", all.empty() ? "" : ", ", port.address, port.outside, port.inside, port.udp ? "udp" : "tcp");
    return all;
  };
  EXPECT_EQ(text("80"), " 80 80 tcp");
  EXPECT_EQ(text("8080:80"), " 8080 80 tcp");
  EXPECT_EQ(text("127.0.0.1:8080:80/udp"), "127.0.0.1 8080 80 udp");
  EXPECT_EQ(text("127.0.0.1::80"), "127.0.0.1 80 80 tcp");
  EXPECT_EQ(text("[::1]:8080:80"), "::1 8080 80 tcp");
  EXPECT_EQ(text("8000-8002:80-82"), " 8000 80 tcp,  8001 81 tcp,  8002 82 tcp");
  EXPECT_EQ(text("[::1]:65535-65535:80/udp"), "::1 65535 80 udp");
  for (const char* typed : {"", "0", "65536", "x", "80:", "1:2:3:4:5x", "80/sctp", "9-8", "1-", "-2", "8000-8001:80"}) EXPECT_FALSE(parse_ports(typed)) << typed;
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
  EXPECT_THAT(spec->resolver.nameservers, ElementsAre("9.9.9.9"));
  for (const char* wrong : {"box", ":10.0.0.1", "box:", "box:wibble"}) {
    options.add_hosts = {wrong};
    EXPECT_FALSE(described(options)) << wrong;
  }
}

TEST(RunNetwork, KnowsTheHostByDockersNameForIt) {
  RunOptions options;
  options.add_hosts = {"host.docker.internal:host-gateway"};
  EXPECT_THAT(described(options)->hosts, ElementsAre("127.0.0.1\thost.docker.internal"));
  options.network = "none";
  EXPECT_FALSE(described(options));
}

}  // namespace
}  // namespace acetate::cli
