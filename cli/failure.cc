#include "cli/failure.h"

#include <algorithm>
#include <ostream>
#include <string>

#include "cli/paths.h"

namespace acetate::cli {

namespace {

// A place, or what it would be made in, as the thing that the message is about.
bool is_about(const std::string& message, std::string place) {
  if (message.find(place) != std::string::npos) return true;
  for (; place.size() > 1; place.resize(std::max<std::size_t>(place.rfind('/'), 1)))
    if (message.find("creating directory " + place + ":") != std::string::npos) return true;
  return false;
}

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
  if (!is_about(error.message(), paths->data) && !is_about(error.message(), paths->cache)) return;
  if (const auto why = why_nothing_is_kept(*paths)) streams.err << fmt::format("acetate: {}\n", *why);
}

}  // namespace acetate::cli
