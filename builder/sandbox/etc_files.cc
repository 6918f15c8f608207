#include "builder/sandbox/etc_files.h"

#include <algorithm>

#include "base/sys/file.h"
#include "builder/sandbox/network.h"

namespace acetate::sandbox {

namespace {

// Lists of hosts that nobody wants to hear of are long.
constexpr std::size_t kMost = 64 << 20;

Result<std::string> read_ours(const char* path) {
  auto text = sys::read_file(path, kMost);
  if (!text && text.error().is(ENOENT)) return std::string();
  return TRY_WITHIN(std::move(text), "reading {}", path);
}

// Whether a hosts file has an address for it.
bool names_host(std::string_view text, std::string_view host) {
  while (!text.empty()) {
    std::string_view line = text.substr(0, std::min(text.find('\n'), text.size()));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    line = line.substr(0, line.find('#'));
    for (std::size_t word = 0; !line.empty(); ++word) {
      const std::size_t begin = std::min(line.find_first_not_of(" \t\r"), line.size());
      line.remove_prefix(begin);
      const std::size_t end = std::min(line.find_first_of(" \t\r"), line.size());
      if (word > 0 && line.substr(0, end) == host) return true;  // the first is the address
      line.remove_prefix(end);
    }
  }
  return false;
}

// A line of "KEYWORD words".
bool is_about(std::string_view line, std::string_view keyword) {
  return line.starts_with(keyword) && (line.size() == keyword.size() || line[keyword.size()] == ' ' || line[keyword.size()] == '\t');
}

std::string line_of(std::string_view keyword, const std::vector<std::string>& words) { return words.empty() ? "" : fmt::format("{} {}\n", keyword, fmt::join(words, " ")); }

bool names_loopback(std::string_view line) {
  const std::size_t at = line.find_first_of("0123456789:", std::string_view("nameserver").size());
  if (at == std::string_view::npos) return false;
  return line.substr(at).starts_with("127.") || line.substr(at).starts_with("::1");
}

}  // namespace

std::string hosts_text(const std::string& hostname, const std::vector<std::string>& more) {
  std::string text = fmt::format("127.0.0.1\tlocalhost {}\n::1\tlocalhost ip6-localhost ip6-loopback\n", hostname);
  for (const std::string& line : more) text += line + "\n";
  return text;
}

std::string hosts_text_like(const std::string& ours, const std::string& hostname, const std::vector<std::string>& more) {
  std::string text;
  for (const std::string& line : more) text += line + "\n";
  text += ours;
  if (!text.empty() && !text.ends_with('\n')) text += "\n";
  if (!names_host(text, "localhost")) text += "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
  if (!hostname.empty() && !names_host(text, hostname)) text += fmt::format("127.0.0.1\t{}\n", hostname);
  return text;
}

std::string resolv_text(Network network, const std::string& ours, const Resolver& wished) {
  std::string given;
  for (const std::string& server : wished.nameservers) given += fmt::format("nameserver {}\n", server);
  const bool searches_nothing = wished.searches == std::vector<std::string>{"."};
  std::string others = line_of("search", searches_nothing ? std::vector<std::string>() : wished.searches) + line_of("options", wished.options);
  if (network == Network::none) return given + others;
  if (network == Network::host && wished.empty()) return ours;
  // With the host's network its resolver is reachable as the host reaches it, 127.0.0.53 included.
  const auto reachable = [&](std::string_view line) { return network == Network::host || !names_loopback(line); };
  std::string servers = given;
  for (std::string_view rest = ours; !rest.empty();) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (is_about(line, "nameserver")) {
      if (given.empty() && reachable(line)) servers += fmt::format("{}\n", line);
      continue;
    }
    if (!wished.searches.empty() && (is_about(line, "search") || is_about(line, "domain"))) continue;
    if (!wished.options.empty() && is_about(line, "options")) continue;
    others += fmt::format("{}\n", line);
  }
  if (given.empty() && network == Network::slirp4netns) servers = fmt::format("nameserver {}\n", kSlirpNameserver) + servers;
  if (servers.empty() && network == Network::pasta) servers = fmt::format("nameserver {}\n", kPastaNameserver);
  return servers + others;
}

Result<std::vector<MountPoint>> make_etc_files(const Spec& spec, const std::string& dir) {
  const std::string our_hosts = spec.our_hosts ? TRY(read_ours("/etc/hosts")) : std::string();
  const std::pair<const char*, std::string> files[] = {
      {"resolv.conf", resolv_text(spec.network, TRY(read_ours("/etc/resolv.conf")), spec.resolver)},
      {"hosts", spec.our_hosts ? hosts_text_like(our_hosts, spec.hostname, spec.hosts) : hosts_text(spec.hostname, spec.hosts)},
      {"hostname", spec.hostname + "\n"},
  };
  std::vector<MountPoint> mounts;
  for (const auto& [name, text] : files) {
    const std::string target = fmt::format("/etc/{}", name);
    if (target == "/etc/hosts" && !spec.makes_hosts) continue;
    if (std::ranges::any_of(spec.mounts, [&](const MountPoint& mount) { return mount.target == target; })) continue;
    const std::string path = fmt::format("{}/{}", dir, name);
    const Fd file = TRY_WITHIN(sys::open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644), "writing {}", path);
    TRY_WITHIN(sys::write_full(file.ref(), text), "writing {}", path);
    TRY_WITHIN(sys::chmod(file.ref(), 0644), "writing {}", path);
    mounts.push_back({.source = path, .target = target, .writable = false});
  }
  return mounts;
}

}  // namespace acetate::sandbox
