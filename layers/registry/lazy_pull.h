// An image from a registry, its layers later: documents into the store, and for each layer that is not here a ticket and
// an empty partial blob, for the fetcher to fill.
#pragma once

#include <string>

#include "layers/image/image_store.h"
#include "layers/image/lazy_images.h"
#include "layers/registry/fetcher/ticket.h"
#include "layers/registry/pull.h"

namespace acetate::registry {

enum class ForeignIndexes {
  by_tag,  // believed of a name with a tag: whoever can put them there can move the tag as well
  always,  // believed of a digest too
  never,
};

// Whether those that lie beside the image of that name are. The image remembers it; whoever opens it asks again.
bool are_believed(ForeignIndexes indexes, const image::Reference& name);

struct LazyPullOptions {
  image::Platform platform;
  TicketSource source = {};  // how its blobs are fetched; the name is filled in
  ForeignIndexes indexes = ForeignIndexes::by_tag;
};

// `name` is known to `images` afterwards. Errors as pull_image().
Result<Pulled> pull_lazily(Repository& repository, const image::Reference& name, image::ImageStore& store,
                           const image::LazyImages& images, const LazyPullOptions& options);

// For somebody who mounts an image that is known: its layers are fetched by what `source` says from now on, and where that says nothing
// as before. Errors with words.
Result<void> renew_tickets(const std::string& dir, const image::Image& image, const TicketSource& source);

}  // namespace acetate::registry
