#include "layers/tar/pax_records.h"

#include <algorithm>
#include <charconv>

#include "base/base64.h"
#include "base/bytes.h"
#include "base/number.h"
#include "layers/tar/acl_text.h"

namespace acetate {

namespace {

constexpr std::size_t kBlock = 512;

// A number field of a header: octal digits, or base-256 when the first byte has its high bit set.
std::optional<std::uint64_t> field_number(std::string_view field) {
  if (!field.empty() && (static_cast<unsigned char>(field[0]) & 0x80U) != 0) {
    std::uint64_t value = static_cast<unsigned char>(field[0]) & 0x7fU;
    for (const char c : field.substr(1)) {
      if ((value >> 56) != 0) return std::nullopt;
      value = value << 8 | static_cast<unsigned char>(c);
    }
    return value;
  }
  std::uint64_t value = 0;
  const std::size_t begin = std::min(field.find_first_not_of(' '), field.size());
  for (const char c : field.substr(begin)) {
    if (c < '0' || c > '7') break;
    value = value << 3 | static_cast<std::uint64_t>(c - '0');
  }
  return value;
}

// "-1.5" is one and a half seconds before 1970: -2 s and 500 000 000 ns, as stat(2) has it.
std::optional<timespec> parse_time(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  std::int64_t seconds = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (failure != std::errc() || seconds < 0) return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  long nanoseconds = 0;
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    for (std::size_t digit = 0; digit < 9; ++digit) {
      const char c = digit < text.size() ? text[digit] : '0';
      if (c < '0' || c > '9') return std::nullopt;
      nanoseconds = nanoseconds * 10 + (c - '0');
    }
    if (text.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
  } else if (!text.empty()) {
    return std::nullopt;
  }
  if (!negative) return timespec{seconds, nanoseconds};
  if (nanoseconds == 0) return timespec{-seconds, 0};
  return timespec{-seconds - 1, 1'000'000'000 - nanoseconds};
}

std::optional<std::uint32_t> parse_id(std::string_view text) {
  return number_of<std::uint32_t>(text);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// libarchive's own spelling of xattrs: the name with %XX escapes …
std::string url_decoded(std::string_view text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      plain += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

// GNU tar escapes what would end a key ('=') and its escape sign, and nothing else; so do we read it.
std::string gnu_unescaped(std::string_view key) {
  std::string plain;
  for (std::size_t i = 0; i < key.size(); ++i) {
    const std::string_view escape = key.substr(i, 3);
    const bool escaped = escape == "%3D" || escape == "%25";
    plain += escape == "%3D" ? '=' : key[i];
    if (escaped) i += 2;
  }
  return plain;
}

void set_xattr(PaxRecords& records, std::string name, std::string value) {
  const auto same = std::ranges::find(records.xattrs, name, &Xattr::name);
  if (same != records.xattrs.end()) {
    same->value = std::move(value);
  } else {
    records.xattrs.push_back({std::move(name), std::move(value)});
  }
}

void set_acl(PaxRecords& records, std::string_view text, AclKind kind) {
  const char* name = kind == AclKind::access ? "system.posix_acl_access" : "system.posix_acl_default";
  std::erase_if(records.xattrs, [&](const Xattr& xattr) { return xattr.name == name; });
  auto value = text.empty() ? Result<std::optional<std::string>>(std::nullopt) : acl_from_text(text, kind);
  if (!value) {
    records.acl_trouble = value.error().message();
  } else if (*value) {
    records.xattrs.push_back({name, **std::move(value)});
  }
}

// One record; false when its value cannot be what its key says. An empty value takes back an earlier one.
bool apply(std::string_view key, std::string_view value, PaxRecords& into, bool& sparse_name) {
  constexpr std::string_view kSchily = "SCHILY.xattr.", kLibarchive = "LIBARCHIVE.xattr.";
  if (key == "GNU.sparse.name") {  // the real one; "path" then is a made-up name for other readers
    into.path = std::string(value);
    sparse_name = true;
  } else if (key == "path") {
    if (!sparse_name) into.path = value.empty() ? std::nullopt : std::optional<std::string>(value);
  } else if (key == "linkpath") {
    into.linkpath = value.empty() ? std::nullopt : std::optional<std::string>(value);
  } else if (key == "mtime") {
    into.mtime = value.empty() ? std::nullopt : parse_time(value);
    return value.empty() || into.mtime.has_value();
  } else if (key == "uid" || key == "gid") {
    auto& id = key == "uid" ? into.uid : into.gid;
    id = value.empty() ? std::nullopt : parse_id(value);
    return value.empty() || id.has_value();
  } else if (key.starts_with(kSchily)) {
    set_xattr(into, gnu_unescaped(key.substr(kSchily.size())), std::string(value));
  } else if (key.starts_with(kLibarchive)) {
    auto plain = base64_decode(value);  // libarchive leaves the padding away
    if (!plain) return false;
    set_xattr(into, url_decoded(key.substr(kLibarchive.size())), *std::move(plain));
  } else if (key == "SUN.holesdata") {
    into.stores_holes = !value.empty();
  } else if (key == "SCHILY.acl.access") {
    set_acl(into, value, AclKind::access);
  } else if (key == "SCHILY.acl.default") {
    set_acl(into, value, AclKind::inherited);
  } else if (key == "RHT.security.selinux") {  // as star and GNU tar write it
    set_xattr(into, "security.selinux", std::string(value));
  }
  return true;
}

}  // namespace

Result<void> read_pax_records(std::string_view body, PaxRecords& into) {
  bool sparse_name = false;
  // Some writers pad the last record with NULs up to the declared size.
  while (!body.empty() && body[0] != '\0') {
    std::size_t length = 0;
    const auto [end, failure] = std::from_chars(body.data(), body.data() + body.size(), length);
    const auto digits = static_cast<std::size_t>(end - body.data());
    if (failure != std::errc() || digits >= body.size() || body[digits] != ' ' || length > body.size() ||
        length < digits + 3 || body[length - 1] != '\n')
      return fail(EBADMSG, "its pax header has a record of a wrong length");
    const std::string_view record = body.substr(digits + 1, length - digits - 2);
    body.remove_prefix(length);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos || equals == 0)
      return fail(EBADMSG, "its pax header has a record without '='");
    if (!apply(record.substr(0, equals), record.substr(equals + 1), into, sparse_name))
      return fail(EBADMSG, "its pax header has a wrong value for '{}'", record.substr(0, equals));
  }
  return {};
}

Result<EntryHeaders> read_entry_headers(std::span<const std::byte> headers, PaxRecords& global) {
  EntryHeaders entry;
  PaxRecords own;
  while (headers.size() >= kBlock) {
    const std::string_view block = as_text(headers.first(kBlock));
    entry.typeflag = block[156] == '\0' ? '0' : block[156];
    const bool is_global = entry.typeflag == 'g';
    const bool is_local = entry.typeflag == 'x' || entry.typeflag == 'X';
    const bool has_body = is_global || is_local || entry.typeflag == 'L' || entry.typeflag == 'K' ||
                          entry.typeflag == 'A';
    if (!has_body && entry.typeflag != 'V') break;  // the entry itself; volume labels ('V') come before it
    headers = headers.subspan(kBlock);
    if (!has_body) continue;
    const auto size = field_number(block.substr(124, 12));
    if (!size || *size > headers.size()) return fail(EBADMSG, "its extended header is cut off");
    const std::string_view body = as_text(headers.first(*size));
    if (is_global) {
      PaxRecords said = global;
      TRY(read_pax_records(body, said));
      global = PaxRecords{.mtime = said.mtime, .uid = said.uid, .gid = said.gid, .xattrs = std::move(said.xattrs)};
    } else if (is_local) {
      TRY(read_pax_records(body, own));
    }
    headers = headers.subspan(std::min<std::size_t>((*size + kBlock - 1) / kBlock * kBlock, headers.size()));
  }
  if (!own.mtime) own.mtime = global.mtime;
  if (!own.uid) own.uid = global.uid;
  if (!own.gid) own.gid = global.gid;
  for (const Xattr& xattr : global.xattrs)
    if (std::ranges::find(own.xattrs, xattr.name, &Xattr::name) == own.xattrs.end()) own.xattrs.push_back(xattr);
  entry.records = std::move(own);
  return entry;
}

}  // namespace acetate
