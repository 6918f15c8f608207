// A build cache with layers that no step made.
#pragma once

#include <gtest/gtest.h>

#include "builder/cache.h"
#include "tests/support/temp_dir.h"

namespace acetate::build {

class CacheTest : public testing::Test {
 protected:
  Cache open() {
    auto cache = Cache::open(dir_ / "cache");
    EXPECT_TRUE(cache) << cache.error().message();
    return *std::move(cache);
  }
  // A layer file as LayerFile would leave it.
  CachedLayer layer(std::string_view bytes) {
    const Digest digest = Digest::of(bytes);
    dir_.write("cache/layers/" + digest.hex(), bytes);
    return {digest, bytes.size()};
  }
  // What a key is made from does not matter here.
  static Digest key(std::string_view name) { return Digest::of(name); }
  bool has_layer(const Record& record) const { return dir_.exists("cache/layers/" + record.layer->diff_id.hex()); }
  test::TempDir dir_;
};

}  // namespace acetate::build
