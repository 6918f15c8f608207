// The client's side of bench/versus: one kind of work on a directory, done as fast as a program can ask for it, and timed
// inside, so that neither the start of a process nor an interpreter's pace is in the figure.
//
// usage: acetate-workload NAME ARGUMENT...     prints lines "what seconds operations"
//
// It stands in for people's programs and so makes bare system calls, as they do. Nothing of acetate is linked.
#include <dirent.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace {

using Arguments = std::vector<std::string>;

// A workload that fails measures nothing.
[[noreturn]] void give_up(const std::string& what) {
  std::fprintf(stderr, "acetate-workload: %s: %s\n", what.c_str(), std::strerror(errno));
  std::exit(1);
}
int need(int value, const std::string& what) {
  if (value < 0) give_up(what);
  return value;
}

void timed(const char* what, const std::function<long()>& work) {
  const auto begin = std::chrono::steady_clock::now();
  const long operations = work();
  const std::chrono::duration<double> spent = std::chrono::steady_clock::now() - begin;
  std::printf("%s %.9f %ld\n", what, spent.count(), operations);
  std::fflush(stdout);
}

// Every entry below `path`, directories before what is in them, on one file system.
void walk_tree(const std::string& path, const std::function<void(const std::string&, const struct stat&)>& each) {
  DIR* dir = ::opendir(path.c_str());
  if (dir == nullptr) give_up(path);
  std::vector<std::string> below;
  while (const dirent* entry = ::readdir(dir)) {
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat st;
    std::string whole = path + "/" + entry->d_name;
    need(::fstatat(::dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW), whole);
    each(whole, st);
    if (S_ISDIR(st.st_mode)) below.push_back(std::move(whole));
  }
  ::closedir(dir);
  for (const std::string& one : below) walk_tree(one, each);
}

// The paths in a file, one a line, below a root.
std::vector<std::string> paths_in(const std::string& root, const std::string& list) {
  std::FILE* file = std::fopen(list.c_str(), "r");
  if (file == nullptr) give_up(list);
  std::vector<std::string> paths;
  char line[4096];
  while (std::fgets(line, sizeof line, file) != nullptr) {
    line[std::strcspn(line, "\n")] = '\0';
    paths.push_back(root + "/" + line);
  }
  std::fclose(file);
  return paths;
}

long number(const Arguments& arguments, std::size_t index) { return std::atol(arguments.at(index).c_str()); }

// The same work on `threads` threads; each gets its number.
void together(long threads, const std::function<void(long)>& work) {
  std::vector<std::thread> all;
  for (long i = 1; i < threads; ++i) all.emplace_back(work, i);
  work(0);
  for (std::thread& one : all) one.join();
}

void walk(const Arguments& arguments) {
  timed("walk", [&] {
    long entries = 0;
    walk_tree(arguments.at(0), [&](const std::string&, const struct stat&) { ++entries; });
    return entries;
  });
}

void list(const Arguments& arguments) {
  timed("list", [&] {
    DIR* dir = ::opendir(arguments.at(0).c_str());
    if (dir == nullptr) give_up(arguments.at(0));
    long entries = 0;
    while (::readdir(dir) != nullptr) ++entries;
    ::closedir(dir);
    return entries;
  });
}

// ROOT LIST: each looked at.
void present(const Arguments& arguments) {
  const std::vector<std::string> paths = paths_in(arguments.at(0), arguments.at(1));
  timed("stat", [&] {
    struct stat st;
    for (const std::string& path : paths) need(::lstat(path.c_str(), &st), path);
    return static_cast<long>(paths.size());
  });
}

// DIR N: N names that are not there, then one of them N times.
void absent(const Arguments& arguments) {
  const long count = number(arguments, 1);
  struct stat st;
  const auto miss = [&](long i) {
    const std::string path = arguments.at(0) + "/not-there-" + std::to_string(i);
    if (::lstat(path.c_str(), &st) == 0) give_up(path + " is there");
  };
  timed("absent", [&] {
    for (long i = 0; i < count; ++i) miss(i);
    return count;
  });
  timed("absent-again", [&] {
    for (long i = 0; i < count; ++i) miss(0);
    return count;
  });
}

// ROOT LIST: open, read, close.
void read_files(const Arguments& arguments) {
  const std::vector<std::string> files = paths_in(arguments.at(0), arguments.at(1));
  std::vector<char> buffer(64 << 10);
  for (const char* what : {"read", "read-again"})
    timed(what, [&] {
      for (const std::string& path : files) {
        const int fd = need(::open(path.c_str(), O_RDONLY), path);
        while (need(static_cast<int>(::read(fd, buffer.data(), buffer.size())), path) > 0) continue;
        ::close(fd);
      }
      return static_cast<long>(files.size());
    });
}

// DIR N THREADS: create with 4 KiB, stat, unlink, by each thread in a directory of its own.
void create(const Arguments& arguments) {
  const long threads = number(arguments, 2), count = number(arguments, 1) / threads;
  const std::vector<char> block(4096, 'x');
  const auto directory = [&](long thread) { return arguments.at(0) + "/t" + std::to_string(thread); };
  const auto name = [&](long thread, long i) { return directory(thread) + "/file" + std::to_string(i); };
  for (long i = 0; i < threads; ++i) need(::mkdir(directory(i).c_str(), 0755), directory(i));
  const auto all = [&](const std::function<void(const std::string&)>& one) {
    together(threads, [&](long thread) {
      for (long i = 0; i < count; ++i) one(name(thread, i));
    });
    return count * threads;
  };
  timed("create", [&] {
    return all([&](const std::string& path) {
      const int fd = need(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0644), path);
      if (::write(fd, block.data(), block.size()) != static_cast<ssize_t>(block.size())) give_up(path);
      ::close(fd);
    });
  });
  timed("stat", [&] {
    return all([&](const std::string& path) {
      struct stat st;
      need(::lstat(path.c_str(), &st), path);
    });
  });
  timed("unlink", [&] { return all([&](const std::string& path) { need(::unlink(path.c_str()), path); }); });
  for (long i = 0; i < threads; ++i) need(::rmdir(directory(i).c_str()), directory(i));
}

// DIR N: directories made, each with a file, and renamed.
void rename_directories(const Arguments& arguments) {
  const long count = number(arguments, 1);
  const auto name = [&](const char* kind, long i) { return arguments.at(0) + "/" + kind + std::to_string(i); };
  for (long i = 0; i < count; ++i) {
    need(::mkdir(name("d", i).c_str(), 0755), name("d", i));
    ::close(need(::creat((name("d", i) + "/f").c_str(), 0644), name("d", i)));
  }
  timed("rename", [&] {
    for (long i = 0; i < count; ++i) need(::rename(name("d", i).c_str(), name("e", i).c_str()), name("d", i));
    return count;
  });
}

// write|chmod|unlink ROOT LIST: the first change of files.
void change(const Arguments& arguments) {
  const std::string& how = arguments.at(0);
  const std::vector<std::string> files = paths_in(arguments.at(1), arguments.at(2));
  timed(how.c_str(), [&] {
    for (const std::string& path : files) {
      if (how == "write") {
        const int fd = need(::open(path.c_str(), O_WRONLY | O_APPEND), path);
        if (::write(fd, "x", 1) != 1) give_up(path);
        ::close(fd);
      } else {
        need(how == "chmod" ? ::chmod(path.c_str(), 0600) : ::unlink(path.c_str()), path);
      }
    }
    return static_cast<long>(files.size());
  });
}

// FILE MIB OPERATIONS: written, read again, read and overwritten at random, mapped.
void data(const Arguments& arguments) {
  const std::string& path = arguments.at(0);
  const off_t mib = number(arguments, 1), size = mib << 20;
  const long operations = number(arguments, 2);
  std::vector<char> block(1 << 20, 'x');
  const int fd = need(::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC, 0644), path);
  timed("write", [&] {
    for (off_t i = 0; i < mib; ++i)
      if (::pwrite(fd, block.data(), block.size(), i << 20) != static_cast<ssize_t>(block.size())) give_up(path);
    return static_cast<long>(mib);
  });
  for (const char* what : {"read", "read-again"})
    timed(what, [&] {
      for (off_t i = 0; i < mib; ++i)
        if (::pread(fd, block.data(), block.size(), i << 20) != static_cast<ssize_t>(block.size())) give_up(path);
      return static_cast<long>(mib);
    });
  std::mt19937_64 random(1);
  const auto anywhere = [&] { return static_cast<off_t>(random() % static_cast<std::uint64_t>(size / 4096)) * 4096; };
  timed("read-4k-random", [&] {
    for (long i = 0; i < operations; ++i)
      if (::pread(fd, block.data(), 4096, anywhere()) != 4096) give_up(path);
    return operations;
  });
  timed("write-4k-random", [&] {
    for (long i = 0; i < operations; ++i)
      if (::pwrite(fd, block.data(), 4096, anywhere()) != 4096) give_up(path);
    return operations;
  });
  timed("mapped", [&] {
    const auto* bytes = static_cast<const char*>(::mmap(nullptr, static_cast<std::size_t>(size), PROT_READ, MAP_PRIVATE, fd, 0));
    if (bytes == MAP_FAILED) give_up(path);
    long sum = 0;
    for (off_t i = 0; i < size; i += 4096) sum += bytes[i];
    ::munmap(const_cast<char*>(bytes), static_cast<std::size_t>(size));
    return sum / 'x';
  });
  ::close(fd);
  need(::unlink(path.c_str()), path);
}

// ROOT N PROGRAM: started N times inside ROOT.
void execute(const Arguments& arguments) {
  need(::chroot(arguments.at(0).c_str()), arguments.at(0));
  need(::chdir("/"), "/");
  const long count = number(arguments, 1);
  std::string program = arguments.at(2);
  timed("exec", [&] {
    for (long i = 0; i < count; ++i) {
      pid_t pid = 0;
      char* const words[] = {program.data(), nullptr};
      if ((errno = ::posix_spawn(&pid, program.c_str(), nullptr, nullptr, words, environ)) != 0) give_up(program);
      int status = 0;
      ::waitpid(pid, &status, 0);
      if (status != 0) give_up(program + " failed");
    }
    return count;
  });
}

// DIR N: N empty files, for listing.
void fill(const Arguments& arguments) {
  for (long i = 0; i < number(arguments, 1); ++i) {
    const std::string path = arguments.at(0) + "/entry" + std::to_string(i);
    ::close(need(::open(path.c_str(), O_WRONLY | O_CREAT, 0644), path));
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::map<std::string, void (*)(const Arguments&)> workloads{
      {"walk", walk},     {"list", list},     {"present", present}, {"absent", absent}, {"read-files", read_files},
      {"create", create}, {"rename-directories", rename_directories}, {"change", change}, {"data", data},
      {"exec", execute},  {"fill", fill}};
  const auto found = argc > 1 ? workloads.find(argv[1]) : workloads.end();
  if (found == workloads.end()) {
    std::fprintf(stderr, "usage: acetate-workload NAME ARGUMENT...\nnames:");
    for (const auto& [name, work] : workloads) std::fprintf(stderr, " %s", name.c_str());
    std::fprintf(stderr, "\n");
    return 2;
  }
  try {
    found->second(Arguments(argv + 2, argv + argc));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "acetate-workload: %s: too few arguments, or no memory (%s)\n", argv[1], error.what());
    return 2;
  }
  return 0;
}
