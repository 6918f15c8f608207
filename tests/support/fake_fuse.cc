#include "tests/support/fake_fuse.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>

namespace acetate::test {

namespace {

constexpr std::size_t kMostBytes = 1 << 20;

// struct fuse_dirent without its name.
struct DirentHead {
  std::uint64_t ino, off;
  std::uint32_t namelen, type;
};

[[noreturn]] void give_up(const char* what) {
  std::fprintf(stderr, "fake kernel: %s: %s\n", what, std::strerror(errno));
  std::abort();
}

}  // namespace

void FuseReply::need(std::size_t size) const {
  if (body.size() >= size) return;
  std::fprintf(stderr, "fake kernel: a reply of %zu bytes (error %d) where %zu were needed\n", body.size(), error, size);
  std::abort();
}

std::vector<FuseDirent> parse_dirents(const FuseReply& reply, bool plus) {
  std::vector<FuseDirent> all;
  const std::size_t head = plus ? sizeof(fuse_entry_out) : 0;
  for (std::size_t at = 0; at < reply.body.size();) {
    FuseDirent one{};
    if (plus) one.entry = reply.as<fuse_entry_out>(at);
    const auto dirent = reply.as<DirentHead>(at + head);
    one.ino = dirent.ino;
    one.off = dirent.off;
    one.type = dirent.type;
    one.name = reply.body.substr(at + head + sizeof dirent, dirent.namelen);
    at += (head + sizeof dirent + dirent.namelen + 7) / 8 * 8;
    all.push_back(std::move(one));
  }
  return all;
}

FakeFuse::FakeFuse() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) give_up("socketpair");
  kernel_ = Fd(Adopt{}, ends[0]);
  daemon_ = Fd(Adopt{}, ends[1]);
}

void FakeFuse::send_raw(std::string_view bytes) {
  if (::send(kernel_.ref().fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
    give_up("send");
}

std::uint64_t FakeFuse::send(std::uint32_t opcode, std::uint64_t node, std::string_view body) {
  fuse_in_header header{};
  header.len = static_cast<std::uint32_t>(sizeof header + body.size());
  header.opcode = opcode;
  header.unique = next_;
  header.nodeid = node;
  header.uid = uid;
  header.gid = gid;
  header.pid = static_cast<std::uint32_t>(pid);
  next_ += 2;  // odd numbers are interrupts
  send_raw(bytes_of(header) + std::string(body));
  return header.unique;
}

FuseReply FakeFuse::wait(std::uint64_t request) {
  std::string buffer(kMostBytes + sizeof(fuse_out_header), '\0');
  for (;;) {
    if (const auto found = early_.find(request); found != early_.end()) {
      FuseReply reply = std::move(found->second);
      early_.erase(found);
      return reply;
    }
    const ssize_t count = ::recv(kernel_.ref().fd, buffer.data(), buffer.size(), 0);
    if (count < 0 && errno == EINTR) continue;
    if (count < static_cast<ssize_t>(sizeof(fuse_out_header))) give_up("no reply will come");
    fuse_out_header header{};
    std::memcpy(&header, buffer.data(), sizeof header);
    if (header.len != static_cast<std::uint32_t>(count)) give_up("a reply's length is not what its header says");
    std::string body = buffer.substr(sizeof header, static_cast<std::size_t>(count) - sizeof header);
    if (header.unique == 0)
      notifications_.push_back({.error = header.error, .body = std::move(body)});
    else
      early_[header.unique] = {.error = -header.error, .body = std::move(body)};
  }
}

fuse_init_out FakeFuse::init(std::uint32_t flags, std::uint32_t more) {
  fuse_init_in in{};
  in.major = FUSE_KERNEL_VERSION;
  in.minor = FUSE_KERNEL_MINOR_VERSION;
  in.max_readahead = 128 << 10;
  in.flags = flags & ~static_cast<std::uint32_t>(FUSE_INIT_EXT);
  if (more != 0) in.flags |= FUSE_INIT_EXT;
  in.flags2 = more;
  return ask(FUSE_INIT, 0, bytes_of(in)).as<fuse_init_out>();
}

FuseReply FakeFuse::lookup(std::uint64_t parent, std::string_view name) {
  return ask(FUSE_LOOKUP, parent, name_bytes(name));
}

FuseReply FakeFuse::open(std::uint64_t node, std::uint32_t flags, std::uint32_t opcode) {
  fuse_open_in in{};
  in.flags = flags;
  return ask(opcode, node, bytes_of(in));
}

FuseReply FakeFuse::read(std::uint64_t node, std::uint64_t handle, std::uint64_t offset, std::uint32_t size,
                         std::uint32_t opcode) {
  fuse_read_in in{};
  in.fh = handle;
  in.offset = offset;
  in.size = size;
  return ask(opcode, node, bytes_of(in));
}

void FakeFuse::forget(std::uint64_t node, std::uint64_t count) {
  send(FUSE_FORGET, node, bytes_of(fuse_forget_in{count}));
}

void FakeFuse::stop_listening() {
  if (::shutdown(kernel_.ref().fd, SHUT_RD) != 0) give_up("shutdown");
}

}  // namespace acetate::test
