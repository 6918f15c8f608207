#include "layers/tar/archive_members.h"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/bytes.h"
#include "base/rel_path.h"
#include "base/sys/file.h"

namespace acetate {

namespace {

constexpr std::size_t kMaxMembers = 1'000'000;
constexpr int kMaxLinks = 40;  // as the kernel follows

struct FreeArchive {
  void operator()(struct archive* archive) const noexcept { archive_read_free(archive); }
};
using Reader = std::unique_ptr<struct archive, FreeArchive>;

// What libarchive reads from: the file at a position of our own, so that a shared descriptor's stays where it
// is.
struct Input {
  FdRef file;
  std::uint64_t size = 0;
  std::uint64_t position = 0;
  std::optional<Error> error = {};
  std::array<std::byte, 64 << 10> buffer{};
};

la_ssize_t read_some(struct archive* archive, void* data, const void** buffer) {
  auto& input = *static_cast<Input*>(data);
  auto got = sys::pread(input.file, input.buffer, input.position);
  if (!got) {
    archive_set_error(archive, got.error().code(), "%s", got.error().message().c_str());
    input.error = std::move(got).error();
    return -1;
  }
  input.position += *got;
  *buffer = input.buffer.data();
  return static_cast<la_ssize_t>(*got);
}

la_int64_t skip(struct archive*, void* data, la_int64_t request) {
  auto& input = *static_cast<Input*>(data);
  const auto left = static_cast<la_int64_t>(input.size - std::min(input.position, input.size));
  const auto step = std::clamp<la_int64_t>(request, 0, left);
  input.position += static_cast<std::uint64_t>(step);
  return step;
}

Error no_tarball(struct archive* archive, Input& input, std::string_view what) {
  if (input.error) return std::move(*input.error).within(fmt::format("reading {}", what));
  const char* words = archive_error_string(archive);
  return fail(EINVAL, "{} is not a tarball that can be read: {}", what,
              words != nullptr ? words : "unknown format");
}

Result<Reader> open_reader(Input& input, std::string_view what, bool compressed) {
  Reader reader(archive_read_new());
  if (!reader) return Error(ENOMEM);
  archive_read_support_format_tar(reader.get());
  if (compressed) {
    // By name, not "all": some of libarchive's filters start programs.
    archive_read_support_filter_gzip(reader.get());
    archive_read_support_filter_bzip2(reader.get());
    archive_read_support_filter_xz(reader.get());
    archive_read_support_filter_zstd(reader.get());
    archive_read_support_filter_lz4(reader.get());
  }
  archive_read_set_read_callback(reader.get(), read_some);
  archive_read_set_skip_callback(reader.get(), skip);
  archive_read_set_callback_data(reader.get(), &input);
  if (archive_read_open1(reader.get()) != ARCHIVE_OK) return no_tarball(reader.get(), input, what);
  return reader;
}

Result<std::unique_ptr<Input>> open_input(FdRef file, std::string_view what) {
  auto input = std::make_unique<Input>();
  input->file = file;
  input->size = static_cast<std::uint64_t>(TRY_WITHIN(sys::stat(file), "looking at {}", what).st_size);
  return input;
}

// The name as RelPath cleans it, or nothing when it is none of a file inside.
std::optional<std::string> clean_name(const char* raw) {
  if (raw == nullptr) return std::nullopt;
  auto path = RelPath::parse(raw);
  if (!path || path->is_root()) return std::nullopt;
  return path->str();
}

// A symlink's target seen from where the link stands; the archive's root is the end of every way up.
std::string resolve(std::string_view link_name, std::string_view target) {
  const auto slash = link_name.rfind('/');
  const auto dir = slash == link_name.npos ? std::string_view() : link_name.substr(0, slash);
  const auto joined = target.starts_with('/') ? std::string(target) : fmt::format("{}/{}", dir, target);
  const auto path = RelPath::parse_clamped(joined);
  return path ? path->str() : std::string();
}

}  // namespace

Result<ArchiveMembers> ArchiveMembers::read(FdRef file, std::string_view what,
                                            const std::function<bool(std::string_view name)>& each) {
  const auto input = TRY(open_input(file, what));
  const Reader reader = TRY(open_reader(*input, what, false));
  ArchiveMembers members;
  members.what_ = what;
  struct archive_entry* entry = nullptr;
  for (std::size_t count = 0;; ++count) {
    const int got = archive_read_next_header(reader.get(), &entry);
    if (got == ARCHIVE_EOF) break;
    if (got != ARCHIVE_OK && got != ARCHIVE_WARN) return no_tarball(reader.get(), *input, what);
    if (count == kMaxMembers)
      return fail(EFBIG, "{} has more than {} members, which no image archive has", what, kMaxMembers);
    const auto name = clean_name(archive_entry_pathname(entry));
    if (!name) continue;
    if (each && !each(*name)) break;

    Member member;
    if (const char* hard = archive_entry_hardlink(entry)) {
      member.is_link = true;
      member.target = clean_name(hard).value_or("");
      if (member.target == *name) continue;  // tar writes one for a file that was named twice
    } else if (archive_entry_filetype(entry) == AE_IFLNK) {
      const char* target = archive_entry_symlink(entry);
      member.is_link = true;
      member.target = target != nullptr ? resolve(*name, target) : "";
    } else if (archive_entry_filetype(entry) == AE_IFREG) {
      // All headers of this member are consumed here, and with no filter the position is the file's.
      member.bytes.offset = static_cast<std::uint64_t>(archive_filter_bytes(reader.get(), 0));
      const auto size = archive_entry_size(entry);
      member.is_sparse = archive_entry_sparse_count(entry) > 0;  // then the size is not of what lies here
      const bool fits =
          size >= 0 && in_bounds(member.bytes.offset, static_cast<std::uint64_t>(size), input->size);
      if (!fits && !member.is_sparse)
        return fail(EINVAL, "{} is cut short: its member {} does not fit in it", what, *name);
      member.bytes.length = static_cast<std::uint64_t>(size);
    } else {
      continue;
    }
    members.members_.insert_or_assign(*name, std::move(member));
  }
  return members;
}

Result<ArchiveMember> ArchiveMembers::find(std::string_view name) const {
  std::string at = clean_name(std::string(name).c_str()).value_or("");
  for (int followed = 0; followed <= kMaxLinks; ++followed) {
    const auto found = members_.find(at);
    if (found == members_.end()) return Error(ENOENT);
    const Member& member = found->second;
    if (member.is_sparse)
      return fail(ENOTSUP, "{}: the member {} is stored as a sparse file, which cannot be read in place",
                  what_, at);
    if (!member.is_link) return member.bytes;
    at = member.target;
  }
  return fail(ELOOP, "{}: the links at {} lead nowhere", what_, name);
}

Result<std::optional<std::string>> compression_of(FdRef file, std::uint64_t offset) {
  struct Magic {
    std::string_view bytes;
    const char* name;
  };
  using namespace std::string_view_literals;
  constexpr Magic known[] = {{"\x1f\x8b"sv, "gzip"},
                             {"BZh"sv, "bzip2"},
                             {"\xfd\x37zXZ\0"sv, "xz"},
                             {"\x28\xb5\x2f\xfd"sv, "zstd"},
                             {"\x04\x22\x4d\x18"sv, "lz4"}};
  std::array<std::byte, 8> head{};
  const auto got = TRY(sys::pread_full(file, head, offset));
  const auto begin = as_text(std::span(head).first(got));
  for (const auto& magic : known)
    if (begin.starts_with(magic.bytes)) return std::optional<std::string>(magic.name);
  // A skippable frame, with which files of several zstd frames may begin.
  if (got >= 4 && begin.substr(1, 3) == "\x2a\x4d\x18"sv && (head[0] & std::byte{0xf0}) == std::byte{0x50})
    return std::optional<std::string>("zstd");
  return std::optional<std::string>();
}

Result<std::string> first_member(FdRef file, std::string_view what) {
  const auto input = TRY(open_input(file, what));
  const Reader reader = TRY(open_reader(*input, what, true));
  struct archive_entry* entry = nullptr;
  const int got = archive_read_next_header(reader.get(), &entry);
  if (got == ARCHIVE_EOF) return Error(ENOENT);
  if (got != ARCHIVE_OK && got != ARCHIVE_WARN) return no_tarball(reader.get(), *input, what);
  return clean_name(archive_entry_pathname(entry)).value_or("");
}

}  // namespace acetate
