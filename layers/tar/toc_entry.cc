#include "layers/tar/toc_entry.h"

#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>

#include "base/base64.h"

namespace acetate {

namespace {

// {"version": …, "entries": [{…, "xattrs": {…}}, …]}: depths 1, 2, 3 and 4. What stands anywhere else is passed over.
class Reader final : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Reader(const std::function<Result<void>(const TocEntry&)>& each) : each_(each) {}

  std::optional<Error> failure;
  bool has_entries = false;

  bool start_object(std::size_t) override {
    if (++depth_ == 3 && in_entries_) entry_ = {};
    in_xattrs_ = depth_ == 4 && in_entries_ && key_ == "xattrs";
    return depth_ <= kDeepest || refuse();
  }
  bool end_object() override {
    in_xattrs_ = false;
    if (depth_-- != 3 || !in_entries_) return true;
    if (auto told = each_(entry_); !told) {
      failure = std::move(told).error();
      return false;
    }
    return true;
  }
  bool start_array(std::size_t) override {
    if (++depth_ == 2 && key_ == "entries") in_entries_ = has_entries = true;
    return depth_ <= kDeepest || refuse();
  }
  bool end_array() override {
    if (depth_-- == 2) in_entries_ = false;
    return true;
  }
  bool key(string_t& key) override {
    key_ = std::move(key);
    return true;
  }
  bool string(string_t& value) override {
    if (in_xattrs_) {
      auto plain = base64_decode(value);
      if (!plain) return refuse();
      entry_.xattrs.push_back({key_, *std::move(plain)});
    } else if (std::string* into = is_field() ? text_field() : nullptr) {
      *into = std::move(value);
    }
    return true;
  }
  bool number_unsigned(number_unsigned_t value) override {
    if (std::uint64_t* into = is_field() ? number_field() : nullptr) *into = value;
    return true;
  }
  bool number_integer(number_integer_t) override { return !is_field() || number_field() == nullptr || refuse(); }
  bool number_float(number_float_t, const string_t&) override { return number_integer(0); }
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override { return refuse(); }

 private:
  static constexpr int kDeepest = 32;

  bool is_field() const noexcept { return depth_ == 3 && in_entries_; }
  bool refuse() {
    if (!failure) failure = fail(EBADMSG, "its table of contents is damaged");
    return false;
  }
  std::string* text_field() {
    static constexpr std::pair<std::string_view, std::string TocEntry::*> kFields[] = {
        {"type", &TocEntry::type},         {"name", &TocEntry::name},
        {"linkName", &TocEntry::link},     {"modtime", &TocEntry::modtime},
        {"digest", &TocEntry::digest},     {"chunkDigest", &TocEntry::chunk_digest},
        {"chunkType", &TocEntry::chunk_type}};
    for (const auto& [name, field] : kFields)
      if (key_ == name) return &(entry_.*field);
    return nullptr;
  }
  std::uint64_t* number_field() {
    static constexpr std::pair<std::string_view, std::uint64_t TocEntry::*> kFields[] = {
        {"mode", &TocEntry::mode},           {"uid", &TocEntry::uid},
        {"gid", &TocEntry::gid},             {"size", &TocEntry::size},
        {"devMajor", &TocEntry::major},      {"devMinor", &TocEntry::minor},
        {"offset", &TocEntry::offset},       {"chunkOffset", &TocEntry::chunk_offset},
        {"chunkSize", &TocEntry::chunk_size}, {"innerOffset", &TocEntry::inner_offset}};
    for (const auto& [name, field] : kFields)
      if (key_ == name) return &(entry_.*field);
    return nullptr;
  }

  const std::function<Result<void>(const TocEntry&)>& each_;
  TocEntry entry_;
  std::string key_;
  int depth_ = 0;
  bool in_entries_ = false;
  bool in_xattrs_ = false;
};

}  // namespace

Result<void> read_toc_entries(std::string_view json, const std::function<Result<void>(const TocEntry&)>& each) {
  Reader reader(each);
  const bool whole = nlohmann::json::sax_parse(json.begin(), json.end(), &reader);
  if (reader.failure) return *std::move(reader.failure);
  if (!whole || !reader.has_entries) return fail(EBADMSG, "its table of contents is damaged");
  return {};
}

}  // namespace acetate
