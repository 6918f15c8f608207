#include "base/rel_path.h"

#include <algorithm>
#include <cerrno>

namespace acetate {

namespace {

enum class DotDot { refuse, clamp };

Result<std::string> clean(std::string_view text, DotDot policy) {
  if (text.find('\0') != std::string_view::npos) return Error(EINVAL);
  std::string path;
  path.reserve(text.size());
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t slash = std::min(text.find('/', at), text.size());
    const std::string_view part = text.substr(at, slash - at);
    at = slash + 1;
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (policy == DotDot::refuse) return Error(EINVAL);
      const std::size_t last = path.rfind('/');
      path.resize(last == std::string::npos ? 0 : last);
      continue;
    }
    if (!path.empty()) path += '/';
    path += part;
  }
  return path;
}

}  // namespace

bool RelPath::is_name(std::string_view text) noexcept {
  return !text.empty() && text != "." && text != ".." && text.find('/') == std::string_view::npos &&
         text.find('\0') == std::string_view::npos;
}

Result<RelPath> RelPath::parse(std::string_view text) { return RelPath(TRY(clean(text, DotDot::refuse))); }

Result<RelPath> RelPath::parse_clamped(std::string_view text) {
  return RelPath(TRY(clean(text, DotDot::clamp)));
}

RelPath RelPath::child(std::string_view name) const {
  assert(is_name(name));
  std::string path;
  path.reserve(path_.size() + 1 + name.size());
  path = path_;
  if (!path.empty()) path += '/';
  path += name;
  return RelPath(std::move(path));
}

RelPath RelPath::parent() const {
  const std::size_t slash = path_.rfind('/');
  return slash == std::string::npos ? RelPath() : RelPath(path_.substr(0, slash));
}

std::string_view RelPath::name() const {
  const std::size_t slash = path_.rfind('/');
  return slash == std::string::npos ? std::string_view(path_) : std::string_view(path_).substr(slash + 1);
}

bool RelPath::contains(const RelPath& other) const {
  if (is_root()) return true;
  return other.path_.starts_with(path_) &&
         (other.path_.size() == path_.size() || other.path_[path_.size()] == '/');
}

std::vector<std::string_view> RelPath::components() const {
  std::vector<std::string_view> parts;
  const std::string_view text = path_;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t slash = std::min(text.find('/', at), text.size());
    parts.push_back(text.substr(at, slash - at));
    at = slash + 1;
  }
  return parts;
}

}  // namespace acetate
