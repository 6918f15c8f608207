#include <fmt/format.h>

#include <ctime>
#include <map>
#include <nlohmann/json.hpp>
#include <ostream>

#include "base/base64.h"
#include "base/digest.h"
#include "builder/progress_view.h"

namespace acetate::build {

namespace {

using Json = nlohmann::ordered_json;

std::string now() {
  timespec time{};
  ::clock_gettime(CLOCK_REALTIME, &time);
  tm parts{};
  ::gmtime_r(&time.tv_sec, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:09}Z", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday, parts.tm_hour,
                     parts.tm_min, parts.tm_sec, time.tv_nsec);
}

// A step is what BuildKit calls a vertex, and goes by a digest there.
class JsonProgress : public ProgressView {
 public:
  explicit JsonProgress(std::ostream& out) : out_(out) {}

  void begin(int step, std::string_view title) override {
    vertexes_[step] = {{"digest", Digest::of(fmt::format("{} {}", step, title)).str()}, {"name", title}, {"started", now()}};
    say("vertexes", vertexes_[step]);
  }
  void line(int step, double, std::string_view text) override { log(step, 1, std::string(text) + "\n"); }
  void note(int step, std::string_view text) override { log(step, 2, std::string(text) + "\n"); }
  void end(int step, End how, double, std::string_view why) override {
    Json& vertex = vertexes_[step];
    vertex["completed"] = now();
    if (how == End::cached) vertex["cached"] = true;
    if (how == End::failed) vertex["error"] = why;
    say("vertexes", vertex);
  }
  void warn(const Warned& warned) override {
    Json warning{{"level", 1}, {"short", base64_encode(warned.text)}};
    if (!warned.detail.empty()) warning["detail"] = Json::array({base64_encode(warned.detail)});
    if (!warned.url.empty()) warning["url"] = warned.url;
    if (warned.place.first != 0) {
      warning["sourceInfo"] = {{"filename", warned.file}, {"data", base64_encode(warned.source)}, {"language", "Dockerfile"}};
      warning["range"] = Json::array({{{"start", {{"line", warned.place.first}}}, {"end", {{"line", warned.place.last}}}}});
    }
    say("warnings", warning);
  }

 private:
  void log(int step, int stream, const std::string& text) {
    say("logs", {{"vertex", vertexes_[step]["digest"]}, {"stream", stream}, {"data", base64_encode(text)}, {"timestamp", now()}});
  }
  void say(const char* kind, const Json& what) {
    Json line;
    line[kind] = Json::array({what});
    out_ << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n' << std::flush;
  }

  std::ostream& out_;
  std::map<int, Json> vertexes_;
};

}  // namespace

std::unique_ptr<ProgressView> make_json_progress(std::ostream& out) { return std::make_unique<JsonProgress>(out); }

}  // namespace acetate::build
