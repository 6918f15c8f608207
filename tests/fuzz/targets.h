// One parser of foreign bytes each, in the shape that libFuzzer calls: it must not crash, hang or read outside, and
// returns 0. What else must hold (two readings agree) is asserted inside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "layers/tar/index_store.h"

namespace acetate::fuzz {

int tar_scan(std::span<const std::byte> bytes);
int layer_index(std::span<const std::byte> bytes);
Result<LayerIndexPtr> any_index(std::span<const std::byte> bytes);  // what layer_index() looks into, if it is one at all
int gzip(std::span<const std::byte> bytes);
int zstd(std::span<const std::byte> bytes);
int xz_and_bzip2(std::span<const std::byte> bytes);
int registry_texts(std::span<const std::byte> bytes);
int toc(std::span<const std::byte> json);
int read_trace(std::span<const std::byte> bytes);
int dockerfile(std::span<const std::byte> bytes);
int words(std::span<const std::byte> bytes);
int ignore_rules(std::span<const std::byte> bytes);

struct Target {
  const char* name;  // also of its corpus
  int (*run)(std::span<const std::byte> bytes);
};
inline constexpr Target kTargets[] = {
    {"tar_scan", tar_scan}, {"layer_index", layer_index}, {"gzip", gzip}, {"zstd", zstd}, {"xz_and_bzip2", xz_and_bzip2},
    {"registry_texts", registry_texts},
    {"toc", toc}, {"read_trace", read_trace}, {"dockerfile", dockerfile}, {"words", words}, {"ignore_rules", ignore_rules},
};

}  // namespace acetate::fuzz
