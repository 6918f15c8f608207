// The directories of layer indexes that others made: $ACETATE_SHARED_INDEXES, separated by colons, never written.
#pragma once

#include <string>

#include "base/digest.h"
#include "base/result.h"
#include "layers/tar/index_store.h"

namespace acetate {

// Our own directory, and the shared ones behind it.
IndexStore indexes_in(const std::string& index_dir);

// For who is about to enter a user namespace, where the owner of a shared index cannot be known: a copy of it is kept in our own
// directory (IndexStore::adopt).
Result<void> adopt_shared_index(const Digest& blob, const std::string& index_dir);

}  // namespace acetate
