#include "cli/run_network.h"

#include <charconv>

#include "base/sys/process.h"

namespace acetate::cli {

namespace {

Result<std::uint16_t> port_number(std::string_view text, const std::string& whole) {
  std::uint16_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number == 0)
    return fail(EINVAL, "-p {}: \"{}\" is not a port ([ADDRESS:][PORT:]PORT[/tcp|/udp])", whole, text);
  return number;
}

Result<sandbox::Network> network_named(const std::string& name) {
  if (name == "host" || name.empty()) return sandbox::Network::host;
  if (name == "none") return sandbox::Network::none;
  if (name == "pasta") return sandbox::Network::pasta;
  if (name == "slirp4netns") return sandbox::Network::slirp4netns;
  return fail(EINVAL, "there is no network \"{}\": host, none, pasta or slirp4netns", name);
}

}  // namespace

Result<sandbox::Port> parse_port(const std::string& text) {
  sandbox::Port port;
  std::string_view rest = text;
  if (const std::size_t slash = rest.rfind('/'); slash != std::string_view::npos) {
    const std::string_view protocol = rest.substr(slash + 1);
    if (protocol != "tcp" && protocol != "udp") return fail(EINVAL, "-p {}: there is no protocol \"{}\" (tcp, udp)", text, protocol);
    port.udp = protocol == "udp";
    rest = rest.substr(0, slash);
  }
  const std::size_t last = rest.rfind(':');
  port.inside = TRY(port_number(last == std::string_view::npos ? rest : rest.substr(last + 1), text));
  port.outside = port.inside;
  if (last == std::string_view::npos) return port;
  rest = rest.substr(0, last);
  const std::size_t before = rest.ends_with(']') ? rest.size() : rest.rfind(':');
  const std::string_view outside = before == std::string_view::npos ? rest : rest.substr(std::min(before + 1, rest.size()));
  if (!outside.empty()) port.outside = TRY(port_number(outside, text));
  if (before == std::string_view::npos) return port;
  std::string_view address = rest.substr(0, before);
  if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
  port.address = address;
  return port;
}

Result<void> describe_network(const RunOptions& options, sandbox::Spec& spec) {
  spec.network = TRY(network_named(options.network));
  for (const std::string& text : options.ports) spec.ports.push_back(TRY(parse_port(text)));
  if (!spec.ports.empty() && options.network.empty())
    spec.network = sys::find_program("pasta") ? sandbox::Network::pasta : sandbox::Network::slirp4netns;
  if (!spec.ports.empty() && (spec.network == sandbox::Network::host || spec.network == sandbox::Network::none))
    return fail(EINVAL, "-p has no meaning with --network {}: {}", options.network,
                spec.network == sandbox::Network::host ? "every port is the host's already" : "nobody reaches it");
  for (const std::string& text : options.add_hosts) {
    const std::size_t colon = text.find(':');
    if (colon == 0 || colon == std::string::npos || colon + 1 == text.size()) return fail(EINVAL, "--add-host {}: should be NAME:ADDRESS", text);
    spec.hosts.push_back(fmt::format("{}\t{}", text.substr(colon + 1), text.substr(0, colon)));
  }
  spec.nameservers = options.dns;
  return {};
}

}  // namespace acetate::cli
