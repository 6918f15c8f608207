// Blobs of a store that nothing names yet, and somebody is about to: they stay for a while.
//
// STORE/.acetate-expected/HEX is an empty file for each, and its modification time says until when. So whoever has put a blob in, or been told
// that it is here, need not keep garbage collection away (store_lock.h) until the manifest comes.
#pragma once

#include <chrono>
#include <set>
#include <span>
#include <string>

#include "base/digest.h"
#include "base/result.h"

namespace acetate::image {

inline constexpr std::chrono::minutes kLongestExpected{15};

// Until then, or later where somebody said so; kLongestExpected from now at most. To be called by who has the store open, and for a blob that is there.
Result<void> expect_blob(const std::string& dir, const Digest& blob, std::chrono::minutes patience);
// They are named now.
Result<void> expect_no_longer(const std::string& dir, std::span<const Digest> blobs);
// Those that are expected now. `sweep`: the others are removed from the list, by who is alone in the store.
Result<std::set<Digest>> expected_blobs(const std::string& dir, bool sweep);

}  // namespace acetate::image
