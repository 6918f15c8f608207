// acetate gc: frees what nothing needs any more, and more where the store has outgrown a limit.
#include <ctime>
#include <ostream>

#include "base/sys/file.h"
#include "builder/cache.h"
#include "cli/human.h"
#include "cli/image_commands.h"
#include "cli/in_holder.h"
#include "cli/kept.h"
#include "cli/run_commands.h"
#include "cli/store_place.h"
#include "layers/image/image_collect.h"

namespace acetate::cli {

namespace {

constexpr int kFailed = 1;

// Files of cache mounts belong to whoever the steps ran as: in the holder they can be removed.
Result<int> prune_build_cache(const std::string& dir, const build::PruneOptions& how, const Context& context) {
  return in_holder_or_here(context, kFailed, [&](const sandbox::HolderPlan&) -> Result<int> {
    auto cache = TRY(build::Cache::open(dir));
    const auto pruned = cache.prune(how);
    if (!pruned && pruned.error().is(EWOULDBLOCK)) return fail(EWOULDBLOCK, "the build cache {} is in use; without --no-wait gc waits for its end", dir);
    if (!pruned) return pruned.error().clone();
    context.streams.out << fmt::format("build cache: {} {}freed, {} stay\n", human_size(pruned->freed), how.dry_run ? "would be " : "",
                                       human_size(pruned->left));
    return 0;
  });
}

}  // namespace

Result<int> collect_garbage(const GcOptions& options, const Context& context) {
  image::CollectOptions how{.dry_run = options.dry_run, .unnamed = !options.keep_unnamed, .wait = !options.no_wait};
  if (!options.max_size.empty()) how.max_bytes = TRY(parse_size(options.max_size));
  if (!options.build_cache.empty()) TRY(parse_size(options.build_cache));  // before anything is removed
  if (!options.unused.empty()) how.unused_since = ::time(nullptr) - TRY(parse_duration(options.unused));
  const auto paths = TRY(find_paths());
  const auto place = TRY(store_place(paths));
  how.needed_besides = [&] { return layers_of_kept(containers_dir(paths)); };
  how.wait = false;
  auto collected = image::collect(place, how);
  if (!collected && collected.error().is(EWOULDBLOCK) && !options.no_wait) {
    // By pulls and builds for as long as they last, and by serve while something is being pushed to it.
    if (!options.quiet) context.streams.err << fmt::format("acetate: the image store {} is in use; waiting for the end of that\n", place.dir) << std::flush;
    how.wait = true;
    collected = image::collect(place, how);
  }
  if (!collected && collected.error().is(EWOULDBLOCK))
    return fail(EWOULDBLOCK, "the image store {} is in use; without --no-wait gc waits for its end", place.dir);
  if (!collected) return std::move(collected).error();
  const char* would = options.dry_run ? "would be " : "";
  auto& out = context.streams.out;
  if (!options.quiet) {
    for (const auto& image : collected->images)
      out << fmt::format("image {} {}{}removed\n", image.target.digest.str(),
                         image.names.empty() ? "" : "(" + image.names[0].familiar() + ") ", would);
    for (const auto& blob : collected->blobs)
      out << fmt::format("blob {} {}removed: {}\n", blob.digest.str(), would, human_size(blob.size));
  }
  out << fmt::format("{}{}freed, {} stay\n", human_size(collected->freed) + " ", would, human_size(collected->left));
  if (options.build_cache.empty() && options.unused.empty()) return 0;
  const std::string build_dir = paths.data + "/build";
  if (!sys::stat_following(build_dir)) return 0;
  build::PruneOptions prune{.unused_since = how.unused_since, .dry_run = options.dry_run, .wait = !options.no_wait};
  if (!options.build_cache.empty()) prune.max_bytes = TRY(parse_size(options.build_cache));
  return prune_build_cache(build_dir, prune, context);
}

}  // namespace acetate::cli
