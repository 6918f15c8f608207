#include "cli/failure.h"

#include <ostream>

#include "cli/paths.h"

namespace acetate::cli {

namespace {

// What one gets where a home is missing, read-only or not one's own.
bool is_about_places(const Error& error) {
  return error.is(EACCES) || error.is(EPERM) || error.is(EROFS) || error.is(ENOENT) || error.is(ENOTDIR);
}

}  // namespace

void tell_failure(const Streams& streams, const Error& error) {
  streams.err << fmt::format("acetate: {}\n", error.message());
  if (!is_about_places(error)) return;
  const auto paths = find_paths();
  if (!paths) return;
  if (const auto why = why_nothing_is_kept(*paths)) streams.err << fmt::format("acetate: {}\n", *why);
}

}  // namespace acetate::cli
