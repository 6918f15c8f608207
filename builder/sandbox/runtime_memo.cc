#include "builder/sandbox/runtime_memo.h"

#include <cstdlib>

#include "base/log.h"
#include "base/sys/file.h"
#include "builder/sandbox/id_maps.h"

namespace acetate::sandbox {

namespace {

// The conditions, their length before them, then lines: the program, and words for what is not plain.
constexpr std::size_t kMost = 1 << 20;

std::string beginning_of(const std::string& conditions) { return fmt::format("{}\n{}", conditions.size(), conditions); }

std::string describe_program(const char* name) {
  const auto path = sys::find_program(name);
  if (!path) return fmt::format("no {}", name);
  const auto st = sys::stat_following(*path);
  if (!st) return fmt::format("no {}", name);
  return fmt::format("{} {} {} {}.{}", *path, st->st_ino, st->st_size, st->st_mtim.tv_sec, st->st_mtim.tv_nsec);
}

}  // namespace

Result<std::string> describe_conditions() {
  const char* wanted = ::getenv("ACETATE_RUNTIME");
  std::string text = fmt::format("{}\n{}\n{}\n{}", wanted != nullptr ? wanted : "", describe_program("runc"),
                                 describe_program("crun"),
                                 TRY_WITHIN(sys::read_file("/proc/sys/kernel/random/boot_id", 64), "reading the boot id"));
  for (const char* file : {"/proc/self/uid_map", "/proc/self/gid_map", "/proc/self/status", "/proc/self/mountinfo"}) {
    const std::string content = TRY_WITHIN(sys::read_file(file, 64 << 20), "reading {}", file);
    // Of status the filter and the capabilities, of mountinfo what lies over /proc and /sys.
    for (std::size_t at = 0; at < content.size();) {
      const std::size_t end = std::min(content.find('\n', at), content.size());
      const std::string_view line = std::string_view(content).substr(at, end - at);
      at = end + 1;
      const std::string_view name = file;
      const bool counts = name.ends_with("_map") || line.starts_with("Cap") || line.starts_with("Seccomp:") ||
                          line.find(" /proc/") != std::string_view::npos || line.find(" /sys/fs/cgroup ") != std::string_view::npos;
      if (!counts) continue;
      // Of a mount where and of what it is: its numbers are new each time.
      const std::size_t place = name.ends_with("mountinfo") ? line.find(" /") : 0;
      text += fmt::format("{}\n", line.substr(std::min(place, line.size())));
    }
  }
  return text;
}

std::optional<Runtime> recall_runtime(const std::string& file, const std::string& conditions) {
  const auto text = sys::read_file(file, kMost);
  if (!text) return std::nullopt;
  const std::string beginning = beginning_of(conditions);
  if (!text->starts_with(beginning)) return std::nullopt;
  std::string_view rest = std::string_view(*text).substr(beginning.size());
  Runtime runtime;
  bool nested = false;
  for (bool first = true; !rest.empty(); first = false) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (first) runtime.program = word;
    if (word == "native") runtime.native = true;
    if (word == "bound-proc") runtime.bound_proc = true;
    if (word == "nested") nested = true;
    if (word == "owners") runtime.records_owners = true;
    if (word == "our-hostname") runtime.sets_hostname = false;
  }
  if (runtime.program.empty()) return std::nullopt;
  if (nested) {
    const auto uids = sys::current_uid_map(), gids = sys::current_gid_map();
    if (!uids || !gids) return std::nullopt;
    runtime.child_uids = onto_themselves(*uids);
    runtime.child_gids = onto_themselves(*gids);
  }
  return runtime;
}

void remember_runtime(const std::string& file, const std::string& conditions, const Runtime& runtime) {
  std::string text = beginning_of(conditions) + runtime.program + "\n";
  if (runtime.native) text += "native\n";
  if (runtime.bound_proc) text += "bound-proc\n";
  if (!runtime.child_uids.empty()) text += "nested\n";
  if (runtime.records_owners) text += "owners\n";
  if (!runtime.sets_hostname) text += "our-hostname\n";
  if (auto kept = sys::write_file_atomically({kWorkingDir, file.c_str()}, text, 0600); !kept)
    log::info("remembering the runtime in {}: {}", file, kept.error().message());
}

}  // namespace acetate::sandbox
