#include "cli/explore_page.h"

#include <algorithm>

#include "cli/html_text.h"
#include "cli/human.h"

namespace acetate::cli {

namespace {

constexpr std::size_t kMostShown = 2000;  // of one layer

// How much of the whole a layer is, and how much of that is in the way.
std::string bar(const LayerChanges& layer, std::uint64_t most) {
  const auto percent = [&](std::uint64_t bytes) { return most == 0 ? 0.0 : 100.0 * static_cast<double>(bytes) / static_cast<double>(most); };
  return fmt::format("<div class=bar><i style=\"width:{:.2f}%\"></i><b style=\"width:{:.2f}%\"></b></div>",
                     percent(layer.bytes - std::min(layer.bytes, layer.wasted)), percent(layer.wasted));
}

std::string details(const ExploredLayer& layer, std::uint64_t most) {
  using Kind = LayerChange::Kind;
  const LayerChanges& changes = layer.changes;
  std::string text = fmt::format(
      "<details><summary><span class=n>{}</span> <code>{}</code>{}<small>{} stored, {} of files, {} wasted; {} added, {} changed, {} "
      "removed</small></summary>\n<table>\n",
      layer.number, escaped_html(layer.step.empty() ? "(not told)" : layer.step), bar(changes, most), human_size(layer.size),
      human_size(changes.bytes), human_size(changes.wasted), changes.count(Kind::added), changes.count(Kind::changed),
      changes.count(Kind::removed));
  std::vector<LayerChange> shown = changes.changes;
  std::ranges::stable_sort(shown, std::ranges::greater(), &LayerChange::bytes);
  const std::size_t left_out = shown.size() - std::min(shown.size(), kMostShown);
  shown.resize(shown.size() - left_out);
  static constexpr const char* kWords[] = {"added", "changed", "removed"};
  for (const LayerChange& change : shown) {
    const char* word = kWords[static_cast<std::size_t>(change.kind)];
    text += fmt::format("<tr class={}><td>{}<td>{}<td>/{}\n", word, word, human_size(change.bytes), escaped_html(change.path));
  }
  text += "</table>\n";
  if (left_out > 0) text += fmt::format("<p>and {} smaller ones\n", left_out);
  return text + "</details>\n";
}

}  // namespace

std::string explore_page(std::string_view image, const std::vector<ExploredLayer>& layers) {
  std::uint64_t most = 0, bytes = 0, wasted = 0;
  for (const ExploredLayer& layer : layers) {
    most = std::max(most, layer.changes.bytes);
    bytes += layer.changes.bytes;
    wasted += layer.changes.wasted;
  }
  std::string page = fmt::format(
      "<!doctype html>\n<html lang=en><meta charset=utf-8>\n<meta name=viewport content=\"width=device-width\">\n<title>{0}</title>\n"
      "<style>\nbody{{font:15px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}}\n"
      "summary{{cursor:pointer;padding:.4rem 0}}code{{overflow-wrap:anywhere}}small{{display:block;color:#666}}\n"
      ".n{{display:inline-block;min-width:2rem;font-weight:bold}}.bar{{display:flex;height:.6rem;background:#eee;margin:.2rem 0}}\n"
      ".bar i{{background:#3a7}}.bar b{{background:#d54}}table{{border-collapse:collapse;font-size:13px}}\n"
      "td{{padding:.1rem .6rem .1rem 0;vertical-align:top;overflow-wrap:anywhere}}.removed td{{color:#b33}}.changed td{{color:#965}}\n"
      "</style>\n<h1>{0}</h1>\n<p>{1} layers, {2} of files, of which {3} are not seen any more (red).\n",
      escaped_html(image), layers.size(), human_size(bytes), human_size(wasted));
  for (const ExploredLayer& layer : layers) page += details(layer, most);
  return page;
}

}  // namespace acetate::cli
