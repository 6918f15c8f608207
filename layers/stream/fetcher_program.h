// The program that fetches: where it is, and how it is started.
#pragma once

#include <string>

#include "base/result.h"

namespace acetate {

// $ACETATE_FETCHER; `acetate-fetcher` beside the running executable, in ../libexec/acetate, or in a build tree; PATH.
// ENOENT with words.
Result<std::string> find_fetcher();

// Starts it for the partial blobs of `dir` and returns when somebody answers there: it, or one that was there before.
// It goes on after us, until nobody has anything more to ask it. Errors with words.
Result<void> start_fetcher(const std::string& dir);

}  // namespace acetate
