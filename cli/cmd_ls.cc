// acetate ls: what is in a directory of an image, without mounting it.
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <ctime>
#include <memory>
#include <ostream>

#include "cli/command.h"
#include "cli/image_tree.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string image, path = "/", platform;
  bool is_long = false;
  bool recursive = false;
};

// As ls(1) and tar(1) write it.
std::string mode_text(mode_t mode) {
  constexpr const char* kTypes = "?pc?d?b?-?l?s???";
  std::string text(1, kTypes[(mode & S_IFMT) >> 12]);
  for (int shift = 6; shift >= 0; shift -= 3) {
    const unsigned bits = mode >> shift & 7;
    text += (bits & 4) != 0 ? 'r' : '-';
    text += (bits & 2) != 0 ? 'w' : '-';
    text += (bits & 1) != 0 ? 'x' : '-';
  }
  const auto special = [&](unsigned bit, std::size_t at, char letter) {
    if ((mode & bit) != 0) text[at] = text[at] == 'x' ? letter : static_cast<char>(letter - 'a' + 'A');
  };
  special(S_ISUID, 3, 's');
  special(S_ISGID, 6, 's');
  special(S_ISVTX, 9, 't');
  return text;
}

std::string time_text(std::time_t seconds) {
  std::tm utc{};
  if (::gmtime_r(&seconds, &utc) == nullptr) return std::to_string(seconds);
  char text[64];
  return {text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &utc)};
}

class Lister {
 public:
  Lister(const Layer& tree, const Options& options, std::ostream& out) : tree_(tree), options_(options), out_(out) {}

  Result<void> entry(const Attr& attr, Node node, std::string_view name) {
    if (!options_.is_long) {
      out_ << name << '\n';
      return {};
    }
    const std::string size = S_ISCHR(attr.mode) || S_ISBLK(attr.mode)
                                 ? fmt::format("{},{}", major(attr.rdev), minor(attr.rdev))
                                 : std::to_string(attr.size);
    out_ << fmt::format("{} {:>2} {:>5} {:>5} {:>10} {} ", mode_text(attr.mode), attr.nlink, attr.uid, attr.gid, size,
                        time_text(attr.mtime.tv_sec))
         << name;
    if (attr.is_symlink()) out_ << " -> " << TRY(tree_.readlink(node));
    out_ << '\n';
    return {};
  }

  // `below` is written before each name.
  Result<void> directory(Node dir, const std::string& below) {
    std::vector<std::string> names;
    TRY(tree_.list(dir, [&](const DirEntry& listed) {
      names.emplace_back(listed.name);
      return true;
    }));
    std::ranges::sort(names);
    for (const std::string& name : names) {
      const Entry found = TRY(tree_.lookup(dir, name));
      const HeldNode held(tree_, found.node);
      TRY(entry(found.attr, found.node, below + name));
      if (options_.recursive && found.attr.is_dir()) TRY(directory(found.node, below + name + "/"));
    }
    return {};
  }

 private:
  const Layer& tree_;
  const Options& options_;
  std::ostream& out_;
};

Result<int> ls(const Options& options, const Context& context) {
  const auto image = TRY(open_image_tree(TRY(find_paths()), options.image, options.platform));
  const Layer& tree = *image.stack.tree;
  const Place place = TRY(find_in(tree, options.path));
  Lister lister(tree, options, context.streams.out);
  if (place.attr.is_dir()) {
    TRY(lister.directory(place.node.get(), ""));
  } else {
    TRY(lister.entry(place.attr, place.node.get(), options.path));
  }
  return 0;
}

}  // namespace

Runner ls_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("IMAGE", options->image, "an image, or a layer's tarball")->required();
  app.add_option("PATH", options->path, "a directory or file in it; / by default");
  app.add_flag("-l,--long", options->is_long, "mode, links, owner, size and time (UTC) of each");
  app.add_flag("-R,--recursive", options->recursive, "what is in directories too");
  app.add_option("--platform", options->platform, "OS/ARCHITECTURE[/VARIANT], if not this machine's");
  return [options](const Context& context) { return ls(*options, context); };
}

}  // namespace acetate::cli
