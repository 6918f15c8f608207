#include "builder/bytecode.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

namespace acetate::build {

namespace {

constexpr std::size_t kHeader = 16;
constexpr std::size_t kFlags = 4, kTime = 8, kSize = 12;
// "\r\n" behind a number that grows with each version of the language: 3390 is 3.7, whose header has flags; Python 2 had larger ones.
constexpr std::uint32_t kFirstWithFlags = 3390, kFirstOfPython2 = 20000;

using Header = std::array<std::byte, kHeader>;

std::uint32_t number(const Header& header, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t n = 4; n-- > 0;) value = value << 8 | std::to_integer<std::uint32_t>(header[at + n]);
  return value;
}

void set_number(std::span<std::byte, 4> bytes, std::uint32_t value) {
  for (std::byte& byte : bytes) {
    byte = std::byte(value & 0xff);
    value >>= 8;
  }
}

bool notes_time(const Header& header) {
  const std::uint32_t magic = number(header, 0);
  const bool has_flags = magic >> 16 == 0x0a0d && (magic & 0xffff) >= kFirstWithFlags && (magic & 0xffff) < kFirstOfPython2;
  return has_flags && number(header, kFlags) == 0;
}

// As Python keeps it, which has 32 bits for it.
std::uint32_t noted(timespec time) { return static_cast<std::uint32_t>(time.tv_sec); }

std::optional<RelPath> source_path(const RelPath& path) {
  const std::string_view name = path.name();
  RelPath dir = path.parent();
  // x.pyc beside x.py; __pycache__/x.cpython-311.pyc, also x.cpython-311.opt-1.pyc, for the one above.
  std::string_view module = name.substr(0, name.size() - 4);
  if (!dir.is_root() && dir.name() == "__pycache__") {
    module = name.substr(0, name.find('.'));
    dir = dir.parent();
  }
  if (module.empty()) return std::nullopt;
  return dir.child(std::string(module) + ".py");
}

class Retimed : public FileView {
 public:
  Retimed(const FileView& file, timespec time) : file_(file) { set_number(time_, noted(time)); }
  std::uint64_t size() const override { return file_.size(); }
  Result<std::size_t> pread(std::span<std::byte> into, std::uint64_t offset) const override {
    const std::size_t got = TRY(file_.pread(into, offset));
    for (std::size_t n = 0; n < time_.size(); ++n)
      if (const std::uint64_t at = kTime + n; at >= offset && at < offset + got) into[at - offset] = time_[n];
    return got;
  }
  Segment segment(std::uint64_t offset) const override { return file_.segment(offset); }

 private:
  const FileView& file_;
  std::array<std::byte, 4> time_;
};

}  // namespace

void Bytecode::learn(const RelPath& path, const Attr& attr, bool is_content) {
  if (!path.is_root() && path.name().ends_with(".py") && attr.is_regular())
    sources_.insert_or_assign(path, Known{.source = {.time = attr.mtime, .is_content = is_content}, .size = attr.size});
}

Result<std::optional<Bytecode::Source>> Bytecode::source_of(const RelPath& path, const FileView& compiled) const {
  using Answer = std::optional<Source>;
  if (path.is_root() || !path.name().ends_with(".pyc")) return Answer();
  const auto source = source_path(path);
  const auto known = source ? sources_.find(*source) : sources_.end();
  if (known == sources_.end()) return Answer();
  Header header;
  if (TRY(compiled.pread(header, 0)) != header.size()) return Answer();
  if (!notes_time(header)) return Answer();
  if (number(header, kTime) != noted(known->second.source.time) || number(header, kSize) != static_cast<std::uint32_t>(known->second.size)) return Answer();
  return Answer(known->second.source);
}

void set_noted_time(std::span<std::byte> beginning, std::int64_t then, std::int64_t now) {
  Header header;
  if (beginning.size() < header.size()) return;
  std::copy_n(beginning.begin(), header.size(), header.begin());
  if (!notes_time(header) || number(header, kTime) != static_cast<std::uint32_t>(then)) return;
  set_number(beginning.subspan<kTime, 4>(), static_cast<std::uint32_t>(now));
}

std::unique_ptr<FileView> with_source_time(const FileView& compiled, timespec time) { return std::make_unique<Retimed>(compiled, time); }

}  // namespace acetate::build
