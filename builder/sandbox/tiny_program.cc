#include "builder/sandbox/tiny_program.h"

#include <elf.h>

#include <cstring>
#include <vector>

namespace acetate::sandbox {

namespace {

// exit_group(0), and the machine it is for.
#if defined(__x86_64__)
constexpr Elf64_Half kMachine = EM_X86_64;
constexpr unsigned char kCode[] = {0x31, 0xff, 0xb8, 0xe7, 0x00, 0x00, 0x00, 0x0f, 0x05};
#elif defined(__aarch64__)
constexpr Elf64_Half kMachine = EM_AARCH64;
constexpr unsigned char kCode[] = {0xc8, 0x0b, 0x80, 0xd2, 0x00, 0x00, 0x80, 0xd2, 0x01, 0x00, 0x00, 0xd4};
#elif defined(__riscv) && __riscv_xlen == 64
constexpr Elf64_Half kMachine = EM_RISCV;
constexpr unsigned char kCode[] = {0x93, 0x08, 0xe0, 0x05, 0x13, 0x05, 0x00, 0x00, 0x73, 0x00, 0x00, 0x00};
#else
constexpr Elf64_Half kMachine = EM_NONE;
constexpr unsigned char kCode[] = {0};
#endif

}  // namespace

Result<std::string> tiny_program() {
  if (kMachine == EM_NONE) return Error(ENOTSUP);
  constexpr Elf64_Addr kBase = 0x400000;
  constexpr std::size_t kHeaders = sizeof(Elf64_Ehdr) + sizeof(Elf64_Phdr);
  constexpr std::size_t kSize = kHeaders + sizeof kCode;
  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_ident[EI_VERSION] = EV_CURRENT;
  header.e_type = ET_EXEC;
  header.e_machine = kMachine;
  header.e_version = EV_CURRENT;
  header.e_entry = kBase + kHeaders;
  header.e_phoff = sizeof header;
  header.e_ehsize = sizeof header;
  header.e_phentsize = sizeof(Elf64_Phdr);
  header.e_phnum = 1;
  Elf64_Phdr segment{};
  segment.p_type = PT_LOAD;
  segment.p_flags = PF_R | PF_X;
  segment.p_vaddr = kBase;
  segment.p_paddr = kBase;
  segment.p_filesz = kSize;
  segment.p_memsz = kSize;
  segment.p_align = 0x1000;
  std::string bytes(kSize, '\0');
  std::memcpy(bytes.data(), &header, sizeof header);
  std::memcpy(bytes.data() + sizeof header, &segment, sizeof segment);
  std::memcpy(bytes.data() + kHeaders, kCode, sizeof kCode);
  return bytes;
}

}  // namespace acetate::sandbox
