#include "layers/registry/lazy_pull.h"

#include <algorithm>

#include "base/log.h"
#include "layers/registry/index_artifact.h"
#include "layers/stream/partial_blob.h"

namespace acetate::registry {

namespace {

constexpr std::size_t kMostLayers = 1000;  // docker's own limit is 127; each has three files from the beginning

}  // namespace

bool are_believed(ForeignIndexes indexes, const image::Reference& name) {
  return indexes == ForeignIndexes::always || (indexes == ForeignIndexes::by_tag && !name.digest);
}

Result<Pulled> pull_lazily(Repository& repository, const image::Reference& name, image::ImageStore& store,
                           const image::LazyImages& images, const LazyPullOptions& options) {
  std::vector<image::Descriptor> layers;
  const auto later = [&](const image::Descriptor& layer) -> Result<void> {
    if (layers.size() == kMostLayers) return fail(EFBIG, "{} has more than {} layers", name.str(), kMostLayers);
    TRY(PartialBlob::make(images.dir(), {.blob = layer.digest, .size = layer.size}));
    TicketSource source = options.source;
    source.name = name.str();
    layers.push_back(layer);
    return write_ticket(images.dir(), {.blob = layer, .sources = {std::move(source)}});
  };
  const auto reference = name.digest ? name.digest->str() : name.tag;
  const auto pulled = TRY(pull_image(repository, reference, store, {.platform = options.platform, .later = later}));
  const bool believed = are_believed(options.indexes, name);
  if (!layers.empty() && believed) {
    const auto origin = image::index_origin(name, pulled.manifest.digest);
    const auto found = fetch_indexes(repository, pulled.manifest.digest, layers, images.dir(), origin);
    // Without them it is slower, and that is all.
    if (!found) log::info("{} has no layer indexes: {}", name.str(), found.error().message());
  }
  TRY(images.set_reference(name, pulled.target, believed ? image::Indexes::believed : image::Indexes::our_own));
  return pulled;
}

Result<void> renew_tickets(const std::string& dir, const image::Image& image, const TicketSource& source) {
  for (const auto& layer : image.layers) {
    if (!layer.spec.lazy || !layer.digest) continue;
    const auto ticket = read_ticket(dir, *layer.digest);
    if (!ticket && ticket.error().is(ENOENT)) continue;  // whole by now
    if (!ticket) return ticket.error().clone();
    TicketSource now = source;
    if (const auto before = std::ranges::find(ticket->sources, source.name, &TicketSource::name); before != ticket->sources.end()) {
      if (now.authfile.empty()) now.authfile = before->authfile;
      if (now.cert_dir.empty()) now.cert_dir = before->cert_dir;
      if (!now.verify_tls) now.verify_tls = before->verify_tls;
      if (now == *before) continue;
    }
    TRY(write_ticket(dir, {.blob = ticket->blob, .sources = {std::move(now)}}));
  }
  return {};
}

}  // namespace acetate::registry
