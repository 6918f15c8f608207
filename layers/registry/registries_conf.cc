// What a configuration means; reading it is registries_file.cc.
#include "layers/registry/registries_conf.h"

#include <algorithm>
#include <optional>

namespace acetate::registry {

namespace {

// How much of `name` a rule's prefix covers; 0 when it does not fit.
std::size_t covered(const std::string& prefix, const std::string& name) {
  if (prefix.starts_with("*.")) {
    const auto host_end = std::min(name.find_first_of(":/@"), name.size());
    const auto domain = std::string_view(prefix).substr(1);
    return std::string_view(name).substr(0, host_end).ends_with(domain) ? host_end : 0;
  }
  if (!name.starts_with(prefix)) return 0;
  const bool whole = name.size() == prefix.size() || std::string_view("/:@").find(name[prefix.size()]) != std::string::npos;
  return whole ? prefix.size() : 0;
}

// The rule whose prefix covers most; a written-out one before "*.domain".
const RegistryRule* rule_for(const RegistriesConf& conf, const std::string& name) {
  const RegistryRule* best = nullptr;
  auto rank = [&](const RegistryRule& rule) {
    return std::pair(!rule.prefix.starts_with("*."), rule.prefix.size());
  };
  for (const auto& rule : conf.rules)
    if (covered(rule.prefix, name) != 0 && (best == nullptr || rank(rule) > rank(*best))) best = &rule;
  return best;
}

Place place_at(const std::string& location, bool insecure) {
  const auto slash = std::min(location.find('/'), location.size());
  return {.host = location.substr(0, slash),
          .repository = slash == location.size() ? "" : location.substr(slash + 1),
          .insecure = insecure};
}

// Where a name of a rule is at one of its locations. A prefix may go as far as a tag or a digest: its location then has the same one, or none.
Result<std::string> moved(const std::string& name, const std::string& suffix, const RegistryRule& rule, const std::string& location) {
  if (location.empty()) return name;
  const auto whole = name + suffix;
  auto there = location + whole.substr(covered(rule.prefix, whole));
  if (there.ends_with(suffix)) there.erase(there.size() - suffix.size());
  const auto slash = there.rfind('/');
  if (slash != std::string::npos && there.find_first_of(":@", slash) != std::string::npos)
    return fail(EINVAL, "registries.conf leads {} to {}, which has another tag or digest (rule \"{}\")", whole, there, rule.prefix);
  return there;
}

bool serves(const Mirror& mirror, const std::string& suffix) {
  const bool digest = suffix.find('@') != std::string::npos;
  return mirror.serves == Mirror::Serves::all || digest == (mirror.serves == Mirror::Serves::digests);
}

Result<const RegistryRule*> open_rule(const RegistriesConf& conf, const std::string& name) {
  const RegistryRule* rule = rule_for(conf, name);
  if (rule != nullptr && rule->blocked)
    return fail(EACCES, "registries.conf blocks {} (rule \"{}\")", name, rule->prefix);
  return rule;
}

std::optional<std::string> aliased(const RegistriesConf& conf, const std::string& short_name) {
  const auto slash = short_name.rfind('/');
  const auto end = std::min(short_name.find_first_of(":@", slash == std::string::npos ? 0 : slash), short_name.size());
  const auto alias = conf.aliases.find(short_name.substr(0, end));
  if (alias == conf.aliases.end() || alias->second.empty()) return std::nullopt;
  return alias->second + short_name.substr(end);
}

std::string on_host(const std::string& host, const std::string& short_name) {
  const bool official = host == "docker.io" && short_name.find('/') == std::string::npos;
  return host + (official ? "/library/" : "/") + short_name;
}

}  // namespace

void put_on_top(RegistriesConf& below, RegistriesConf above) {
  for (auto& rule : above.rules) {
    std::erase_if(below.rules, [&](const RegistryRule& old) { return old.prefix == rule.prefix; });
    below.rules.push_back(std::move(rule));
  }
  for (auto& [name, target] : above.aliases) below.aliases[name] = std::move(target);
  if (!above.search.empty()) below.search = std::move(above.search);
  if (above.short_names != ShortNames::enforcing) below.short_names = above.short_names;
  below.found = below.found || above.found;
}

Result<std::vector<Place>> places_to_pull(const RegistriesConf& conf, const std::string& host,
                                          const std::string& repository, const std::string& suffix) {
  const std::string plain = host + "/" + repository;
  const auto* rule = TRY(open_rule(conf, plain + suffix));
  if (rule == nullptr) return std::vector<Place>{place_at(plain, false)};
  std::vector<Place> places;
  for (const auto& mirror : rule->mirrors)
    if (serves(mirror, suffix)) places.push_back(place_at(TRY(moved(plain, suffix, *rule, mirror.location)), mirror.insecure));
  places.push_back(place_at(TRY(moved(plain, suffix, *rule, rule->location)), rule->insecure));
  return places;
}

Result<Place> place_to_push(const RegistriesConf& conf, const std::string& host, const std::string& repository) {
  const std::string plain = host + "/" + repository;
  const auto* rule = TRY(open_rule(conf, plain));
  if (rule == nullptr) return place_at(plain, false);
  return place_at(TRY(moved(plain, "", *rule, rule->location)), rule->insecure);
}

Result<std::vector<std::string>> full_names(const RegistriesConf& conf, const std::string& short_name) {
  if (const auto alias = aliased(conf, short_name)) return std::vector<std::string>{*alias};
  // docker's custom, which is what everybody types.
  if (!conf.found || conf.search.empty()) return std::vector<std::string>{on_host("docker.io", short_name)};
  if (conf.search.size() > 1 && conf.short_names == ShortNames::enforcing)
    return fail(EINVAL, "\"{}\" has no host, and registries.conf searches {} of them: write one in front, as {}/{}",
                short_name, conf.search.size(), conf.search.front(), short_name);
  std::vector<std::string> names;
  for (const auto& host : conf.search) names.push_back(on_host(host, short_name));
  return names;
}

std::vector<std::string> names_here(const RegistriesConf& conf, const std::string& short_name) {
  std::vector<std::string> names;
  if (const auto alias = aliased(conf, short_name)) names.push_back(*alias);
  for (const char* host : {"docker.io", "localhost"}) names.push_back(on_host(host, short_name));
  for (const auto& host : conf.search) names.push_back(on_host(host, short_name));
  return names;
}

}  // namespace acetate::registry
