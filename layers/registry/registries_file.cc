// Reading registries.conf: TOML, and the files it is spread over.
#include <fcntl.h>

#include <algorithm>
#include <stdexcept>

// The parser asserts what a broken file can make untrue (a key that begins with none of a key's characters), and where assertions
// are off assumes it. To us that is one more file with a mistake.
namespace acetate::registry {
constexpr void parser_asserts(bool held) {
  if (!held) throw std::logic_error("it is no TOML");
}
}  // namespace acetate::registry
#undef NDEBUG
#define TOML_ASSERT(expr) ::acetate::registry::parser_asserts(static_cast<bool>(expr))
#include <toml++/toml.h>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "layers/registry/registries_conf.h"

namespace acetate::registry {

namespace {

constexpr std::size_t kMaxFile = 1 << 20;

// One table of the file and its name, read key by key. A wrong type is EINVAL with words and the line.
class Table {
 public:
  Table(const toml::table& table, std::string_view what) : table_(table), what_(what) {}

  Error wrong(const char* key, std::string_view expected) const {
    const auto* node = table_.get(key);
    const auto line = node == nullptr ? table_.source().begin.line : node->source().begin.line;
    return fail(EINVAL, "{}:{}: \"{}\" is not {}", what_, line, key, expected);
  }
  Result<std::string> text(const char* key) const {
    const auto* node = table_.get(key);
    if (node == nullptr) return std::string();
    if (const auto value = node->value_exact<std::string>()) return *value;
    return wrong(key, "a text");
  }
  Result<bool> flag(const char* key) const {
    const auto* node = table_.get(key);
    if (node == nullptr) return false;
    if (const auto value = node->value_exact<bool>()) return *value;
    return wrong(key, "true or false");
  }
  Result<std::vector<std::string>> texts(const char* key) const {
    std::vector<std::string> list;
    const auto* node = table_.get(key);
    if (node == nullptr) return list;
    if (!node->is_array()) return wrong(key, "a list of texts");
    for (const auto& element : *node->as_array()) {
      const auto value = element.value_exact<std::string>();
      if (!value) return wrong(key, "a list of texts");
      list.push_back(*value);
    }
    return list;
  }
  Result<std::vector<Table>> tables(const char* key) const {
    std::vector<Table> list;
    const auto* node = table_.get(key);
    if (node == nullptr) return list;
    if (!node->is_array()) return wrong(key, "a list of tables");
    for (const auto& element : *node->as_array()) {
      if (!element.is_table()) return wrong(key, "a list of tables");
      list.emplace_back(*element.as_table(), what_);
    }
    return list;
  }
  const toml::table& raw() const { return table_; }

 private:
  const toml::table& table_;
  std::string_view what_;
};

std::string without_slash(std::string text) {
  while (text.ends_with('/')) text.pop_back();
  return text;
}

Result<Mirror> read_mirror(const Table& table, bool digests_only) {
  Mirror mirror;
  mirror.location = without_slash(TRY(table.text("location")));
  mirror.insecure = TRY(table.flag("insecure"));
  if (mirror.location.empty()) return table.wrong("location", "the place of a mirror");
  const auto serves = TRY(table.text("pull-from-mirror"));
  if (serves == "digest-only" || digests_only)
    mirror.serves = Mirror::Serves::digests;
  else if (serves == "tag-only")
    mirror.serves = Mirror::Serves::tags;
  else if (!serves.empty() && serves != "all")
    return table.wrong("pull-from-mirror", "one of all, digest-only, tag-only");
  return mirror;
}

Result<RegistryRule> read_rule(const Table& table) {
  RegistryRule rule;
  rule.prefix = without_slash(TRY(table.text("prefix")));
  rule.location = without_slash(TRY(table.text("location")));
  rule.insecure = TRY(table.flag("insecure"));
  rule.blocked = TRY(table.flag("blocked"));
  if (rule.prefix.empty()) rule.prefix = rule.location;
  if (rule.prefix.empty()) return table.wrong("prefix", "there, and neither is \"location\"");
  if (rule.location.empty() && !rule.prefix.starts_with("*.")) rule.location = rule.prefix;
  const bool digests_only = TRY(table.flag("mirror-by-digest-only"));
  for (const auto& mirror : TRY(table.tables("mirror"))) rule.mirrors.push_back(TRY(read_mirror(mirror, digests_only)));
  return rule;
}

Result<ShortNames> read_mode(const Table& table) {
  const auto mode = TRY(table.text("short-name-mode"));
  if (mode.empty() || mode == "enforcing") return ShortNames::enforcing;
  if (mode == "permissive") return ShortNames::permissive;
  if (mode == "disabled") return ShortNames::disabled;
  return table.wrong("short-name-mode", "one of enforcing, permissive, disabled");
}

// Adds a file if it is there; whether it was.
Result<bool> add_file(RegistriesConf& conf, const std::string& path) {
  const auto text = sys::read_file(path, kMaxFile);
  if (!text && (text.error().is(ENOENT) || text.error().is(ENOTDIR))) return false;
  if (!text) return text.error().clone().within("reading " + path);
  put_on_top(conf, TRY(parse_registries_conf(*text, path)));
  return true;
}

Result<void> add_directory(RegistriesConf& conf, const std::string& path) {
  const auto dir = sys::open(path, O_RDONLY | O_DIRECTORY);
  if (!dir && (dir.error().is(ENOENT) || dir.error().is(ENOTDIR))) return {};
  if (!dir) return dir.error().clone().within("opening " + path);
  std::vector<std::string> names;
  TRY_WITHIN(sys::read_dir(dir->ref(),
                           [&](const sys::DirEntry& entry) {
                             if (entry.name.ends_with(".conf")) names.emplace_back(entry.name);
                             return true;
                           }),
             "reading {}", path);
  std::ranges::sort(names);
  for (const auto& name : names) TRY(add_file(conf, path + "/" + name));
  return {};
}

}  // namespace

Result<RegistriesConf> parse_registries_conf(std::string_view text, std::string_view what) {
  toml::table parsed;
  try {
    parsed = toml::parse(text);
  } catch (const toml::parse_error& error) {
    return fail(EINVAL, "{}:{}: {}", what, error.source().begin.line, error.description());
  } catch (const std::logic_error& error) {
    return fail(EINVAL, "{}: {}", what, error.what());
  }
  const Table table(parsed, what);
  if (parsed.contains("registries"))
    return fail(EINVAL, "{} is in the first form of registries.conf, [registries.search]; write it in the second, "
                "unqualified-search-registries and [[registry]]", what);
  RegistriesConf conf;
  conf.found = true;
  conf.search = TRY(table.texts("unqualified-search-registries"));
  conf.short_names = TRY(read_mode(table));
  for (const auto& rule : TRY(table.tables("registry"))) conf.rules.push_back(TRY(read_rule(rule)));
  if (const auto* aliases = parsed.get_as<toml::table>("aliases")) {
    for (const auto& [name, target] : *aliases) {
      const auto value = target.value_exact<std::string>();
      if (!value) return fail(EINVAL, "{}: the alias \"{}\" is not a text", what, name.str());
      conf.aliases[std::string(name.str())] = *value;
    }
  }
  return conf;
}

Result<RegistriesConf> load_registries_conf(const Environment& environment) {
  RegistriesConf conf;
  if (const auto only = environment("CONTAINERS_REGISTRIES_CONF")) {
    if (!TRY(add_file(conf, *only))) return fail(ENOENT, "$CONTAINERS_REGISTRIES_CONF is {}, which is not there", *only);
    return conf;
  }
  std::string of_user;
  if (const auto config = environment("XDG_CONFIG_HOME"))
    of_user = *config + "/containers/registries.conf";
  else if (const auto home = environment("HOME"))
    of_user = *home + "/.config/containers/registries.conf";
  if (of_user.empty() || !TRY(add_file(conf, of_user))) TRY(add_file(conf, "/etc/containers/registries.conf"));
  // Debian's short-name aliases come as a drop-in, and are no configuration of where to search.
  TRY(add_directory(conf, "/etc/containers/registries.conf.d"));
  if (!of_user.empty()) TRY(add_directory(conf, of_user + ".d"));
  return conf;
}

}  // namespace acetate::registry
