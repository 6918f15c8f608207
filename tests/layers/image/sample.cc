#include "tests/layers/image/sample.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cstring>

#include "base/sys/file.h"

namespace acetate::test {

void TarBuilder::header(std::string_view name, char type, std::string_view size_field,
                        std::string_view target) {
  std::string block(512, '\0');
  const auto put = [&](std::size_t at, std::string_view text) { block.replace(at, text.size(), text); };
  put(0, name);
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, size_field);
  put(136, "00000000000");
  block[156] = type;
  put(157, target);
  put(257, std::string_view("ustar\0"
                            "00",
                            8));
  put(148, "        ");
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(148, fmt::format("{:06o}", sum));
  block[154] = '\0';
  bytes_ += block;
}

TarBuilder& TarBuilder::file(std::string_view name, std::string_view content) {
  if (name.size() > 100) {  // as GNU tar has it
    header("././@LongLink", 'L', fmt::format("{:011o}", name.size() + 1), {});
    bytes_ += std::string(name) + '\0';
    bytes_.resize((bytes_.size() + 511) / 512 * 512, '\0');
    name = name.substr(0, 100);
  }
  header(name, '0', fmt::format("{:011o}", content.size()), {});
  bytes_ += content;
  bytes_.resize((bytes_.size() + 511) / 512 * 512, '\0');
  return *this;
}

TarBuilder& TarBuilder::dir(std::string_view name) {
  header(name, '5', "00000000000", {});
  return *this;
}

TarBuilder& TarBuilder::link(char type, std::string_view name, std::string_view target) {
  header(name, type, "00000000000", target);
  return *this;
}

TarBuilder& TarBuilder::raw_size(std::string_view name, std::string_view size_field) {
  header(name, '0', size_field, {});
  return *this;
}

void write_to(const TempDir& dir, const std::string& below, const Files& files) {
  for (const auto& [name, content] : files) dir.write(below + "/" + name, content);
}

std::string packed(const Files& files) {
  TarBuilder tar;
  for (const auto& [name, content] : files) tar.file(name, content);
  return tar.str();
}

std::string Blob::descriptor(std::string_view extra) const {
  return fmt::format(R"({{"mediaType":"{}","digest":"{}","size":{}{}{}}})", media_type, digest().str(),
                     text.size(), extra.empty() ? "" : ",", extra);
}

Blob layer_blob(std::string_view file, std::string_view content) {
  return {TarBuilder().file(file, content).str(), kLayerType};
}

namespace {
template <class Each>
std::string joined(const std::vector<Blob>& blobs, Each&& each) {
  std::string out;
  for (const auto& blob : blobs) out += (out.empty() ? "" : ",") + each(blob);
  return out;
}
}  // namespace

Blob config_blob(std::string_view architecture, const std::vector<Blob>& layers) {
  const auto ids = joined(layers, [](const Blob& layer) { return "\"" + layer.digest().str() + "\""; });
  return {fmt::format(R"({{"architecture":"{}","os":"linux","config":{{"Env":["PATH=/bin"],"Cmd":["sh"]}},)"
                      R"("rootfs":{{"type":"layers","diff_ids":[{}]}}}})",
                      architecture, ids),
          kConfigType};
}

Blob manifest_blob(const Blob& config, const std::vector<Blob>& layers) {
  const auto list = joined(layers, [](const Blob& layer) { return layer.descriptor(); });
  return {fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","config":{},"layers":[{}]}})", kManifestType,
                      config.descriptor(), list),
          kManifestType};
}

Blob index_blob(const std::vector<std::string>& descriptors) {
  std::string list;
  for (const auto& each : descriptors) list += (list.empty() ? "" : ",") + each;
  return {fmt::format(R"({{"schemaVersion":2,"mediaType":"{}","manifests":[{}]}})", kIndexType, list),
          kIndexType};
}

Files layout_files(const std::vector<Blob>& blobs, const std::vector<std::string>& entries) {
  Files files{{"oci-layout", R"({"imageLayoutVersion":"1.0.0"})"}, {"index.json", index_blob(entries).text}};
  for (const auto& blob : blobs) files[blob.name()] = blob.text;
  return files;
}

Sample Sample::by_sha512() {
  Sample sample;
  for (auto& layer : sample.layers) layer = test::by_sha512(layer);
  sample.config = test::by_sha512(config_blob("amd64", sample.layers));
  sample.manifest = test::by_sha512(manifest_blob(sample.config, sample.layers));
  return sample;
}

Files Sample::oci() const {
  auto blobs = layers;
  blobs.push_back(config);
  blobs.push_back(manifest);
  return layout_files(blobs,
                      {manifest.descriptor(R"("annotations":{"org.opencontainers.image.ref.name":"v1"})")});
}

Files Sample::docker() const {
  const auto config_name = config.digest().hex() + ".json";
  Files files{{config_name, config.text}};
  std::string names;
  for (const auto& layer : layers) {
    const auto name = layer.digest().hex() + ".tar";
    files[name] = layer.text;
    names += (names.empty() ? "\"" : ",\"") + name + "\"";
  }
  files["manifest.json"] = fmt::format(
      R"([{{"Config":"{}","RepoTags":["localhost/sample:v1"],"Layers":[{}]}}])", config_name, names);
  return files;
}

std::string bytes_of(const LayerSpec& spec) {
  const auto file = sys::open(spec.path, O_RDONLY);
  if (!file) return "cannot open " + spec.path;
  std::string out(spec.length.value_or(0), '\0');
  const auto got = sys::pread_full(file->ref(), std::as_writable_bytes(std::span(out)), spec.offset);
  return got && *got == out.size() ? out : "cannot read " + spec.path;
}

}  // namespace acetate::test
