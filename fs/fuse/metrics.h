// Metrics: how often each operation was asked for and how long it took, counted as the mount is served; and all that a
// daemon knows about itself, as text for people and for machines.
#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "fs/overlay.h"
#include "layers/stream/seekable.h"

namespace acetate::fs {

enum class Operation : std::uint8_t {
  lookup, forget, getattr, setattr, readlink, mknod, mkdir, symlink, link, unlink, rmdir, rename, statfs,
  open, create, tmpfile, read, write, release, fsync, fallocate, lseek, copy_file_range,
  opendir, readdir, readdirplus, releasedir, fsyncdir, getxattr, listxattr, setxattr, removexattr, ioctl,
};
inline constexpr std::size_t kOperations = static_cast<std::size_t>(Operation::ioctl) + 1;
std::string_view name_of(Operation operation) noexcept;

// A latency histogram: bucket i counts what took less than 2^i microseconds, and was in no bucket before; the last one
// has no bound.
struct Latency {
  static constexpr std::size_t kBuckets = 24;
  std::array<std::uint64_t, kBuckets> buckets{};
  std::chrono::nanoseconds sum{};
  std::uint64_t count() const noexcept;
  static std::size_t bucket_of(std::chrono::nanoseconds took) noexcept;
};

// Thread-safe. Counters are read one by one: a snapshot is not of one instant.
class Metrics {
 public:
  void record(Operation operation, std::chrono::nanoseconds took) noexcept;
  Latency of(Operation operation) const noexcept;

 private:
  struct Counts {
    std::array<std::atomic<std::uint64_t>, Latency::kBuckets> buckets{};
    std::atomic<std::uint64_t> nanoseconds{0};
  };
  std::array<Counts, kOperations> counts_;
};

// What is shown beside the operations.
struct DaemonState {
  OverlayStats overlay;
  std::uint64_t open_descriptors = 0;  // of the whole process
  std::uint64_t resident_bytes = 0;
  std::uint64_t layers = 0;
  std::uint64_t passed_files = 0;      // Session::passed_files()
  std::uint64_t given_bytes = 0;       // Session::given_bytes()
  DecodeCount decoded;                 // of tarballs, since they were mounted
  std::uint64_t span_hits = 0;         // of the process's cache of decoded spans
  std::uint64_t span_misses = 0;
  std::uint64_t span_bytes = 0;
};
DaemonState daemon_state(const Overlay& overlay, std::uint64_t layers, std::uint64_t passed_files, std::uint64_t given_bytes, const DecodeCount& decoded);

// One object: "operations" by name, each with "count", "seconds" and "buckets" ([upper bound in seconds, count] of those
// that are not empty); the rest by its own name.
std::string metrics_as_json(const Metrics& metrics, const DaemonState& state);
// Prometheus' text format, version 0.0.4.
std::string metrics_as_prometheus(const Metrics& metrics, const DaemonState& state);
// A few lines for a terminal, the first two as fuse-overlayfs prints them at SIGUSR1.
std::string metrics_as_summary(const Metrics& metrics, const DaemonState& state);

}  // namespace acetate::fs
