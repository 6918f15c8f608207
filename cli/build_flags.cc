#include "cli/build_flags.h"

#include <arpa/inet.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <sstream>

#include "base/sys/file.h"
#include "builder/dockerfile/csv.h"
#include "builder/dockerfile/go_bool.h"
#include "cli/run_mounts.h"
#include "cli/working_dir.h"
#include "layers/image/platform.h"
#include "layers/image/reference.h"

namespace acetate::cli {

namespace {

using build::Compression;
using build::Output;
using dockerfile::CsvOption;

constexpr std::size_t kMostArguments = 4 << 20;  // bytes of a file of them
constexpr std::size_t kMostSecret = 500 << 10;  // as BuildKit has it

Result<bool> yes_or_no(const CsvOption& option) {
  const auto yes = dockerfile::parse_bool(option.value);
  if (!yes) return fail(EINVAL, "--output {} wants true or false, not \"{}\"", option.key, option.value);
  return *yes;
}

Result<void> set_packing(build::Packing& packing, const CsvOption& option) {
  if (option.key == "compression") {
    if (option.value == "gzip") packing.compression = Compression::gzip;
    else if (option.value == "zstd") packing.compression = Compression::zstd;
    else if (option.value == "estargz") packing.compression = Compression::estargz;
    else if (option.value == "none" || option.value == "uncompressed") packing.compression = Compression::none;
    else return fail(EINVAL, "--output compression={}: gzip, zstd, estargz and none are known", option.value);
    return {};
  }
  if (option.key == "force-compression") {
    packing.force = TRY(yes_or_no(option));
    return {};
  }
  int level = 0;
  const auto [end, error] = std::from_chars(option.value.data(), option.value.data() + option.value.size(), level);
  if (error != std::errc() || end != option.value.data() + option.value.size() || level < 0 || level > 22)
    return fail(EINVAL, "--output compression-level wants a number from 0 to 22, not \"{}\"", option.value);
  packing.level = level;
  return {};
}

Result<void> set_type(Output& output, const std::string& type) {
  using Type = Output::Type;
  if (type == "oci") output.type = Type::oci;
  else if (type == "docker") output.type = Type::docker;
  else if (type == "tar") output.type = Type::tar;
  else if (type == "local") output.type = Type::local;
  else if (type == "image") output.type = Type::image;
  else if (type == "registry") output.type = Type::registry;
  else if (type == "cacheonly") output.type = Type::none;
  else return fail(EINVAL, "--output type={}: oci, docker, tar, local, image, registry and cacheonly are known", type);
  return {};
}

Result<std::string> read_secret(const std::string& id, const std::string& file) {
  auto value = sys::read_file(file, kMostSecret);
  if (!value && value.error().is(EFBIG)) return fail(EFBIG, "--secret id={}: {} is larger than 500 KiB", id, file);
  return TRY_WITHIN(std::move(value), "--secret id={}: reading {}", id, file);
}

}  // namespace

Result<build::Strings> parse_build_args(const std::vector<std::string>& texts, std::string_view option) {
  build::Strings values;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    const std::string name = text.substr(0, equals);
    if (name.empty()) return fail(EINVAL, "{} wants NAME=VALUE, not \"{}\"", option, text);
    if (equals != std::string::npos) {
      values[name] = text.substr(equals + 1);
    } else if (const char* value = std::getenv(name.c_str())) {
      values[name] = value;
    }
  }
  return values;
}

Result<build::Strings> read_build_args(const std::vector<std::string>& files) {
  build::Strings values;
  for (const std::string& file : files) {
    const std::string text = TRY_WITHIN(sys::read_file(file, kMostArguments), "--build-arg-file {}", file);
    std::istringstream lines(text);
    std::vector<std::string> given;
    for (std::string line; std::getline(lines, line);) {
      if (line.ends_with('\r')) line.pop_back();
      line.erase(0, std::min(line.find_first_not_of(" \t"), line.size()));
      if (!line.empty() && line[0] != '#') given.push_back(std::move(line));
    }
    for (auto& [name, value] : TRY_WITHIN(parse_build_args(given), "--build-arg-file {}", file)) values[name] = std::move(value);
  }
  return values;
}

Result<std::vector<sandbox::MountPoint>> parse_volumes(const std::vector<std::string>& texts) {
  RunMounts mounts;
  const MountContext context{.working_dir = working_dir(), .volumes_dir = {}};
  for (const std::string& text : texts) {
    TRY(add_volume(text, context, mounts));
    if (!mounts.overlaid.empty() || !mounts.given.empty()) return fail(EINVAL, "--volume {}: O and U are options of acetate run", text);
    if (!mounts.volumes.empty() || !mounts.unnamed.empty() || !mounts.images.empty())
      return fail(EINVAL, "--volume {} wants HOST:CONTAINER, a directory or file of ours by its path: a build has no volumes with names", text);
  }
  return std::move(mounts.mounts);
}

Result<std::vector<std::string>> parse_nameservers(const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    in6_addr parsed{};
    if (::inet_pton(AF_INET, text.c_str(), &parsed) != 1 && ::inet_pton(AF_INET6, text.c_str(), &parsed) != 1)
      return fail(EINVAL, "--dns wants the address of a name server, not \"{}\"", text);
  }
  return texts;
}

Result<std::vector<image::Platform>> parse_platforms(const std::vector<std::string>& texts) {
  std::vector<image::Platform> platforms;
  for (const std::string& text : texts) {
    for (const std::string& each : TRY(dockerfile::split_csv(text))) {
      const auto platform = each == "local" ? image::host_platform() : TRY_WITHIN(image::parse_platform(each), "--platform");
      if (std::ranges::find(platforms, platform) == platforms.end()) platforms.push_back(platform);
    }
  }
  return platforms;
}

Result<build::Strings> parse_pairs(const std::vector<std::string>& texts, std::string_view option, bool value_needed) {
  build::Strings values;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    if (equals == 0 || (equals == std::string::npos && value_needed))
      return fail(EINVAL, "{} wants NAME=VALUE, not \"{}\"", option, text);
    values[text.substr(0, equals)] = equals == std::string::npos ? "" : text.substr(equals + 1);
  }
  return values;
}

Result<build::Output> parse_output(const std::string& text) {
  if (text.find('=') == std::string::npos && text.find(',') == std::string::npos) {
    if (text == "-") return Output{.type = Output::Type::tar, .dest = text};
    return Output{.type = Output::Type::local, .dest = text};
  }
  Output output;
  std::string type;
  std::optional<bool> archive;
  bool push = false;
  for (const std::string& field : TRY(dockerfile::split_csv(text))) {
    const CsvOption option = dockerfile::split_option(field);
    if (option.key == "type") TRY(set_type(output, type = option.value));
    else if (option.key == "dest") output.dest = option.value;
    else if (option.key == "name") output.names = TRY(dockerfile::split_csv(option.value));
    else if (option.key.starts_with("compression") || option.key == "force-compression") TRY(set_packing(output.packing, option));
    else if (option.key == "tar") archive = TRY(yes_or_no(option));
    else if (option.key == "push") push = TRY(yes_or_no(option));
    else if (option.key == "rewrite-timestamp") output.packing.tells_epoch = TRY(yes_or_no(option));
    else if (option.key == "source-date-epoch") output.epoch = option.value;
    else if (option.key == "oci-mediatypes") continue;  // what we do anyway
    else
      return fail(EINVAL, "--output knows type, dest, name, compression, compression-level, force-compression, rewrite-timestamp, source-date-epoch, tar and push; not \"{}\"", field);
  }
  if (push && output.type != Output::Type::image && output.type != Output::Type::registry) return fail(EINVAL, "--output push is for type=image");
  if (push) output.type = Output::Type::registry;
  const bool has_place = output.type != Output::Type::none && output.type != Output::Type::image && output.type != Output::Type::registry;
  if (type.empty()) return fail(EINVAL, "--output wants a type: type=oci,dest=FILE.tar");
  if (output.dest.empty() && (output.type == Output::Type::docker || output.type == Output::Type::tar || archive == true)) output.dest = "-";
  if (output.dest.empty() && has_place)
    return fail(EINVAL, "--output type={} wants dest=PATH", type);
  output.archive = archive.value_or(output.dest.ends_with(".tar") || output.dest == "-");
  return output;
}

Result<build::Strings> parse_secrets(const std::vector<std::string>& texts) {
  build::Strings secrets;
  for (const std::string& text : texts) {
    std::string id, file, variable, type;
    for (const std::string& field : TRY(dockerfile::split_csv(text))) {
      const CsvOption option = dockerfile::split_option(field);
      // The field is not shown: a value may have got into it by mistake.
      if (!option.has_value) return fail(EINVAL, "--secret wants KEY=VALUE for each field: id=NAME,src=FILE or id=NAME,env=VARIABLE");
      if (option.key == "id") id = option.value;
      else if (option.key == "src" || option.key == "source") file = option.value;
      else if (option.key == "env") variable = option.value;
      else if (option.key == "type") type = option.value;
      else return fail(EINVAL, "--secret knows id, src, env and type, not \"{}\"", option.key);
    }
    if (!type.empty() && type != "file" && type != "env") return fail(EINVAL, "--secret type={}: file and env are known", type);
    if (id.empty()) id = !variable.empty() ? variable : file.substr(file.rfind('/') + 1);
    if (id.empty()) return fail(EINVAL, "--secret wants an id: id=NAME,src=FILE");
    if (type == "env" && variable.empty()) variable = file.empty() ? id : std::exchange(file, {});
    if (file.empty() && variable.empty()) {
      if (std::getenv(id.c_str()) != nullptr && type != "file") variable = id;
      else file = id;
    }
    if (!variable.empty()) {
      const char* value = std::getenv(variable.c_str());
      if (value == nullptr) return fail(ENOENT, "--secret id={}: the variable {} is not set", id, variable);
      secrets[id] = value;
    } else {
      secrets[id] = TRY(read_secret(id, file));
    }
  }
  return secrets;
}

Result<build::Strings> parse_agents(const std::vector<std::string>& texts, std::vector<KeyAgent>& started) {
  build::Strings agents;
  for (const std::string& text : texts) {
    const std::size_t equals = text.find('=');
    const std::string id = text.substr(0, equals);
    if (id.empty()) return fail(EINVAL, "--ssh wants default, NAME=SOCKET or NAME=KEY, not \"{}\"", text);
    std::vector<std::string> files;
    if (equals != std::string::npos) files = TRY(dockerfile::split_csv(text.substr(equals + 1)));
    std::erase(files, "");
    if (files.empty()) {
      const char* agent = std::getenv("SSH_AUTH_SOCK");
      if (agent == nullptr || *agent == '\0') return fail(ENOENT, "--ssh {}: SSH_AUTH_SOCK is not set, so there is no agent", id);
      files.emplace_back(agent);
    }
    std::size_t sockets = 0;
    for (const std::string& file : files) sockets += S_ISSOCK(TRY_WITHIN(sys::stat_following(file), "--ssh {}: {}", id, file).st_mode) ? 1 : 0;
    if (sockets != 0 && files.size() > 1) return fail(EINVAL, "--ssh {}: one agent's socket, or key files", id);
    if (sockets == 0) {
      started.push_back(TRY_WITHIN(KeyAgent::start(files), "--ssh {}", id));
      files = {started.back().socket()};
    }
    agents[id] = std::move(files.front());
  }
  return agents;
}

Result<std::vector<std::string>> parse_hosts(const std::vector<std::string>& texts) {
  std::vector<std::string> lines;
  for (const std::string& text : texts) {
    const std::size_t end = std::min(text.find('='), text.find(':'));
    std::string address = end == std::string::npos ? "" : text.substr(end + 1);
    if (address.starts_with('[') && address.ends_with(']')) address = address.substr(1, address.size() - 2);
    if (address == "host-gateway") address = "127.0.0.1";  // the network is the host's own
    in6_addr parsed{};
    if (end == 0 || (::inet_pton(AF_INET, address.c_str(), &parsed) != 1 && ::inet_pton(AF_INET6, address.c_str(), &parsed) != 1))
      return fail(EINVAL, "--add-host wants NAME:ADDRESS, not \"{}\"", text);
    lines.push_back(address + "\t" + text.substr(0, end));
  }
  return lines;
}

// What BuildKit can be told of the form its cache takes; ours has one form, an OCI artifact.
bool is_about_the_artifact(std::string_view key) {
  return key == "image-manifest" || key == "oci-mediatypes" || key == "compression" || key == "compression-level" || key == "force-compression";
}

Result<std::vector<build::CachePlace>> parse_caches(const std::vector<std::string>& texts, std::string_view option, std::string_view key) {
  std::vector<build::CachePlace> places;
  for (const std::string& text : texts) {
    std::string type, dir, name;
    bool ignore_error = false, mounts = false;
    if (text.find_first_of("=,") == std::string::npos) {
      type = "registry";
      name = text;
    } else {
      for (const std::string& field : TRY(dockerfile::split_csv(text))) {
        const CsvOption one = dockerfile::split_option(field);
        if (one.key == "type") type = one.value;
        else if (one.key == key) dir = one.value;
        else if (one.key == "ref") name = one.value;
        else if (one.key == "mode" && (one.value == "min" || one.value == "max")) continue;  // every step is kept in any case
        else if (is_about_the_artifact(one.key)) continue;
        else if (const auto yes = dockerfile::parse_bool(one.value); one.key == "ignore-error" && yes) ignore_error = *yes;
        else if (one.key == "mounts" && yes) mounts = *yes;
        else return fail(EINVAL, "{} knows type, mode, ref, ignore-error, mounts and {}, not \"{}\"", option, key, field);
      }
    }
    if (type == "inline" && option == "--cache-to") {
      places.push_back({.in_image = true});
      continue;
    }
    const bool in_registry = type == "registry";
    if (type != "local" && !in_registry) return fail(ENOTSUP, "{} {}: type=local,{}=DIRECTORY and type=registry,ref=NAME are known{}", option, text, key,
                                                       option == "--cache-to" ? ", and type=inline" : "");
    if ((in_registry ? name : dir).empty()) return fail(EINVAL, "{} type={} wants {}", option, type, in_registry ? "ref=NAME" : fmt::format("{}=DIRECTORY", key));
    if (in_registry) TRY_WITHIN(image::parse_reference(name), "{}", option);
    places.push_back({.where = in_registry ? name : dir, .in_registry = in_registry, .ignore_error = ignore_error, .mounts = mounts});
  }
  return places;
}

namespace {

Result<void> read_provenance(Told& told, const std::string& text, std::string_view option) {
  told.provenance = true;
  for (const std::string& field : TRY(dockerfile::split_csv(text))) {
    const CsvOption one = dockerfile::split_option(field);
    const auto yes = dockerfile::parse_bool(one.has_value ? one.value : one.key);
    if (!one.has_value && yes) told.provenance = *yes;
    else if (one.key == "disabled" && yes) told.provenance = !*yes;
    else if (one.key == "mode" && one.value == "max") return fail(ENOTSUP, "{} {}: only mode=min is told, without build arguments and steps", option, text);
    else if (one.key == "version" && one.value != "v1") return fail(ENOTSUP, "{} {}: only version=v1 is told", option, text);
    else if (one.key == "builder-id") told.builder_id = one.value;
    else if (one.key == "type" || (one.key == "mode" && one.value == "min") || one.key == "version") continue;
    else return fail(EINVAL, "{} knows true, false, mode=min, builder-id, version=v1 and disabled; not \"{}\"", option, field);
  }
  return {};
}

}  // namespace

Result<Told> parse_provenance(const std::string& provenance, const std::vector<std::string>& attestations) {
  Told told;
  for (const std::string& text : attestations) {
    std::string type;
    for (const std::string& field : TRY(dockerfile::split_csv(text)))
      if (const CsvOption one = dockerfile::split_option(field); one.key == "type") type = one.value;
    if (type != "provenance") return fail(ENOTSUP, "--attest {}: only type=provenance is known", text);
    TRY(read_provenance(told, text, "--attest"));
  }
  if (!provenance.empty()) TRY(read_provenance(told, provenance, "--provenance"));
  return told;
}

Result<build::Annotations> parse_annotations(const std::vector<std::string>& texts) {
  build::Annotations annotations;
  for (const std::string& text : texts) {
    std::string_view rest = text;
    const std::size_t equals = rest.find('=');
    if (const std::size_t colon = rest.substr(0, equals).find(':'); colon != std::string_view::npos) {
      if (rest.substr(0, colon) != "manifest")
        return fail(ENOTSUP, "--annotation {}: only the manifest is annotated", text);
      rest.remove_prefix(colon + 1);
    }
    const std::size_t at = rest.find('=');
    if (at == 0 || at == std::string_view::npos) return fail(EINVAL, "--annotation wants NAME=VALUE, not \"{}\"", text);
    annotations[std::string(rest.substr(0, at))] = rest.substr(at + 1);
  }
  return annotations;
}

}  // namespace acetate::cli
