// The least a FUSE file system can cost: one that knows nothing and answers at once, and a walk that asks of every file what podman's
// diff asks. What is above it is a daemon's own; what is in it no daemon can save.
//
//   acetate-floor mount DIRECTORY FILES   a thousand empty files a directory; in the foreground, until it is unmounted
//   acetate-floor ask DIRECTORY...        each in a thread of its own: lstat, security.capability and the names of all attributes of
//                                         every entry; prints entries and seconds
#define FUSE_USE_VERSION 312
#include <dirent.h>
#include <fuse_lowlevel.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {

constexpr std::uint64_t kPerDirectory = 1000;
constexpr fuse_ino_t kFirstDirectory = 2, kFirstFile = 1000000;
constexpr double kForever = 86400;
std::uint64_t file_count = 0;

std::uint64_t directory_count() { return (file_count + kPerDirectory - 1) / kPerDirectory; }
bool is_directory(fuse_ino_t ino) { return ino < kFirstFile; }

struct stat attributes(fuse_ino_t ino) {
  struct stat st {};
  st.st_ino = ino;
  st.st_mode = is_directory(ino) ? S_IFDIR | 0755 : S_IFREG | 0644;
  st.st_nlink = is_directory(ino) ? 2 : 1;
  return st;
}

fuse_entry_param entry_of(fuse_ino_t ino) {
  fuse_entry_param entry{};
  entry.ino = ino;
  entry.attr = attributes(ino);
  entry.attr_timeout = entry.entry_timeout = kForever;
  return entry;
}

// The nth entry of a directory, or 0 behind its last.
fuse_ino_t child(fuse_ino_t dir, std::uint64_t n) {
  if (dir == FUSE_ROOT_ID) return n < directory_count() ? kFirstDirectory + n : 0;
  const std::uint64_t file = (dir - kFirstDirectory) * kPerDirectory + n;
  return n < kPerDirectory && file < file_count ? kFirstFile + file : 0;
}

void init(void*, fuse_conn_info* connection) {
  connection->want |= connection->capable & (FUSE_CAP_READDIRPLUS | FUSE_CAP_PARALLEL_DIROPS);
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_READDIRPLUS_AUTO);
}
void lookup(fuse_req_t request, fuse_ino_t dir, const char* name) {
  const fuse_ino_t ino = name[0] == 'e' ? child(dir, std::strtoull(name + 1, nullptr, 10)) : 0;
  if (ino == 0) return void(fuse_reply_err(request, ENOENT));
  const fuse_entry_param entry = entry_of(ino);
  fuse_reply_entry(request, &entry);
}
void getattr(fuse_req_t request, fuse_ino_t ino, fuse_file_info*) {
  const struct stat st = attributes(ino);
  fuse_reply_attr(request, &st, kForever);
}
void readdirplus(fuse_req_t request, fuse_ino_t dir, std::size_t size, off_t offset, fuse_file_info*) {
  std::vector<char> reply(size);
  std::size_t used = 0;
  for (auto n = static_cast<std::uint64_t>(offset); const fuse_ino_t ino = child(dir, n); ++n) {
    const std::string name = "e" + std::to_string(n);
    const fuse_entry_param entry = entry_of(ino);
    const std::size_t needed = fuse_add_direntry_plus(request, reply.data() + used, size - used, name.c_str(), &entry, static_cast<off_t>(n + 1));
    if (needed > size - used) break;
    used += needed;
  }
  fuse_reply_buf(request, reply.data(), used);
}
void forget(fuse_req_t request, fuse_ino_t, std::uint64_t) { fuse_reply_none(request); }
void getxattr(fuse_req_t request, fuse_ino_t, const char*, std::size_t) { fuse_reply_err(request, ENODATA); }
void listxattr(fuse_req_t request, fuse_ino_t, std::size_t size) {
  if (size == 0) fuse_reply_xattr(request, 0);
  else fuse_reply_buf(request, nullptr, 0);
}

int serve(const char* program, const char* directory) {
  fuse_lowlevel_ops table{};
  table.init = init;
  table.lookup = lookup;
  table.forget = forget;
  table.getattr = getattr;
  table.readdirplus = readdirplus;
  table.getxattr = getxattr;
  table.listxattr = listxattr;
  std::vector<std::string> words{program, "-o", "fsname=acetate-floor,allow_other"};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(argv.size()), argv.data());
  fuse_session* session = fuse_session_new(&arguments, &table, sizeof table, nullptr);
  fuse_opt_free_args(&arguments);
  if (session == nullptr || fuse_session_mount(session, directory) != 0) return 1;
  std::puts("mounted");
  std::fflush(stdout);
  fuse_loop_config* config = fuse_loop_cfg_create();
  const int ended = fuse_session_loop_mt(session, config);
  fuse_loop_cfg_destroy(config);
  fuse_session_unmount(session);
  fuse_session_destroy(session);
  return ended == 0 ? 0 : 1;
}

std::atomic<std::uint64_t> asked{0}, failed{0};

void ask(const std::string& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) != 0) return void(++failed);
  char value[64];
  if (::lgetxattr(path.c_str(), "security.capability", value, sizeof value) < 0 && errno != ENODATA && errno != EOPNOTSUPP) ++failed;
  char names[256];
  if (::llistxattr(path.c_str(), names, sizeof names) < 0 && errno != EOPNOTSUPP && errno != ERANGE) ++failed;
  ++asked;
  if (!S_ISDIR(st.st_mode)) return;
  DIR* stream = ::opendir(path.c_str());
  if (stream == nullptr) return void(++failed);
  while (const dirent* entry = ::readdir(stream))
    if (const std::string_view name = entry->d_name; name != "." && name != "..") ask(path + "/" + entry->d_name);
  ::closedir(stream);
}

int walk(const std::vector<std::string>& directories) {
  const auto began = std::chrono::steady_clock::now();
  std::vector<std::thread> threads;
  for (const std::string& directory : directories) threads.emplace_back(ask, directory);
  for (std::thread& thread : threads) thread.join();
  std::printf("%llu %.3f\n", static_cast<unsigned long long>(asked.load()), std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count());
  if (failed > 0) std::fprintf(stderr, "acetate-floor: %llu questions had no answer\n", static_cast<unsigned long long>(failed.load()));
  return failed > 0 ? 1 : 0;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words.size() == 3 && words[0] == "mount") {
    file_count = std::strtoull(words[2].c_str(), nullptr, 10);
    return serve(argv[0], words[1].c_str());
  }
  if (words.size() > 1 && words[0] == "ask") return walk({words.begin() + 1, words.end()});
  std::fputs("usage: acetate-floor mount DIRECTORY FILES | acetate-floor ask DIRECTORY...\n", stderr);
  return 2;
}
