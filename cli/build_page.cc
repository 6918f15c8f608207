#include "cli/build_page.h"

#include <algorithm>
#include <vector>

#include "cli/html_text.h"
#include "cli/human.h"
#include "cli/layer_changes.h"

namespace acetate::cli {

namespace {

using build::BuildReport;
using build::StageReport;
using build::StepReport;
using How = StepReport::How;

constexpr int kBoxWidth = 190, kBoxHeight = 54, kGapX = 70, kGapY = 18;

std::vector<std::size_t> needs_of(const StageReport& stage) {
  std::vector<std::size_t> needs;
  if (stage.base_stage) needs.push_back(*stage.base_stage);
  for (const StepReport& step : stage.steps) needs.insert(needs.end(), step.uses.begin(), step.uses.end());
  std::ranges::sort(needs);
  needs.erase(std::ranges::unique(needs).begin(), needs.end());
  return needs;
}

// What there is room for in a box. No character is cut in two.
std::string shortened(std::string_view name) {
  constexpr int kMost = 20;
  int characters = 0;
  for (std::size_t at = 0; at < name.size(); ++at) {
    const bool begins_one = (static_cast<unsigned char>(name[at]) & 0xc0) != 0x80;
    if (begins_one && ++characters > kMost) return std::string(name.substr(0, at)) + "…";
  }
  return std::string(name);
}

std::size_t count(const StageReport& stage, How how) { return static_cast<std::size_t>(std::ranges::count(stage.steps, how, &StepReport::how)); }

// A stage stands to the right of all that it needs.
struct Place {
  int x = 0, y = 0;
};

std::map<std::size_t, Place> places_of(const BuildReport& report) {
  std::map<std::size_t, int> columns;
  std::map<int, int> rows;
  std::map<std::size_t, Place> places;
  for (const StageReport& stage : report.stages) {  // a stage needs earlier ones only
    int column = 0;
    for (const std::size_t need : needs_of(stage))
      if (const auto there = columns.find(need); there != columns.end()) column = std::max(column, there->second + 1);
    columns[stage.number] = column;
    places[stage.number] = {.x = column * (kBoxWidth + kGapX) + 1, .y = rows[column]++ * (kBoxHeight + kGapY) + 1};
  }
  return places;
}

std::string graph(const BuildReport& report) {
  const auto places = places_of(report);
  int width = 0, height = 0;
  std::string lines, boxes;
  for (const StageReport& stage : report.stages) {
    const Place at = places.at(stage.number);
    width = std::max(width, at.x + kBoxWidth + 1);
    height = std::max(height, at.y + kBoxHeight + 1);
    for (const std::size_t need : needs_of(stage)) {
      const auto from = places.find(need);
      if (from == places.end()) continue;
      const int x1 = from->second.x + kBoxWidth, y1 = from->second.y + kBoxHeight / 2, x2 = at.x, y2 = at.y + kBoxHeight / 2, bend = kGapX / 2;
      lines += fmt::format("<path d=\"M{} {}C{} {} {} {} {} {}\"/>\n", x1, y1, x1 + bend, y1, x2 - bend, y2, x2, y2);
    }
    const char* state = count(stage, How::failed) > 0 ? "failed" : count(stage, How::ran) > 0 ? "ran" : "cached";
    boxes += fmt::format(
        "<a href=\"#s{0}\"><title>{12}</title><rect class={1} x={2} y={3} width={4} height={5} rx=6 /><text x={6} y={7}>{8}</text><text class=s x={6} y={9}>{10} "
        "ran, {11} cached</text></a>\n",
        stage.number, state, at.x, at.y, kBoxWidth, kBoxHeight, at.x + 10, at.y + 22, escaped_html(shortened(stage.name)), at.y + 42,
        count(stage, How::ran) + count(stage, How::failed), count(stage, How::cached), escaped_html(stage.name));
  }
  return fmt::format("<svg viewBox=\"0 0 {0} {1}\" width={0} height={1}>\n{2}{3}</svg>\n", width, height, lines, boxes);
}

std::string row(const StepReport& step, const LayerWeight* weight, double whole) {
  static constexpr const char* kWords[] = {"", "cached", "ran", "failed"};
  const char* word = kWords[static_cast<std::size_t>(step.how)];
  const auto percent = [&](double seconds) { return whole <= 0 ? 0.0 : std::min(100.0, 100.0 * seconds / whole); };
  std::string text = fmt::format("<tr><td><code>{}</code>", escaped_html(step.title));
  if (!step.why.empty()) text += fmt::format("<small>{}</small>", escaped_html(step.why));
  text += fmt::format("<td class={}>{}<td>", word[0] == '\0' ? "none" : word, word);
  if (step.how != How::config) text += fmt::format("{:.2f}&nbsp;s", step.seconds);
  text += fmt::format("<td class=time><div><i style=\"margin-left:{:.2f}%;width:{:.2f}%\"></i></div><td>", percent(step.began), percent(step.seconds));
  if (weight != nullptr) {
    text += human_size(weight->bytes);
    if (weight->wasted > 0) text += fmt::format(" <b>{} wasted</b>", human_size(weight->wasted));
  }
  return text + "\n";
}

}  // namespace

Result<Weights> weigh(const BuildReport& report, build::LayerOpener& layers) {
  Weights weights;
  for (const StageReport& stage : report.stages) {
    std::vector<LayerPtr> bottom_up;
    std::vector<std::size_t> steps;
    const auto open = [&](const build::StageLayer& layer) -> Result<void> {
      bottom_up.push_back(TRY(layers.open(layer.spec, layer.diff_id)));
      return {};
    };
    for (const build::StageLayer& layer : stage.base_layers) TRY(open(layer));
    for (std::size_t n = 0; n < stage.steps.size(); ++n) {
      if (!stage.steps[n].layer) continue;
      TRY(open(*stage.steps[n].layer));
      steps.push_back(n);
    }
    const auto changes = TRY_WITHIN(changes_of(bottom_up), "weighing the layers of {}", stage.name);
    for (std::size_t n = 0; n < steps.size(); ++n) {
      const LayerChanges& layer = changes[stage.base_layers.size() + n];
      weights[stage.number][steps[n]] = {.bytes = layer.bytes, .wasted = layer.wasted};
    }
  }
  return weights;
}

std::string build_page(std::string_view title, const BuildReport& report, const Weights& weights) {
  std::size_t ran = 0, cached = 0;
  std::uint64_t bytes = 0, wasted = 0;
  for (const StageReport& stage : report.stages) {
    ran += count(stage, How::ran) + count(stage, How::failed);
    cached += count(stage, How::cached);
  }
  for (const auto& [stage, steps] : weights) {
    for (const auto& [step, weight] : steps) {
      bytes += weight.bytes;
      wasted += weight.wasted;
    }
  }
  std::string page = fmt::format(
      "<!doctype html>\n<html lang=en><meta charset=utf-8>\n<meta name=viewport content=\"width=device-width\">\n<title>{0}</title>\n"
      "<style>\nbody{{font:15px/1.5 system-ui,sans-serif;max-width:80rem;margin:2rem auto;padding:0 1rem}}\n"
      "svg{{max-width:100%;height:auto}}rect{{fill:#fff;stroke-width:2}}rect.cached{{stroke:#3a7}}rect.ran{{stroke:#27c}}rect.failed{{stroke:#c33}}\n"
      "path{{fill:none;stroke:#999;stroke-width:1.5}}text{{font-size:14px}}text.s{{font-size:11px;fill:#666}}\n"
      "table{{border-collapse:collapse;width:100%}}td,th{{text-align:left;vertical-align:top;padding:.3rem .6rem .3rem 0;border-top:1px solid #ddd}}\n"
      "code{{overflow-wrap:anywhere;white-space:pre-wrap}}small{{display:block;color:#666;overflow-wrap:anywhere}}\n"
      ".cached{{color:#3a7}}.ran{{color:#27c}}.failed,td b{{color:#c33}}\n"
      ".time{{width:22%}}.time div{{background:#eee;height:.7rem;margin-top:.4rem}}.time i{{display:block;height:100%;min-width:1px;background:#27c}}\n"
      "</style>\n<h1>{0}</h1>\n<p>{1:.2f} s; {2} steps ran, {3} came from the cache; {4} of files in new layers, of which {5} are not seen any more.\n",
      escaped_html(title), report.seconds, ran, cached, human_size(bytes), human_size(wasted));
  page += graph(report);
  for (const StageReport& stage : report.stages) {
    page += fmt::format("<h2 id=s{}>{}</h2>\n<p>FROM <code>{}</code>\n<table>\n<tr><th>step<th>cache<th>took<th>when<th>files\n", stage.number,
                        escaped_html(stage.name), escaped_html(stage.base));
    const auto steps = weights.find(stage.number);
    for (std::size_t n = 0; n < stage.steps.size(); ++n) {
      const LayerWeight* weight = nullptr;
      if (steps != weights.end())
        if (const auto found = steps->second.find(n); found != steps->second.end()) weight = &found->second;
      page += row(stage.steps[n], weight, report.seconds);
    }
    page += "</table>\n";
  }
  return page;
}

}  // namespace acetate::cli
