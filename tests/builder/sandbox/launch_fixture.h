// Real containers, of a busybox in a plain directory, each by an OCI runtime and by our own launcher; needs busybox, runc
// and user namespaces.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "base/log.h"
#include "base/sys/copy.h"
#include "base/sys/dir.h"
#include "base/sys/file.h"
#include "base/sys/process.h"
#include "builder/sandbox/holder.h"
#include "builder/sandbox/signals.h"
#include "builder/sandbox/spec.h"
#include "tests/support/temp_dir.h"

namespace acetate::sandbox {

struct Ran {
  int code = -1;
  std::string out;  // the container's, and on 125 our own words
};

// The parameter is the runtime, as ACETATE_RUNTIME names it.
class Launch : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    const char* busybox = "/bin/busybox";
    if (::access(busybox, X_OK) != 0) GTEST_SKIP() << "no " << busybox << " (apt install busybox-static)";
    ::setenv("ACETATE_RUNTIME", GetParam(), 1);
    auto plan = plan_holder();
    if (!plan) GTEST_SKIP() << plan.error().message();
    plan_ = *std::move(plan);
    const auto works = run_in_holder(plan_, [] {
      auto runtime = find_runtime();
      if (!runtime) fmt::print(stderr, "{}\n", runtime.error().message());
      return runtime ? 0 : 77;
    });
    ASSERT_TRUE(works) << works.error().message();
    if (*works == 77) GTEST_SKIP() << GetParam() << " does not work here";

    dir_.write("root/bin/busybox", dir_read(busybox), 0755);
    for (const char* name : {"sh", "cat", "ls", "id", "env", "sleep", "chown", "mknod", "hostname", "ip", "wc", "test"})
      ASSERT_TRUE(sys::symlink("busybox", {kWorkingDir, (dir_ / fmt::format("root/bin/{}", name)).c_str()}));
    dir_.write("root/etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home:/bin/sh\n");
    dir_.mkdir("run");
  }

  // A program of ours that is linked statically, beside this one.
  static std::string prober() {
    const std::string self = *sys::readlink(FileAt{kWorkingDir, "/proc/self/exe"});
    return self.substr(0, self.rfind('/')) + "/prober";
  }

  static std::vector<std::string> names_in(const std::string& path) {
    std::vector<std::string> names;
    const Fd dir = *sys::open(path, O_RDONLY | O_DIRECTORY);
    EXPECT_TRUE(sys::read_dir(dir.ref(), [&](const sys::DirEntry& entry) {
      names.emplace_back(entry.name);
      return true;
    }));
    return names;
  }

  static std::string dir_read(const std::string& path) { return *sys::read_file(path, 1 << 28); }

  Spec shell(const std::string& script) const {
    Spec spec{.rootfs = dir_ / "root", .argv = {"sh", "-c", script}, .env = {"PATH=/bin"}};
    spec.capabilities = run_capabilities();
    spec.ids = plan_.mode;
    return spec;
  }

  // Launches it in a holder. `stop`: a signal that is handed down to the holder's body once the container wrote something.
  Ran run(const Spec& spec, int stop = 0) {
    auto out = sys::make_pipe();
    EXPECT_TRUE(out);
    Ran ran;
    auto ready = sys::make_pipe();
    const auto code = run_in_holder(plan_, [&] {
      out->read.reset();
      if (around_) around_();
      log::set_sink([&](log::Level, std::string_view text) { (void)sys::write_full(out->write.ref(), text); });
      if (stop != 0) {
        // A child of the body, which sends the signal once the container is up.
        if (::fork() == 0) {
          std::byte byte{};
          (void)sys::read(ready->read.ref(), std::span(&byte, 1));
          (void)hand_down(::getppid(), stop);
          ::_exit(0);
        }
      }
      const FdRef output = stop != 0 ? ready->write.ref() : out->write.ref();
      auto exit = launch(spec, dir_ / "run", {.in = {}, .out = output, .err = output});
      if (exit) return exit->shell_code();
      (void)sys::write_full(out->write.ref(), exit.error().message());
      return 125;
    });
    EXPECT_TRUE(code) << code.error().message();
    if (code) ran.code = *code;
    out->write.reset();
    ran.out = *sys::read_all(out->read.ref(), 1 << 20);
    return ran;
  }

  test::TempDir dir_;
  HolderPlan plan_;
  std::function<void()> around_;  // done in the holder first: what a container around it is like
};

inline std::string runtime_name(const ::testing::TestParamInfo<const char*>& info) { return info.param; }

}  // namespace acetate::sandbox
