// A directory that is there for one test.
#pragma once

#include <string>
#include <string_view>

#include "base/fd.h"

namespace acetate::test {

class TempDir {
 public:
  TempDir();   // below $TMPDIR or /tmp; ends the program when it cannot be made
  ~TempDir();  // removed with everything in it
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;

  const std::string& path() const { return path_; }
  std::string operator/(std::string_view name) const { return path_ + "/" + std::string(name); }
  Fd open() const;  // O_PATH
  // Writes a file, making its parents.
  void write(std::string_view name, std::string_view content, unsigned mode = 0644) const;
  void mkdir(std::string_view name, unsigned mode = 0755) const;
  std::string read(std::string_view name) const;
  bool exists(std::string_view name) const;  // lexists

 private:
  std::string path_;
};

}  // namespace acetate::test
