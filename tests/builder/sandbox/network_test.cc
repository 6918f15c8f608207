#include "builder/sandbox/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "builder/sandbox/etc_files.h"

namespace acetate::sandbox {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

TEST(Pasta, PublishesWhatWasAskedForAndNothingElse) {
  Spec spec;
  EXPECT_THAT(fmt::format("{}", fmt::join(pasta_command("pasta", spec, "/ns", "/pid"), " ")), HasSubstr("-t none -u none -T none -U none"));
  spec.ports = {{.outside = 8080, .inside = 80}, {.address = "127.0.0.1", .outside = 53, .inside = 53, .udp = true}};

  const auto command = pasta_command("pasta", spec, "/ns", "/pid");

  EXPECT_THAT(command, Contains("8080:80"));
  EXPECT_THAT(command, Contains("127.0.0.1/53:53"));
  EXPECT_THAT(fmt::format("{}", fmt::join(command, " ")), Not(HasSubstr("-t none")));
}

TEST(Slirp, IsAskedForAPortInItsOwnWords) {
  const auto request = nlohmann::json::parse(slirp_request({.address = "127.0.0.1", .outside = 8080, .inside = 80}));

  EXPECT_EQ(request["execute"], "add_hostfwd");
  EXPECT_EQ(request["arguments"]["proto"], "tcp");
  EXPECT_EQ(request["arguments"]["host_addr"], "127.0.0.1");
  EXPECT_EQ(request["arguments"]["guest_port"], 80);
}

TEST(ResolvConf, IsOursWithTheHostsNetworkAndEmptyWithNone) {
  const std::string ours = "nameserver 127.0.0.53\nsearch example.org\n";

  EXPECT_EQ(resolv_text(Network::host, ours, {}), ours);
  EXPECT_EQ(resolv_text(Network::none, ours, {}), "");
  EXPECT_EQ(resolv_text(Network::none, ours, {.nameservers = {"9.9.9.9"}}), "nameserver 9.9.9.9\n");
}

TEST(Slirp, HasASocketOnlyForPortsAndByAShortPath) {
  Spec spec;
  EXPECT_THAT(slirp_command("slirp4netns", spec, "/ns"), Not(Contains("--api-socket")));
  spec.ports = {{.outside = 8080, .inside = 80}};

  EXPECT_THAT(fmt::format("{}", fmt::join(slirp_command("slirp4netns", spec, "/ns"), " ")), HasSubstr("--api-socket slirp.sock /ns tap0"));
}

TEST(ResolvConf, NamesNoNameserverOnALoopbackThatIsNotTheContainers) {
  const std::string local = "nameserver 127.0.0.53\nnameserver ::1\nsearch example.org\n";
  const std::string far = "nameserver 127.0.0.1\nnameserver 192.0.2.1\n";

  EXPECT_EQ(resolv_text(Network::pasta, local, {}), "nameserver 169.254.1.1\nsearch example.org\n");
  EXPECT_EQ(resolv_text(Network::pasta, far, {}), "nameserver 192.0.2.1\n");
  EXPECT_EQ(resolv_text(Network::slirp4netns, far, {}), "nameserver 10.0.2.3\nnameserver 192.0.2.1\n");
}

TEST(ResolvConf, NamesThePersonsNameserversAlone) {
  EXPECT_EQ(resolv_text(Network::host, "nameserver 192.0.2.1\noptions x\n", {.nameservers = {"9.9.9.9", "1.1.1.1"}}),
            "nameserver 9.9.9.9\nnameserver 1.1.1.1\noptions x\n");
}

TEST(ResolvConf, HasThePersonsDomainsAndOptionsInThePlaceOfOurs) {
  const std::string ours = "nameserver 127.0.0.53\ndomain example.org\nsearch example.org\noptions edns0\nsortlist x\n";

  EXPECT_EQ(resolv_text(Network::host, ours, {.searches = {"a.test", "b.test"}}), "nameserver 127.0.0.53\nsearch a.test b.test\noptions edns0\nsortlist x\n");
  EXPECT_EQ(resolv_text(Network::host, ours, {.searches = {"."}, .options = {"ndots:2", "rotate"}}), "nameserver 127.0.0.53\noptions ndots:2 rotate\nsortlist x\n");
  EXPECT_EQ(resolv_text(Network::none, ours, {.nameservers = {"9.9.9.9"}, .options = {"rotate"}}), "nameserver 9.9.9.9\noptions rotate\n");
}

TEST(Hosts, HaveTheContainerAndWhatWasAdded) {
  EXPECT_EQ(hosts_text("box", {"10.0.0.1\tdb"}), "127.0.0.1\tlocalhost box\n::1\tlocalhost ip6-localhost ip6-loopback\n10.0.0.1\tdb\n");
}

TEST(Hosts, OfOurNetworkAreOursAfterWhatWasAdded) {
  EXPECT_EQ(hosts_text_like("127.0.0.1 localhost\n127.0.1.1\tbox # us\n192.0.2.1 far", "box", {"10.0.0.1\tfar"}),
            "10.0.0.1\tfar\n127.0.0.1 localhost\n127.0.1.1\tbox # us\n192.0.2.1 far\n");
  EXPECT_EQ(hosts_text_like("127.0.0.1 localhost # box\n#1.1.1.1 box\n", "box", {}), "127.0.0.1 localhost # box\n#1.1.1.1 box\n127.0.0.1\tbox\n");
  EXPECT_EQ(hosts_text_like("", "box", {}), "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\tbox\n");
}

}  // namespace
}  // namespace acetate::sandbox
