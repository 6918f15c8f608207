// acetate gc: frees what nothing needs any more, and more where the store has outgrown a limit.
#include <ctime>
#include <ostream>

#include "cli/human.h"
#include "cli/image_commands.h"
#include "cli/kept.h"
#include "cli/run_commands.h"
#include "cli/store_place.h"
#include "layers/image/image_collect.h"

namespace acetate::cli {

Result<int> collect_garbage(const GcOptions& options, const Context& context) {
  image::CollectOptions how{.dry_run = options.dry_run, .unnamed = !options.keep_unnamed, .wait = !options.no_wait};
  if (!options.max_size.empty()) how.max_bytes = TRY(parse_size(options.max_size));
  if (!options.unused.empty()) how.unused_since = ::time(nullptr) - TRY(parse_duration(options.unused));
  const auto paths = TRY(find_paths());
  const auto place = TRY(store_place(paths));
  how.needed_besides = [&] { return layers_of_kept(containers_dir(paths)); };
  auto collected = image::collect(place, how);
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
  return 0;
}

}  // namespace acetate::cli
