#include "cli/kept.h"

#include <fcntl.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "base/log.h"
#include "base/rel_path.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/range_lock.h"
#include "builder/sandbox/rootfs.h"
#include "builder/sandbox/upper_dir.h"
#include "layers/image/config.h"

namespace acetate::cli {

namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kMostRecord = 64 << 20;
constexpr const char* kRecord = "container.json";

std::string now() {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(std::chrono::system_clock::now());
  const std::time_t time = std::chrono::system_clock::to_time_t(seconds);
  std::tm parts{};
  ::gmtime_r(&time, &parts);
  char text[32];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &parts));
}

Result<void> check_name(const std::string& name) {
  const bool good = RelPath::is_name(name) && name.front() != '.' && name.front() != '-' &&
                    name.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == std::string::npos;
  if (!good) return fail(EINVAL, "\"{}\" cannot be the name of a container: letters, digits, '_', '.' and '-', the first a letter or digit", name);
  return {};
}

constexpr const char* kLock = "lock";

Result<Fd> open_lock(const std::string& dir) {
  const std::string path = dir + "/" + kLock;
  return TRY_WITHIN(sys::open(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0600), "opening {}", path);
}

// `type`: F_RDLCK or F_WRLCK.
Result<Fd> lock(const std::string& dir, const std::string& name, int type) {
  Fd fd = TRY(open_lock(dir));
  auto locked = sys::lock_range(fd.ref(), type, 0, 1);
  if (!locked && (locked.error().is(EAGAIN) || locked.error().is(EACCES)))
    return fail(EBUSY, "the container {} is in use by another process", name);
  TRY_WITHIN(std::move(locked), "locking {}", dir);
  return fd;
}

bool is_there(const std::string& path) { return sys::stat(FileAt{kWorkingDir, path.c_str()}).has_value(); }

Result<KeptRecord> read_record(const std::string& dir) {
  const std::string path = dir + "/" + kRecord;
  return parse_kept(TRY_WITHIN(sys::read_file(path, kMostRecord), "reading {}", path), path);
}

Error no_such(const std::string& name) {
  return fail(ENOENT, "there is no container \"{}\"; `acetate ps` lists those that run --keep has kept", name);
}

// What an image is, whatever it is called: each layer by digest, or by where it lies.
std::vector<std::string> identity(const image::Image& image) {
  std::vector<std::string> layers;
  for (const auto& layer : image.layers) layers.push_back(layer.digest ? layer.digest->str() : format_layer_spec(layer.spec));
  return layers;
}

}  // namespace

Result<std::string> to_json(const KeptRecord& record) {
  Json layers = Json::array();
  for (const auto& layer : record.image.layers) {
    Json one{{"spec", format_layer_spec(layer.spec)}, {"mediaType", layer.media_type}, {"size", layer.size}};
    if (layer.digest) one["digest"] = layer.digest->str();
    layers.push_back(std::move(one));
  }
  Json config = Json::parse(TRY(image::to_json(record.image.config)));
  Json json{{"name", record.name},       {"image", record.image.name},
            {"manifest", record.image.manifest_digest ? record.image.manifest_digest->str() : ""},
            {"layers", std::move(layers)}, {"config", std::move(config)},
            {"command", record.command}, {"labels", record.labels},
            {"created", record.created}, {"finished", record.finished}};
  if (record.exit_code) json["exitCode"] = *record.exit_code;
  return json.dump(1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<KeptRecord> parse_kept(std::string_view text, const std::string& what) {
  // Our own file, and any shape it should not have throws.
  try {
    const Json json = Json::parse(text);
    auto config = TRY(image::parse_config(json.at("config").dump(), what));
    KeptRecord record{.name = json.at("name"),
                      .image = {.config = std::move(config), .layers = {}, .name = json.at("image"), .manifest_digest = {}},
                      .command = json.at("command"),
                      .labels = json.at("labels"),
                      .created = json.at("created"),
                      .finished = json.at("finished")};
    if (const std::string manifest = json.at("manifest"); !manifest.empty()) record.image.manifest_digest = TRY(Digest::parse(manifest));
    for (const Json& one : json.at("layers")) {
      image::Layer layer{.spec = TRY(parse_layer_spec(one.at("spec").get<std::string>())), .media_type = one.at("mediaType"), .size = one.at("size")};
      if (one.contains("digest")) layer.digest = TRY(Digest::parse(one["digest"].get<std::string>()));
      record.image.layers.push_back(std::move(layer));
    }
    if (json.contains("exitCode")) record.exit_code = json["exitCode"].get<int>();
    return record;
  } catch (const Json::exception& error) {
    return fail(EINVAL, "{} is damaged: {}", what, error.what());
  }
}

Result<Kept> Kept::open(const std::string& containers, const std::string& name, Use use) {
  if (!check_name(name)) return Error(ENOENT);
  std::string dir = containers + "/" + name;
  if (!is_there(dir + "/" + kRecord)) return Error(ENOENT);
  Fd held = TRY(lock(dir, name, use == Use::write ? F_WRLCK : F_RDLCK));
  KeptRecord record = TRY(read_record(dir));
  return Kept(std::move(dir), std::move(held), std::move(record));
}

Result<Kept> find_kept(const std::string& containers, const std::string& name, Kept::Use use) {
  auto kept = Kept::open(containers, name, use);
  if (!kept && kept.error().is(ENOENT)) return no_such(name);
  return kept;
}

Result<Kept> Kept::make(const std::string& containers, const std::string& name, const image::Image& image) {
  TRY(check_name(name));
  std::string dir = containers + "/" + name;
  TRY_WITHIN(sys::make_dirs(dir, 0700), "making {}", dir);
  Fd held = TRY(lock(dir, name, F_WRLCK));
  if (is_there(dir + "/upper"))
    return fail(EEXIST, "{} holds what an interrupted removal of {} left; `acetate rm {}` finishes it", dir, name, name);
  TRY(sandbox::make_upper_dir(dir + "/upper"));
  Kept kept(std::move(dir), std::move(held), {});
  image::Image below = image;
  below.hold.reset();  // from now on the record is what its layers stay for
  TRY(kept.save({.name = name, .image = std::move(below), .command = {}, .labels = {}, .created = now(), .finished = {}}));
  return kept;
}

WhiteoutFiles Kept::whiteout_files() const { return sandbox::Rootfs::kernel_wrote(upper()) ? WhiteoutFiles::refused : WhiteoutFiles::marks; }

Result<void> Kept::save(KeptRecord record) {
  record.finished = record.exit_code ? now() : std::string();
  const std::string path = dir_ + "/" + kRecord;
  TRY_WITHIN(sys::write_file_atomically({kWorkingDir, path.c_str()}, TRY(to_json(record)), 0600), "writing {}", path);
  record_ = std::move(record);
  return {};
}

Result<void> Kept::remove(const std::string& containers, const std::string& name) {
  const std::string dir = containers + "/" + name;
  if (!check_name(name) || !is_there(dir)) return no_such(name);
  const Fd held = TRY(lock(dir, name, F_WRLCK));
  // The record goes first: what has none is no container.
  const std::string record = dir + "/" + kRecord;
  auto gone = sys::unlink({kWorkingDir, record.c_str()});
  if (!gone && !gone.error().is(ENOENT)) return std::move(gone).error().within("removing " + record);
  TRY_WITHIN(sys::remove_tree({kWorkingDir, dir.c_str()}), "removing {}", dir);
  return {};
}

namespace {

// Of every container that has a record.
Result<std::vector<std::string>> names_of(const std::string& containers) {
  std::vector<std::string> names;
  auto opened = sys::open(containers, O_RDONLY | O_DIRECTORY);
  if (!opened && opened.error().is(ENOENT)) return names;
  const Fd dir = TRY_WITHIN(std::move(opened), "opening {}", containers);
  TRY_WITHIN(sys::read_dir(dir.ref(), [&](const sys::DirEntry& entry) { return names.emplace_back(entry.name), true; }), "reading {}", containers);
  std::erase_if(names, [&](const std::string& name) { return !is_there(containers + "/" + name + "/" + kRecord); });
  std::ranges::sort(names);
  return names;
}

}  // namespace

Result<std::vector<KeptEntry>> list_kept(const std::string& containers) {
  std::vector<KeptEntry> all;
  for (const std::string& name : TRY(names_of(containers))) {
    const std::string dir = containers + "/" + name;
    auto record = read_record(dir);
    if (!record) {
      if (record.error().is(ENOENT)) continue;  // removed meanwhile
      log::warn("{}", record.error().message());
      continue;
    }
    // Not made: whoever removes the directory would find it full again.
    const auto file = sys::open(dir + "/" + kLock, O_RDWR | O_NOFOLLOW);
    if (!file && file.error().is(ENOENT) && !is_there(dir + "/" + kRecord)) continue;
    if (!file && !file.error().is(ENOENT)) return file.error().clone().within("opening " + dir + "/" + kLock);
    const bool running = file && TRY(sys::is_range_locked(file->ref(), F_RDLCK, 0, 1));
    all.push_back({.record = *std::move(record), .running = running});
  }
  return all;
}

Result<std::set<Digest>> layers_of_kept(const std::string& containers) {
  std::set<Digest> layers;
  for (const std::string& name : TRY(names_of(containers))) {
    auto read = read_record(containers + "/" + name);
    if (!read && read.error().is(ENOENT)) continue;  // removed meanwhile
    const KeptRecord record = TRY_WITHIN(std::move(read), "which layers {} needs is not known (acetate rm {} removes it)", name, name);
    for (const auto& layer : record.image.layers)
      if (layer.digest) layers.insert(*layer.digest);
  }
  return layers;
}

Result<void> check_same_image(const KeptRecord& kept, const image::Image& image) {
  if (identity(kept.image) == identity(image)) return {};
  return fail(EEXIST, "the container {} was written on {} and not on what {} is now; `acetate run {}` goes on from it, and `acetate rm {}` removes it",
              kept.name, kept.image.name, image.name, kept.name, kept.name);
}

}  // namespace acetate::cli
