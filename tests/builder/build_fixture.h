// Whole builds with a runner that needs no container: "touch PATH TEXT", "dated PATH SECONDS", "copydir PATH" and "fail CODE" are its commands.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <ctime>
#include <nlohmann/json.hpp>
#include <sstream>
#include <type_traits>

#include "base/sys/file.h"
#include "builder/build.h"
#include "layers/image/image.h"
#include "layers/layer_spec.h"
#include "layers/stack.h"
#include "tests/support/temp_dir.h"

namespace acetate::build {

class FakeRunner : public Runner {
 public:
  explicit FakeRunner(std::string dir) : dir_(std::move(dir)) {}
  std::string kind() const override { return "fake"; }

  Result<RunOutcome> run(const RunStep& step, const std::vector<std::string>& lowers, const std::vector<ReadyMount>& with,
                         bool log_accesses, const OutputSink& output) override {
    mounts = with;
    ran.push_back(step.argv.back());
    layers_below.push_back(lowers.size());
    const std::string upper = fmt::format("{}/upper-{}", dir_, ran.size());
    TRY(sys::remove_tree({kWorkingDir, upper.c_str()}));
    TRY(sys::make_dirs(upper, 0755));
    std::istringstream words(step.argv.back());
    std::string command, path, text;
    words >> command >> path;
    std::getline(words >> std::ws, text);
    output("running " + command + "\n");
    RunOutcome outcome;
    if (command == "fail") outcome.exit.code = std::stoi(path);
    if (command == "touch") {
      const Fd file = TRY(sys::open(upper + "/" + path, O_WRONLY | O_CREAT, 0644));
      TRY(sys::write_full(file.ref(), std::string_view(text)));
    }
    // A module of Python and what it is compiled to.
    if (command == "compile") {
      const std::time_t now = std::time(nullptr);
      const timespec times[] = {{.tv_sec = now, .tv_nsec = 0}, {.tv_sec = now, .tv_nsec = 0}};
      const auto write = [&](const std::string& name, std::string_view bytes) -> Result<void> {
        const Fd file = TRY(sys::open(upper + "/" + name, O_WRONLY | O_CREAT, 0644));
        TRY(sys::write_full(file.ref(), bytes));
        return ::futimens(file.ref().fd, times) == 0 ? Result<void>() : Error(errno);
      };
      const auto noted = static_cast<std::uint32_t>(now);
      std::string header("\xa7\x0d\x0d\x0a\0\0\0\0", 8);
      for (int shift = 0; shift < 32; shift += 8) header += static_cast<char>(noted >> shift & 0xff);
      TRY(sys::make_dirs(upper + "/__pycache__", 0755));
      TRY(write(path + ".py", "x = 1\n"));
      TRY(write("__pycache__/" + path + ".cpython-311.pyc", header + std::string("\6\0\0\0", 4) + "code"));
    }
    // What a tar has in it that was made at TIME.
    if (command == "dated") {
      const Fd file = TRY(sys::open(upper + "/" + path, O_WRONLY | O_CREAT, 0644));
      const timespec times[] = {{.tv_sec = std::stol(text)}, {.tv_sec = std::stol(text)}};
      if (::futimens(file.ref().fd, times) != 0) return Error(errno);
    }
    // cp -a of a directory below, whose time a step that is recorded does not see.
    if (command == "copydir") {
      TRY(sys::make_dirs(upper + "/" + path, 0755));
      const timespec times[] = {kObservedDirTime, kObservedDirTime};
      if (log_accesses && ::utimensat(AT_FDCWD, (upper + "/" + path).c_str(), times, 0) != 0) return Error(errno);
    }
    outcome.upper = TRY(sys::open(upper, O_RDONLY | O_DIRECTORY));
    if (log_accesses) outcome.accessed = looks_at;
    return outcome;
  }

  std::vector<std::string> ran;
  std::vector<std::size_t> layers_below;
  std::vector<ReadyMount> mounts;  // of the latest run
  AccessedPaths looks_at;          // what every command says that it does

 private:
  std::string dir_;
};

class BuildTest : public testing::Test {
 protected:
  BuildTest() { dir_.mkdir("context"); }

  void dockerfile(std::string_view text) { dir_.write("context/Dockerfile", text); }

  BuildOptions options() const {
    return {.context_dir = dir_ / "context",
            .outputs = {{.dest = dir_ / "out"}},
            .build_dir = dir_ / "build",
            .images = {.dir = dir_ / "images"},
            .index_dir = dir_ / "index",
            .scratch_base = dir_ / "scratch"};
  }

  // The image's id, or the error.
  std::string build(const BuildOptions& options) {
    std::ostringstream log;
    Progress progress(log, Progress::Mode::plain);
    runner_.ran.clear();
    const auto image = acetate::build::build(options, runner_, progress);
    log_ = log.str();
    if (!image) return "error: " + image.error().message();
    return *image ? (*image)->config.str() : "no image";
  }
  std::string build() { return build(options()); }

  nlohmann::json config() {
    const auto image = image::open_image("oci:" + (dir_ / "out"), image::host_platform());
    if (!image) {
      ADD_FAILURE() << image.error().message();
      return {};
    }
    return nlohmann::json::parse(image->config.raw);
  }

  // The image's tree.
  LayerPtr tree() {
    const auto image = image::open_image("oci:" + (dir_ / "out"), image::host_platform());
    if (!image) {
      ADD_FAILURE() << image.error().message();
      return *make_stack({});
    }
    std::vector<LayerPtr> top_to_bottom;
    for (auto layer = image->layers.rbegin(); layer != image->layers.rend(); ++layer)
      top_to_bottom.push_back(open_layer(layer->spec, dir_ / "index")->layer);
    return *make_stack(std::move(top_to_bottom));
  }
  // Of a file there: when it was changed, in seconds, and what it holds.
  std::int64_t time_of(std::string_view path) { return at(*tree(), path, [](const Layer&, const Entry& entry) { return std::int64_t{entry.attr.mtime.tv_sec}; }); }
  std::string content_of(std::string_view path) {
    return at(*tree(), path, [](const Layer& layer, const Entry& entry) {
      std::string content(entry.attr.size, '\0');
      const auto file = layer.open(entry.node);
      const auto got = file ? (*file)->pread(std::as_writable_bytes(std::span(content)), 0) : Result<std::size_t>(file.error().clone());
      EXPECT_TRUE(got && *got == content.size());
      return content;
    });
  }

  test::TempDir dir_;
  FakeRunner runner_{dir_ / "runs"};
  std::string log_;

 private:
  template <typename Ask>
  static std::invoke_result_t<Ask, const Layer&, const Entry&> at(const Layer& tree, std::string_view path, const Ask& ask) {
    const auto found = walk(tree, *RelPath::parse(path));
    if (!found) {
      ADD_FAILURE() << path << ": " << found.error().message();
      return {};
    }
    const HeldNode held(tree, found->node);
    return ask(tree, *found);
  }

 protected:
  using Words = std::vector<std::string>;
};

inline constexpr std::string_view kThreeStages = R"(
FROM scratch AS one
COPY a.txt /a
RUN touch made 1
FROM scratch AS two
COPY b.txt /b
RUN touch made 2
FROM scratch
WORKDIR /w
COPY --from=one /made one
COPY --from=two /made two
ENV K=V
)";

}  // namespace acetate::build
