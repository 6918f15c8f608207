#include "fs/fuse/metrics.h"

#include <unistd.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <cmath>

#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "layers/stream/span_cache.h"

namespace acetate::fs {

namespace {

constexpr std::array<std::string_view, kOperations> kNames = {
    "lookup", "forget", "getattr", "setattr", "readlink", "mknod", "mkdir", "symlink", "link", "unlink", "rmdir",
    "rename", "statfs", "open", "create", "tmpfile", "read", "write", "release", "fsync", "fallocate", "lseek",
    "copy_file_range", "opendir", "readdir", "readdirplus", "releasedir", "fsyncdir", "getxattr", "listxattr", "setxattr",
    "removexattr", "ioctl"};

// Seconds below which everything in a bucket is.
double bound_of(std::size_t bucket) { return std::ldexp(1e-6, static_cast<int>(bucket)); }

double seconds(std::chrono::nanoseconds time) { return std::chrono::duration<double>(time).count(); }

// What is shown beside the operations, in one place for all formats.
struct Number {
  std::string_view name;
  std::string_view help;
  bool counter;  // only ever grows
  std::string value;
};
std::string text_of(std::uint64_t count) { return fmt::format("{}", count); }
std::string text_of(std::chrono::nanoseconds time) { return fmt::format("{:.9f}", seconds(time)); }

std::array<Number, 23> numbers(const DaemonState& state) {
  const OverlayStats& overlay = state.overlay;
  return {{{"inodes", "Inodes that the kernel or an open file knows.", false, text_of(overlay.inodes)},
           {"handles", "Open files and directories.", false, text_of(overlay.handles)},
           {"cached_descriptors", "Descriptors kept open between two uses.", false, text_of(overlay.cached_descriptors)},
           {"open_descriptors", "Descriptors of the process.", false, text_of(state.open_descriptors)},
           {"resident_bytes", "Memory of the process.", false, text_of(state.resident_bytes)},
           {"layers", "Lower layers.", false, text_of(state.layers)},
           {"copy_ups", "Objects copied up.", true, text_of(overlay.copy_ups)},
           {"copied_bytes", "Bytes of data copied up.", true, text_of(overlay.copied_bytes)},
           {"passed_files", "Files of the upper that the kernel was given to read and write without asking, each time it was opened anew.", true, text_of(state.passed_files)},
           {"given_bytes", "Bytes of files that the kernel was given when they were opened, before it asked for them.", true, text_of(state.given_bytes)},
           {"known_lookups", "Lookups answered with an inode known before.", true, text_of(overlay.known_lookups)},
           {"asked_lookups", "Lookups that had to ask the layers.", true, text_of(overlay.asked_lookups)},
           {"decoded_bytes", "Bytes of compressed layers decoded.", true, text_of(state.decoded.plain_bytes)},
           {"prefetched_spans", "Pieces of compressed layers decoded because earlier mounts read them.", true, text_of(state.decoded.prefetched)},
           {"prefetched_spans_used", "Those of them that were then read.", true, text_of(state.decoded.prefetch_used)},
           {"fetch_waits", "Reads and opens that waited for bytes of layers that are still being fetched.", true, text_of(state.decoded.waits)},
           {"fetch_wait_seconds", "How long they waited, together.", true, text_of(state.decoded.waited)},
           {"needed_bytes", "Compressed bytes of such layers that readers came to, each once.", true, text_of(state.decoded.needed_bytes)},
           {"fetched_bytes", "Compressed bytes of such layers that came since they were mounted, whoever wanted them.", true, text_of(state.decoded.fetched_bytes)},
           {"lent_bytes", "Compressed bytes of such layers that were read from the fetcher's memory, for want of room on the disk.", true, text_of(state.decoded.lent_bytes)},
           {"span_hits", "Decoded spans that were found in memory.", true, text_of(state.span_hits)},
           {"span_misses", "Decoded spans that had to be decoded, or read from the disk's cache of them.", true, text_of(state.span_misses)},
           {"span_bytes", "Decoded spans in memory.", false, text_of(state.span_bytes)}}};
}

std::uint64_t open_descriptors() {
  auto dir = sys::open("/proc/self/fd", O_RDONLY | O_DIRECTORY);
  if (!dir) return 0;
  std::uint64_t count = 0;
  const auto listed = sys::read_dir(dir->ref(), [&](const sys::DirEntry& entry) {
    count += entry.name != "." && entry.name != ".." ? 1 : 0;
    return true;
  });
  return listed && count > 0 ? count - 1 : 0;  // without the one it was counted with
}

std::uint64_t resident_bytes() {
  const auto text = sys::read_file("/proc/self/statm", 4096);  // pages: all, then resident
  if (!text) return 0;
  const std::size_t space = text->find(' ');
  std::uint64_t pages = 0;
  if (space == std::string::npos) return 0;
  std::from_chars(text->data() + space + 1, text->data() + text->size(), pages);
  return pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

template <class Each>
void each_used(const Metrics& metrics, Each&& each) {
  for (std::size_t i = 0; i < kOperations; ++i) {
    const Latency latency = metrics.of(static_cast<Operation>(i));
    if (latency.count() != 0) each(kNames[i], latency);
  }
}

}  // namespace

std::string_view name_of(Operation operation) noexcept { return kNames[static_cast<std::size_t>(operation)]; }

std::uint64_t Latency::count() const noexcept {
  std::uint64_t all = 0;
  for (const std::uint64_t one : buckets) all += one;
  return all;
}

std::size_t Latency::bucket_of(std::chrono::nanoseconds took) noexcept {
  const auto micros = static_cast<std::uint64_t>(std::max<std::int64_t>(took.count(), 0)) / 1000;
  return std::min<std::size_t>(std::bit_width(micros), kBuckets - 1);
}

void Metrics::record(Operation operation, std::chrono::nanoseconds took) noexcept {
  Counts& counts = counts_[static_cast<std::size_t>(operation)];
  counts.buckets[Latency::bucket_of(took)].fetch_add(1, std::memory_order_relaxed);
  counts.nanoseconds.fetch_add(static_cast<std::uint64_t>(took.count()), std::memory_order_relaxed);
}

Latency Metrics::of(Operation operation) const noexcept {
  const Counts& counts = counts_[static_cast<std::size_t>(operation)];
  Latency latency;
  for (std::size_t i = 0; i < Latency::kBuckets; ++i) latency.buckets[i] = counts.buckets[i].load(std::memory_order_relaxed);
  latency.sum = std::chrono::nanoseconds(counts.nanoseconds.load(std::memory_order_relaxed));
  return latency;
}

DaemonState daemon_state(const Overlay& overlay, std::uint64_t layers, std::uint64_t passed_files, std::uint64_t given_bytes, const DecodeCount& decoded) {
  return {.overlay = overlay.stats(),
          .open_descriptors = open_descriptors(),
          .resident_bytes = resident_bytes(),
          .layers = layers,
          .passed_files = passed_files,
          .given_bytes = given_bytes,
          .decoded = decoded,
          .span_hits = SpanCache::process().hits(),
          .span_misses = SpanCache::process().misses(),
          .span_bytes = SpanCache::process().bytes()};
}

std::string metrics_as_json(const Metrics& metrics, const DaemonState& state) {
  std::string text = "{";
  for (const Number& number : numbers(state)) text += fmt::format("\"{}\": {}, ", number.name, number.value);
  text += "\"operations\": {";
  const char* comma = "";
  each_used(metrics, [&](std::string_view name, const Latency& latency) {
    text += fmt::format("{}\n  \"{}\": {{\"count\": {}, \"seconds\": {:.9f}, \"buckets\": [", comma, name, latency.count(),
                        seconds(latency.sum));
    comma = ",";
    const char* between = "";
    for (std::size_t i = 0; i < Latency::kBuckets; ++i) {
      if (latency.buckets[i] == 0) continue;
      text += fmt::format("{}[{}, {}]", between, bound_of(i), latency.buckets[i]);
      between = ", ";
    }
    text += "]}";
  });
  return text + "}}\n";
}

std::string metrics_as_prometheus(const Metrics& metrics, const DaemonState& state) {
  std::string text;
  for (const Number& number : numbers(state)) {
    const std::string name = fmt::format("fuse_overlay_{}{}", number.name, number.counter ? "_total" : "");
    text += fmt::format("# HELP {0} {1}\n# TYPE {0} {2}\n{0} {3}\n", name, number.help, number.counter ? "counter" : "gauge",
                        number.value);
  }
  text += "# HELP fuse_overlay_operation_seconds How long operations took.\n# TYPE fuse_overlay_operation_seconds histogram\n";
  each_used(metrics, [&](std::string_view name, const Latency& latency) {
    std::uint64_t below = 0;
    for (std::size_t i = 0; i + 1 < Latency::kBuckets; ++i) {
      below += latency.buckets[i];
      text += fmt::format("fuse_overlay_operation_seconds_bucket{{operation=\"{}\",le=\"{}\"}} {}\n", name, bound_of(i), below);
    }
    text += fmt::format(
        "fuse_overlay_operation_seconds_bucket{{operation=\"{0}\",le=\"+Inf\"}} {1}\n"
        "fuse_overlay_operation_seconds_sum{{operation=\"{0}\"}} {2:.9f}\n"
        "fuse_overlay_operation_seconds_count{{operation=\"{0}\"}} {1}\n",
        name, latency.count(), seconds(latency.sum));
  });
  return text;
}

std::string metrics_as_summary(const Metrics& metrics, const DaemonState& state) {
  // A node there is a name of an inode here; names are not kept apart from what they name.
  std::string text = fmt::format("# INODES: {0}\n# NODES: {0}\n", state.overlay.inodes);
  for (const Number& number : numbers(state))
    if (number.name != "inodes") text += fmt::format("{:<20} {}\n", number.name, number.value);
  each_used(metrics, [&](std::string_view name, const Latency& latency) {
    const auto count = latency.count();
    text += fmt::format("{:<20} {:>10}  {:>10.1f} us each\n", name, count, seconds(latency.sum) * 1e6 / static_cast<double>(count));
  });
  return text;
}

}  // namespace acetate::fs
