#include "cli/run_network.h"

#include <arpa/inet.h>

#include <charconv>
#include <optional>

#include "base/sys/process.h"

namespace acetate::cli {

namespace {

// "80" or "8000-8010"
struct PortRange {
  std::uint16_t first = 0, last = 0;
  int count() const { return last - first + 1; }
};

Result<PortRange> port_range(std::string_view text, const std::string& whole) {
  const std::size_t dash = std::min(text.find('-'), text.size());
  const auto number = [](std::string_view digits) -> std::optional<std::uint16_t> {
    std::uint16_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || value == 0) return std::nullopt;
    return value;
  };
  const auto first = number(text.substr(0, dash)), last = dash == text.size() ? first : number(text.substr(dash + 1));
  if (!first || !last || *last < *first) return fail(EINVAL, "-p {}: \"{}\" is not a port ([ADDRESS:][PORT:]PORT[/tcp|/udp], or FIRST-LAST for PORT)", whole, text);
  return PortRange{*first, *last};
}

Result<sandbox::Network> network_named(const std::string& name) {
  if (name == "host" || name.empty()) return sandbox::Network::host;
  if (name == "none") return sandbox::Network::none;
  if (name == "pasta") return sandbox::Network::pasta;
  // podman's word for a network of its own.
  if (name == "private") return sys::find_program("pasta") ? sandbox::Network::pasta : sandbox::Network::slirp4netns;
  if (name == "slirp4netns") return sandbox::Network::slirp4netns;
  return fail(EINVAL, "there is no network \"{}\": host, none, pasta or slirp4netns", name);
}

Result<std::string> host_line(const std::string& text, sandbox::Network network) {
  const std::size_t colon = text.find(':');
  if (colon == 0 || colon == std::string::npos || colon + 1 == text.size()) return fail(EINVAL, "--add-host {}: should be NAME:ADDRESS", text);
  std::string address = text.substr(colon + 1);
  // docker's word for the machine that the container is on.
  if (address == "host-gateway") {
    if (network != sandbox::Network::host) return fail(EINVAL, "--add-host {}: the host is reached from its own network only (--network host)", text);
    address = "127.0.0.1";
  }
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  in6_addr parsed{};
  if (::inet_pton(AF_INET, address.c_str(), &parsed) != 1 && ::inet_pton(AF_INET6, address.c_str(), &parsed) != 1)
    return fail(EINVAL, "--add-host {}: \"{}\" is not an address", text, address);
  return fmt::format("{}\t{}", address, text.substr(0, colon));
}

}  // namespace

Result<std::vector<sandbox::Port>> parse_ports(const std::string& text) {
  sandbox::Port port;
  std::string_view rest = text;
  if (const std::size_t slash = rest.rfind('/'); slash != std::string_view::npos) {
    const std::string_view protocol = rest.substr(slash + 1);
    if (protocol != "tcp" && protocol != "udp") return fail(EINVAL, "-p {}: there is no protocol \"{}\" (tcp, udp)", text, protocol);
    port.udp = protocol == "udp";
    rest = rest.substr(0, slash);
  }
  const std::size_t last = rest.rfind(':');
  const PortRange inside = TRY(port_range(last == std::string_view::npos ? rest : rest.substr(last + 1), text));
  PortRange outside = inside;
  if (last != std::string_view::npos) {
    rest = rest.substr(0, last);
    const std::size_t before = rest.ends_with(']') ? rest.size() : rest.rfind(':');
    const std::string_view ours = before == std::string_view::npos ? rest : rest.substr(std::min(before + 1, rest.size()));
    if (!ours.empty()) outside = TRY(port_range(ours, text));
    if (before != std::string_view::npos) {
      std::string_view address = rest.substr(0, before);
      if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
      port.address = address;
    }
  }
  if (outside.count() != inside.count()) return fail(EINVAL, "-p {}: {} ports of ours lead to {} of its", text, outside.count(), inside.count());
  std::vector<sandbox::Port> ports;
  for (int n = 0; n < inside.count(); ++n) {
    port.outside = static_cast<std::uint16_t>(outside.first + n);
    port.inside = static_cast<std::uint16_t>(inside.first + n);
    ports.push_back(port);
  }
  return ports;
}

Result<void> describe_network(const RunOptions& options, sandbox::Spec& spec) {
  spec.network = TRY(network_named(options.network));
  for (const std::string& text : options.ports)
    for (auto& port : TRY(parse_ports(text))) spec.ports.push_back(std::move(port));
  if (!spec.ports.empty() && options.network.empty())
    spec.network = sys::find_program("pasta") ? sandbox::Network::pasta : sandbox::Network::slirp4netns;
  if (!spec.ports.empty() && (spec.network == sandbox::Network::host || spec.network == sandbox::Network::none))
    return fail(EINVAL, "-p has no meaning with --network {}: {}", options.network,
                spec.network == sandbox::Network::host ? "every port is the host's already" : "nobody reaches it");
  spec.makes_hosts = !options.no_hosts;
  if (options.no_hosts && !options.add_hosts.empty()) return fail(EINVAL, "--add-host has no meaning with --no-hosts, which leaves the image's /etc/hosts");
  spec.our_hosts = spec.network == sandbox::Network::host;
  for (const std::string& text : options.add_hosts) spec.hosts.push_back(TRY(host_line(text, spec.network)));
  spec.resolver = {.nameservers = options.dns, .searches = options.dns_searches, .options = options.dns_options};
  return {};
}

}  // namespace acetate::cli
