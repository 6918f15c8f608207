#include "tests/support/temp_dir.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cstdio>
#include <cstdlib>

#include "base/sys/file.h"

namespace acetate::test {

namespace {

template <class T>
T must(Result<T> result, std::string_view what) {
  if (!result) {
    fmt::print(stderr, "{}: {}\n", what, result.error().message());
    std::abort();
  }
  if constexpr (!std::is_void_v<T>) return *std::move(result);
}

}  // namespace

TempDir::TempDir() {
  const char* base = ::getenv("TMPDIR");
  path_ = std::string(base != nullptr ? base : "/tmp") + "/acetate-test.XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) {
    std::perror(path_.c_str());
    std::abort();
  }
}

TempDir::~TempDir() { (void)sys::remove_tree(FileAt{kWorkingDir, path_.c_str()}); }

Fd TempDir::open() const { return must(sys::open(path_, O_PATH | O_DIRECTORY), path_); }

void TempDir::write(std::string_view name, std::string_view content, unsigned mode) const {
  const std::string full = *this / name;
  must(sys::make_dirs(full.substr(0, full.rfind('/')), 0755), full);
  const Fd file = must(sys::open(full, O_WRONLY | O_CREAT | O_TRUNC, mode), full);
  must(sys::write_full(file.ref(), content), full);
  must(sys::chmod(file.ref(), mode), full);
}

void TempDir::mkdir(std::string_view name, unsigned mode) const {
  const std::string full = *this / name;
  must(sys::make_dirs(full, 0755), full);
  const Fd dir = must(sys::open(full, O_RDONLY | O_DIRECTORY), full);
  must(sys::chmod(dir.ref(), mode), full);
}

std::string TempDir::read(std::string_view name) const { return must(sys::read_file(*this / name, 1 << 30), name); }

bool TempDir::exists(std::string_view name) const {
  const std::string full = *this / name;
  return sys::stat(FileAt{kWorkingDir, full.c_str()}).has_value();
}

}  // namespace acetate::test
