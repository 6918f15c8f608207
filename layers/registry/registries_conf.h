// registries.conf (containers-registries.conf(5), version 2): where a name's bytes are really fetched, which hosts
// are trusted without TLS, and what a name without a host means.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "layers/registry/credentials.h"

namespace acetate::registry {

struct Mirror {
  enum class Serves { all, digests, tags };
  std::string location;
  bool insecure = false;
  Serves serves = Serves::all;
};

struct RegistryRule {
  std::string prefix;    // "host[:port][/path…][:tag|@digest]" or "*.domain"
  std::string location;  // takes the prefix's place; the prefix itself when the file has none
  bool insecure = false;
  bool blocked = false;
  std::vector<Mirror> mirrors = {};
};

enum class ShortNames { enforcing, permissive, disabled };

struct RegistriesConf {
  std::vector<std::string> search;  // hosts, for names without one
  std::vector<RegistryRule> rules;
  std::map<std::string, std::string> aliases;  // short name -> host/path; "" takes an alias away
  ShortNames short_names = ShortNames::enforcing;
  bool found = false;  // a file was there, so that docker's custom of docker.io/library does not hold
};

// One file's text. EINVAL with words and the line.
Result<RegistriesConf> parse_registries_conf(std::string_view toml, std::string_view what);
// Puts a drop-in on top: rules and aliases of the same name, the search list and the mode are replaced.
void put_on_top(RegistriesConf& below, RegistriesConf above);

// $CONTAINERS_REGISTRIES_CONF alone; else ~/.config/containers/registries.conf or, when that is missing,
// /etc/containers/registries.conf, then the *.conf of /etc/containers/registries.conf.d and of the user's. Any of
// them may be missing.
Result<RegistriesConf> load_registries_conf(const Environment& environment);

// A place to fetch from or to send to.
struct Place {
  std::string host;        // "quay.io", "localhost:5000"
  std::string repository;  // "debian/app"
  bool insecure = false;
  bool operator==(const Place&) const = default;
};

// Mirrors first, then the place itself. `suffix` (":tag", "@sha256:…") takes part in finding the rule and in which
// mirrors serve. EACCES with words when the name is blocked, EINVAL with words when its rule leads to another tag. Pure.
Result<std::vector<Place>> places_to_pull(const RegistriesConf& conf, const std::string& host,
                                          const std::string& repository, const std::string& suffix);
// Where a push goes: mirrors have no part in it.
Result<Place> place_to_push(const RegistriesConf& conf, const std::string& host, const std::string& repository);

// What a name without a host may stand for, "host/path", best first. An alias is the only answer; several search
// hosts are an error with words where nobody can be asked (short-name-mode). Pure.
Result<std::vector<std::string>> full_names(const RegistriesConf& conf, const std::string& short_name);
// Where an image that is here may have come from, by that name, best first: its alias; what docker reads in it, which is also how we
// name what we build; localhost/, which is how podman does; every search host. Nobody is asked, so several are no error. Pure.
std::vector<std::string> names_here(const RegistriesConf& conf, const std::string& short_name);

}  // namespace acetate::registry
