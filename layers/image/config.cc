#include "layers/image/config.h"

#include "layers/image/json.h"

namespace acetate::image {

namespace {

Result<std::vector<Digest>> read_diff_ids(const ObjectReader& document) {
  std::vector<Digest> out;
  const Json* rootfs = document.get("rootfs");
  if (rootfs == nullptr) return out;
  const std::string what = fmt::format("{}: rootfs", document.what());
  const auto reader = TRY(ObjectReader::make(*rootfs, what));
  for (const auto& text : TRY(reader.strings("diff_ids")))
    out.push_back(TRY_WITHIN(Digest::parse(text), "{}: \"diff_ids\"", what));
  return out;
}

Result<std::vector<History>> read_history(const ObjectReader& document) {
  std::vector<History> out;
  const Json* list = TRY(document.list("history"));
  if (list == nullptr) return out;
  const std::string what = fmt::format("{}: history", document.what());
  for (const auto& each : *list) {
    const auto entry = TRY(ObjectReader::make(each, what));
    History& step = out.emplace_back();
    step.created = TRY(entry.string("created"));
    step.created_by = TRY(entry.string("created_by"));
    step.author = TRY(entry.string("author"));
    step.comment = TRY(entry.string("comment"));
    step.empty_layer = TRY(entry.boolean("empty_layer"));
  }
  return out;
}

// The part under "config": how a container is to be started.
Result<void> read_execution(const ObjectReader& from, Config& into) {
  into.env = TRY(from.strings("Env"));
  into.entrypoint = TRY(from.strings("Entrypoint"));
  into.cmd = TRY(from.strings("Cmd"));
  into.working_dir = TRY(from.string("WorkingDir"));
  into.user = TRY(from.string("User"));
  into.labels = TRY(from.string_map("Labels"));
  into.exposed_ports = TRY(from.keys("ExposedPorts"));
  into.volumes = TRY(from.keys("Volumes"));
  into.stop_signal = TRY(from.string("StopSignal"));
  into.onbuild = TRY(from.strings("OnBuild"));
  into.shell = TRY(from.strings("Shell"));
  if (const Json* healthcheck = from.get("Healthcheck")) {
    if (!healthcheck->is_object()) return from.wrong("Healthcheck", "an object");
    into.healthcheck = write_json(*healthcheck);
  }
  return {};
}

void put(Json& object, const char* key, const std::string& value) {
  if (value.empty())
    object.erase(key);
  else
    object[key] = value;
}

template <class List>
void put_list(Json& object, const char* key, const List& values) {
  if (values.empty())
    object.erase(key);
  else
    object[key] = values;
}

void put_set(Json& object, const char* key, const std::vector<std::string>& values) {
  object.erase(key);
  for (const auto& value : values) object[key][value] = Json::object();
}

Json history_json(const std::vector<History>& history) {
  Json list = Json::array();
  for (const auto& each : history) {
    Json entry = Json::object();
    put(entry, "created", each.created);
    put(entry, "created_by", each.created_by);
    put(entry, "author", each.author);
    put(entry, "comment", each.comment);
    if (each.empty_layer) entry["empty_layer"] = true;
    list.push_back(std::move(entry));
  }
  return list;
}

Result<Json> execution_json(const Config& config, Json object) {
  if (!object.is_object()) object = Json::object();
  put_list(object, "Env", config.env);
  put_list(object, "Entrypoint", config.entrypoint);
  put_list(object, "Cmd", config.cmd);
  put(object, "WorkingDir", config.working_dir);
  put(object, "User", config.user);
  put_list(object, "Labels", config.labels);
  put_set(object, "ExposedPorts", config.exposed_ports);
  put_set(object, "Volumes", config.volumes);
  put(object, "StopSignal", config.stop_signal);
  put_list(object, "OnBuild", config.onbuild);
  put_list(object, "Shell", config.shell);
  object.erase("Healthcheck");
  if (!config.healthcheck.empty())
    object["Healthcheck"] = TRY(parse_json(config.healthcheck, "the health check"));
  return object;
}

}  // namespace

Result<Config> parse_config(std::string_view json, std::string_view what) {
  const Json document = TRY(parse_json(json, what));
  const auto reader = TRY(ObjectReader::make(document, what));
  Config config;
  config.platform.os = TRY(reader.string("os"));
  config.platform.architecture = TRY(reader.string("architecture"));
  config.platform.variant = TRY(reader.string("variant"));
  config.platform.os_version = TRY(reader.string("os.version"));
  config.created = TRY(reader.string("created"));
  config.author = TRY(reader.string("author"));
  config.diff_ids = TRY(read_diff_ids(reader));
  config.history = TRY(read_history(reader));
  if (const Json* execution = reader.get("config")) {
    const std::string inner = fmt::format("{}: config", what);
    TRY(read_execution(TRY(ObjectReader::make(*execution, inner)), config));
  }
  config.raw = json;
  return config;
}

Config empty_config(const Platform& platform) {
  Config config;
  config.platform = platform;
  return config;
}

Result<std::string> to_json(const Config& config) {
  Json document = Json::object();
  if (!config.raw.empty()) document = TRY(parse_json(config.raw, "the base image's config"));
  if (!document.is_object()) return fail(EINVAL, "the base image's config is not a JSON object");
  document["os"] = config.platform.os;  // the two that image-spec requires
  document["architecture"] = config.platform.architecture;
  put(document, "variant", config.platform.variant);
  put(document, "os.version", config.platform.os_version);
  put(document, "created", config.created);
  put(document, "author", config.author);
  Json execution = TRY(execution_json(config, document.value("config", Json::object())));
  document["config"] = std::move(execution);
  Json diff_ids = Json::array();
  for (const auto& id : config.diff_ids) diff_ids.push_back(id.str());
  document["rootfs"] = {{"type", "layers"}, {"diff_ids", std::move(diff_ids)}};
  document.erase("history");
  if (!config.history.empty()) document["history"] = history_json(config.history);
  return write_json(document);
}

}  // namespace acetate::image
