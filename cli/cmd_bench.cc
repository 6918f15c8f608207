// acetate bench: overlay file systems side by side on this machine. The measuring is bench/versus, which is installed beside
// us and can be run without us; here it is found, and told where our programs are.
#include <unistd.h>

#include <CLI/App.hpp>
#include <CLI/Config.hpp>
#include <CLI/Formatter.hpp>
#include <initializer_list>
#include <memory>

#include "base/sys/process.h"
#include "base/sys/self.h"
#include "cli/command.h"
#include "fs/mount.h"

namespace acetate::cli {

namespace {

struct Options {
  std::string tree;
  std::string layers;
  std::string rounds;
  std::string privilege;
  std::string out;
  std::string scratch;
  std::vector<std::string> peers;
  std::vector<std::string> mounts;
  bool quick = false;
  bool count = false;
};

// A file of bench/versus, installed or in a build tree.
Result<std::string> beside_us(const std::string& what, std::initializer_list<const char*> places) {
  auto found = sys::find_beside_us(places);
  if (!found && found.error().is(ENOENT)) return fail(ENOENT, "{} is not installed beside this program (meson install puts it there)", what);
  return found;
}

Result<int> bench(const Options& options) {
  const std::string script = TRY(beside_us("versus.py", {"/../share/acetate/versus/versus.py", "/../../bench/versus/versus.py"}));
  const std::string workload = TRY(beside_us("acetate-workload", {"/../libexec/acetate/acetate-workload", "/../bench/acetate-workload"}));
  const std::string daemon = TRY(fs::find_daemon());
  sys::Command command{.argv = {"python3", script, options.tree, "--ours", daemon, "--workload-program", workload}};
  const auto pass = [&](const char* name, const std::string& value) {
    if (!value.empty()) command.argv.insert(command.argv.end(), {name, value});
  };
  pass("--layers", options.layers);
  pass("--rounds", options.rounds);
  pass("--privilege", options.privilege);
  pass("--out", options.out);
  pass("--scratch", options.scratch);
  for (const std::string& peer : options.peers) pass("--peer", peer);
  for (const std::string& mount : options.mounts) pass("--mount", mount);
  if (options.quick) command.argv.emplace_back("--quick");
  if (options.count) command.argv.emplace_back("--count");
  sys::Child child = TRY(sys::spawn(command));
  return TRY(child.wait()).shell_code();
}

}  // namespace

Runner bench_command(CLI::App& app) {
  const auto options = std::make_shared<Options>();
  app.add_option("TREE", options->tree, "a root filesystem tarball with python3, gcc and make in it")->required();
  app.add_flag("--quick", options->quick, "a part of the work, for a first look");
  app.add_flag("--count", options->count, "count requests and system calls instead of seconds (needs strace)");
  app.add_option("--layers", options->layers, "over how many lower layers the tree is spread (N,…; 20)");
  app.add_option("--rounds", options->rounds, "how often everything is done (5)");
  app.add_option("--privilege", options->privilege, "root, rootless, or both with a comma between");
  app.add_option("--peer", options->peers, "a fuse-overlayfs to compare with; else the one in PATH");
  app.add_option("--mount", options->mounts, "NAME=COMMAND of one more, with {lowers} {upper} {work} {target}");
  app.add_option("--out", options->out, "a directory for figures (JSON) and plots (SVG)");
  app.add_option("--scratch", options->scratch, "a directory on the disk to measure (/var/tmp)");
  return [options](const Context&) { return bench(*options); };
}

}  // namespace acetate::cli
