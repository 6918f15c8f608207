// Whole builds with a runner that needs no container: "touch PATH TEXT", "dated PATH SECONDS", "copydir PATH" and "fail CODE" are its commands.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>
#include <sstream>

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

  // The modification time of a file of the image, in seconds.
  std::int64_t time_of(std::string_view path) {
    const auto image = image::open_image("oci:" + (dir_ / "out"), image::host_platform());
    if (!image) {
      ADD_FAILURE() << image.error().message();
      return -1;
    }
    std::vector<LayerPtr> top_to_bottom;
    for (auto layer = image->layers.rbegin(); layer != image->layers.rend(); ++layer)
      top_to_bottom.push_back(open_layer(layer->spec, dir_ / "index")->layer);
    const auto stack = make_stack(std::move(top_to_bottom));
    const auto found = walk(**stack, *RelPath::parse(path));
    if (!found) {
      ADD_FAILURE() << path << ": " << found.error().message();
      return -1;
    }
    const HeldNode held(**stack, found->node);
    return found->attr.mtime.tv_sec;
  }

  test::TempDir dir_;
  FakeRunner runner_{dir_ / "runs"};
  std::string log_;
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
