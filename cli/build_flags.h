// The values of `acetate build`'s options understood: docker's and podman's spellings of them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "builder/build.h"
#include "cli/key_agent.h"

namespace acetate::cli {

// "K=V"; without "=", K has the value it has in our environment, and is not given when it has none.
Result<build::Strings> parse_build_args(const std::vector<std::string>& texts, std::string_view option = "--build-arg");

// The same out of a file (--build-arg-file), one a line; empty lines and those that begin with '#' are skipped. "-" is no file. ENOENT with words.
Result<build::Strings> read_build_args(const std::vector<std::string>& files);

// "HOST:CONTAINER[:ro|rw|…]" of --volume: directories and files of ours, which no RUN takes into a layer. "./x" is relative to our working
// directory. EINVAL with words, also for a volume's name.
Result<std::vector<sandbox::MountPoint>> parse_volumes(const std::vector<std::string>& texts);

// The servers of --dns: addresses. EINVAL with words.
Result<std::vector<std::string>> parse_nameservers(const std::vector<std::string>& texts);

// "linux/amd64,linux/arm64" or "local", each once.
Result<std::vector<image::Platform>> parse_platforms(const std::vector<std::string>& texts);

// "K=V" of `option`; "K" alone is an empty value, or EINVAL where a value is needed.
Result<build::Strings> parse_pairs(const std::vector<std::string>& texts, std::string_view option, bool value_needed);

// "type=oci,dest=PATH,compression=zstd", "DIRECTORY" (its files), "-" (its files as a tarball on standard output).
// Relative destinations are as the shell sees them. EINVAL with words.
Result<build::Output> parse_output(const std::string& text);

// "id=NAME,src=FILE" or "id=NAME,env=VARIABLE"; "id=NAME" alone is the variable of that name, else the file. What each
// holds, by id. EINVAL, ENOENT with words that never show a value.
Result<build::Strings> parse_secrets(const std::vector<std::string>& texts);

// "default" ($SSH_AUTH_SOCK), "NAME=SOCKET" or "NAME=KEY,KEY...", for which an agent is started. The socket of each, by id; they
// are there as long as what is put into `started`.
Result<build::Strings> parse_agents(const std::vector<std::string>& texts, std::vector<KeyAgent>& started);

// "NAME:ADDRESS" or "NAME=ADDRESS", as lines of /etc/hosts. IPv6 may stand in brackets; "host-gateway" is this machine.
Result<std::vector<std::string>> parse_hosts(const std::vector<std::string>& texts);

// "type=local,src=DIRECTORY" (--cache-from) and "type=local,dest=DIRECTORY" (--cache-to), "type=registry,ref=NAME", "NAME".
Result<std::vector<build::CachePlace>> parse_caches(const std::vector<std::string>& texts, std::string_view option, std::string_view key);

// --provenance and --attest: whether provenance is told, and by whom. "true", "false", "mode=min,builder-id=URL";
// "type=provenance,mode=min,disabled=false". ENOTSUP with words for what cannot be told.
struct Told {
  bool provenance = false;
  std::string builder_id = {};
};
Result<Told> parse_provenance(const std::string& provenance, const std::vector<std::string>& attestations);

// "[manifest:]NAME=VALUE".
Result<build::Annotations> parse_annotations(const std::vector<std::string>& texts);

}  // namespace acetate::cli
