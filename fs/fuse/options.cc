#include "fs/fuse/options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <initializer_list>
#include <string_view>

#include "base/number.h"
#include "fs/lowerdir.h"

namespace acetate::fs {

namespace {

struct KeyValue {
  std::string_view key;
  std::optional<std::string_view> value;
};

KeyValue split(std::string_view option) {
  const std::size_t equals = option.find('=');
  if (equals == std::string_view::npos) return {option, std::nullopt};
  return {option.substr(0, equals), option.substr(equals + 1)};
}

template <std::size_t N>
bool contains(const std::array<std::string_view, N>& words, std::string_view word) {
  for (const auto& one : words)
    if (one == word) return true;
  return false;
}

// Handed on to libfuse, which knows them and tells the kernel or fusermount3.
constexpr std::array<std::string_view, 11> kMountOptions = {
    "allow_root", "allow_other", "default_permissions", "suid", "nosuid", "dev",
    "nodev",      "exec",        "noexec",              "noatime", "ro"};

// Accepted without effect and without a word, as there: what they ask for is so already, or means nothing here. The
// access time family is in it because newer fusermount3 refuses those words, and no atime is ever updated by a mount of
// ours. Everything else that nobody knows is told, word for word as there: callers have lists of lines to pass over.
constexpr std::array<std::string_view, 8> kSilent = {"atime",        "diratime",    "nodiratime",   "splice_read",
                                                     "splice_write", "splice_move", "kernel_cache", "max_write"};

// Thirty years; whole seconds of more do not fit into what the kernel makes of them.
constexpr double kForever = 1e9;

class Parser {
 public:
  Parser(std::string name, bool privileged) : privileged_(privileged) { out_.name = std::move(name); }

  Result<void> option(std::string_view text) {
    const auto [key, value] = split(text);
    if (key == "lowerdir" && value) {
      out_.lowers = TRY(split_lowers(*value));
      return {};
    }
    if (key == "upperdir" && value) return void(out_.upper = unescape_path(*value)), Result<void>();
    if (key == "workdir" && value) return void(out_.work = unescape_path(*value)), Result<void>();
    if (key == "timeout" && value) return seconds(key, *value, out_.timeout);
    if (key == "volatile") {
      TRY(switched(key, value, out_.leaves_mark));
      out_.durable = !out_.leaves_mark;
      return {};
    }
    if ((key == "fsync" || key == "sync") && value) return flag(key, *value, out_.durable);
    if (key == "writeback") return switched(key, value, out_.writeback);
    if (key == "noxattrs") {
      bool without = true;
      if (value && *value == "auto") return void(out_.xattrs_if_any = true), Result<void>();
      if (value) TRY(flag(key, *value, without));
      out_.xattrs = out_.always_asks_xattrs = !without;
      return {};
    }
    if (key == "noacl") {
      bool without = true;
      TRY(switched(key, value, without));
      out_.acl = !without;
      return {};
    }
    if (key == "fsname" && value) return void(out_.fsname = unescape_path(*value)), Result<void>();
    if (key == "debug") return switched(key, value, out_.debug);
    if (key == "threaded") {
      bool ignored = true;  // checked all the same: a typing error is told
      return switched(key, value, ignored);
    }
    if (key == "squash_to_root") return switched(key, value, squash_to_root_);
    if (key == "note_owners" && !value) return void(out_.note_owners = true), Result<void>();
    if (key == "squash_to_uid" && value) return id(key, *value, out_.owners.squash_uid);
    if (key == "squash_to_gid" && value) return id(key, *value, out_.owners.squash_gid);
    if (key == "uidmapping" && value) return void(out_.owners.uids = TRY(IdMap::parse(*value))), Result<void>();
    if (key == "gidmapping" && value) return void(out_.owners.gids = TRY(IdMap::parse(*value))), Result<void>();
    if (key == "xattr_permissions" && value) return xattr_permissions(*value);
    if (key == "redirect_dir" && value) return redirect_dir(*value);
    if (key == "index" && value) {
      TRY(one_of(key, *value, {"off", "on"}));
      out_.index = *value == "on";
      return {};
    }
    if (key == "passthrough" && value) {
      TRY(one_of(key, *value, {"auto", "off"}));
      out_.passthrough = *value != "off";
      return {};
    }
    if (key == "no_open" && !value) return void(out_.no_open = true), Result<void>();
    if (key == "ino32_t") return switched(key, value, out_.narrow_inos);
    if (key == "access_log" && value) return void(out_.access_log = unescape_path(*value)), Result<void>();
    if (key == "static_nlink") return switched(key, value, out_.static_nlink);
    if (key == "xino" && value) return one_of(key, *value, {"off", "auto", "on"});
    if (key == "fast_ino" && value) {
      bool ignored = true;
      return flag(key, *value, ignored);
    }
    if (key == "plugins" && value && !value->empty())
      return fail(ENOTSUP, "plugins={}: there are no plugins here; a tarball is a lower layer by itself, and //tar/… names "
                           "one inside another file", *value);
    if ((key == "context" && value) || key == "plugins" || (!value && contains(kSilent, key))) return {};
    if (!value && contains(kMountOptions, key)) {
      if (key == "ro") out_.read_only = true;
      out_.mount_options.emplace_back(key);
      return {};
    }
    out_.ignored.emplace_back(text);
    return {};
  }

  Result<Options> finish() {
    if (out_.help || out_.version) return std::move(out_);
    if (out_.debug) out_.foreground = true;
    if (out_.lowers.empty()) return fail(EINVAL, "lowerdir not specified: -o lowerdir=DIR-OR-TARBALL[:…]");
    if (out_.upper && !out_.work) return fail(EINVAL, "workdir not specified: a writable mount needs one beside its upperdir");
    if (!out_.upper) out_.work.reset();
    if (out_.mountpoint.empty()) return fail(EINVAL, "no mountpoint given");
    if (out_.fsname.empty()) out_.fsname = out_.name;
    if (squash_to_root_) {  // the particular ones go before
      if (!out_.owners.squash_uid) out_.owners.squash_uid = 0;
      if (!out_.owners.squash_gid) out_.owners.squash_gid = 0;
    }
    // What fuse-overlayfs puts in front of everything the caller says.
    std::vector<std::string> defaults = {"default_permissions", "noatime"};
    if (privileged_) defaults.insert(defaults.end(), {"allow_other", "suid"});
    for (const std::string& given : out_.mount_options) {
      std::erase(defaults, given);
      if (given == "nosuid") std::erase(defaults, std::string("suid"));
      if (given == "allow_root") std::erase(defaults, std::string("allow_other"));
    }
    out_.mount_options.insert(out_.mount_options.begin(), defaults.begin(), defaults.end());
    return std::move(out_);
  }

  Options& out() { return out_; }

 private:
  // Where owner, mode and type are kept; which of the two "user." names is used, the upper's root decides.
  Result<void> xattr_permissions(std::string_view value) {
    TRY(one_of("xattr_permissions", value, {"0", "1", "2"}));
    out_.permissions = value == "1"   ? OverrideMode::privileged
                       : value == "2" ? OverrideMode::containers
                                      : OverrideMode::none;
    return {};
  }

  // The kernel's words for it. There "off" follows what only root can have written, unless the kernel was built otherwise.
  Result<void> redirect_dir(std::string_view value) {
    TRY(one_of("redirect_dir", value, {"off", "nofollow", "follow", "on"}));
    out_.redirect_dir = value == "on";
    out_.follow = value == "nofollow" ? FollowMarks::none : value == "off" ? FollowMarks::privileged : FollowMarks::all;
    return {};
  }

  static Result<void> one_of(std::string_view key, std::string_view value,
                             std::initializer_list<std::string_view> words) {
    if (std::find(words.begin(), words.end(), value) != words.end()) return {};
    return fail(EINVAL, "{}={}: {} was expected", key, value, fmt::join(words, " or "));
  }

  static Result<void> flag(std::string_view key, std::string_view value, bool& into) {
    if (value != "0" && value != "1") return fail(EINVAL, "{}={}: 0 or 1 was expected", key, value);
    into = value == "1";
    return {};
  }

  // A word that may stand for itself.
  static Result<void> switched(std::string_view key, const std::optional<std::string_view>& value, bool& into) {
    if (value) return flag(key, *value, into);
    into = true;
    return {};
  }

  // -1 is fuse-overlayfs's "not".
  static Result<void> id(std::string_view key, std::string_view value, std::optional<uid_t>& into) {
    into.reset();
    if (value == "-1") return {};
    into = number_of<uid_t>(value);
    if (!into) return fail(EINVAL, "{}={}: a number was expected", key, value);
    return {};
  }

  static Result<void> seconds(std::string_view key, std::string_view value, double& into) {
    const auto parsed = std::from_chars(value.data(), value.data() + value.size(), into);
    const bool is_number = parsed.ptr == value.data() + value.size() && (parsed.ec == std::errc() || parsed.ec == std::errc::result_out_of_range);
    if (!is_number || value.starts_with('-') || std::isnan(into)) return fail(EINVAL, "{}={}: a number of seconds was expected", key, value);
    // from_chars leaves what is too large, or too small, as it was: neither can be told from for ever, or from never.
    if (parsed.ec == std::errc::result_out_of_range) into = value.find("e-") != std::string_view::npos || value.find("E-") != std::string_view::npos ? 0 : kForever;
    into = std::min(into, kForever);
    return {};
  }

  bool privileged_;
  bool squash_to_root_ = false;
  Options out_;
};

}  // namespace

Result<Options> parse_options(std::span<const std::string> argv, bool privileged) {
  std::string name = argv.empty() ? "fuse-overlay" : argv[0];
  name = name.substr(name.rfind('/') == std::string::npos ? 0 : name.rfind('/') + 1);
  Parser parser(name, privileged);
  bool only_paths = false;
  for (std::size_t i = 1; i < argv.size(); ++i) {
    const std::string& word = argv[i];
    if (only_paths || word.empty() || word[0] != '-' || word == "-") {
      // The last one wins: mount.fuse3 passes the source first.
      parser.out().mountpoint = word;
    } else if (word == "--") {
      only_paths = true;
    } else if (word.starts_with("-o")) {
      std::string_view options = std::string_view(word).substr(2);
      if (options.empty()) {
        if (i + 1 == argv.size()) return fail(EINVAL, "-o needs options");
        options = argv[++i];
      }
      for (const std::string& option : split_options(options)) TRY(parser.option(option));
    } else if (word == "-f") {
      parser.out().foreground = true;
    } else if (word == "-d" || word == "--debug") {
      parser.out().debug = true;
    } else if (word == "-h" || word == "--help") {
      parser.out().help = true;
    } else if (word == "-v" || word == "--verbose") {
      parser.out().verbose = true;
    } else if (word == "-V" || word == "--version") {
      parser.out().version = true;
    } else {
      parser.out().ignored.push_back(word);
    }
  }
  return parser.finish();
}

std::string usage(const std::string& name) {
  return fmt::format(
      "usage: {} [-f] [-d] [-o OPTION[,OPTION…]] MOUNTPOINT\n"
      "\n"
      "Shows lower layers (directories or tarballs) and one writable upper directory as one tree.\n"
      "\n"
      "    -f                     stay in the foreground\n"
      "    -d, --debug            print every request; implies -f\n"
      "    -v, --verbose          say how the layers were opened, and what else is worth knowing\n"
      "    -V, --version          print versions\n"
      "    -h, --help             print this\n"
      "    -o lowerdir=A[:B…]     lower layers, the first on top\n"
      "    -o upperdir=DIR        where changes go; without it the mount is read-only\n"
      "    -o workdir=DIR         needed with upperdir, on the same file system\n"
      "    -o volatile            sync nothing (also fsync=0)\n"
      "    -o timeout=SECONDS     how long the kernel may keep names and attributes (1e9)\n"
      "    -o writeback=0|1       let the kernel gather small writes (0)\n"
      "    -o uidmapping=DISK:SHOWN:COUNT[:…], gidmapping=…\n"
      "                           whom users see for owners on disk, and the other way round\n"
      "    -o squash_to_root, squash_to_uid=UID, squash_to_gid=GID\n"
      "                           everything seems to belong to them\n"
      "    -o note_owners         with these: note owners that cannot be given\n"
      "    -o xattr_permissions=1|2\n"
      "                           keep owner, mode and type in an attribute\n"
      "    -o redirect_dir=on|follow|nofollow\n"
      "                           let directories of lower layers be renamed; whose redirects are followed\n"
      "    -o index=on            keep the names of a hard link of a lower layer one file when it is written to\n"
      "    -o passthrough=off     let the kernel read and write no file of the upper by itself\n"
      "    -o no_open             let the kernel open files by itself on writable mounts too\n"
      "    -o ino32_t             inode numbers of 32 bits\n"
      "    -o access_log=FILE     at the end, write what of the lower layers was looked at\n"
      "    -o noxattrs            no extended attributes\n"
      "    -o noacl               no POSIX ACLs\n"
      "    -o ro, allow_other, allow_root, default_permissions, suid, dev, exec, fsname=NAME\n"
      "                           as in mount.fuse3(8)\n"
      "\n"
      "See fuse-overlay(1).\n",
      name);
}

}  // namespace acetate::fs
