#include "builder/sandbox/exec_format.h"

#include <elf.h>

#include <array>
#include <cstring>
#include <span>

#include "base/sys/file.h"

namespace acetate::sandbox {

namespace {

// "#! /bin/sh -e\n" -> /bin/sh
std::string script_interpreter(std::string_view line) {
  line = line.substr(2, line.find('\n') - 2);
  const std::size_t first = line.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  line.remove_prefix(first);
  return std::string(line.substr(0, line.find_first_of(" \t")));
}

// Only of this machine's class; a foreign program is a matter for whoever emulates it.
Result<std::string> loader(FdRef file, std::string_view head) {
  Elf64_Ehdr header;
  if (head.size() < sizeof header || head[EI_CLASS] != ELFCLASS64) return std::string();
  std::memcpy(&header, head.data(), sizeof header);
  if (header.e_phentsize != sizeof(Elf64_Phdr)) return std::string();
  for (unsigned i = 0; i < header.e_phnum && i < 64; ++i) {
    Elf64_Phdr segment;
    const auto into = std::as_writable_bytes(std::span(&segment, 1));
    if (TRY(sys::pread_full(file, into, header.e_phoff + i * sizeof segment)) != sizeof segment) break;
    if (segment.p_type != PT_INTERP || segment.p_filesz == 0 || segment.p_filesz > 4096) continue;
    std::string path(segment.p_filesz, '\0');
    path.resize(TRY(sys::pread_full(file, std::as_writable_bytes(std::span(path)), segment.p_offset)));
    return std::string(path.c_str());  // up to its NUL
  }
  return std::string();
}

}  // namespace

Result<ExecFormat> read_exec_format(FdRef file) {
  std::array<char, 256> buffer;  // BINPRM_BUF_SIZE
  const std::size_t size = TRY(sys::pread_full(file, std::as_writable_bytes(std::span(buffer)), 0));
  const std::string_view head(buffer.data(), size);
  if (head.starts_with("#!")) return ExecFormat{true, script_interpreter(head)};
  if (!head.starts_with(std::string_view(ELFMAG, SELFMAG))) return ExecFormat{};
  auto interpreter = TRY(loader(file, head));
  return ExecFormat{true, std::move(interpreter)};
}

}  // namespace acetate::sandbox
