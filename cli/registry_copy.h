// The ends of `acetate copy` that are in a registry.
#pragma once

#include "cli/app.h"
#include "cli/image_commands.h"
#include "cli/image_source.h"
#include "layers/image/image_place.h"

namespace acetate::cli {

// The image at `from`, fetched: straight into what `to` names where that is a store or layout, else into a scratch store, for
// which nothing is fetched that our own store has, nor, where it is copied into a registry, what that has or mounts. It has no name there yet. Errors as pull_image().
Result<OpenedImages> fetch_image(const Paths& paths, const image::ImagePlace& from, const image::ImagePlace& to,
                                 const CopyOptions& options, const Streams& streams);

// What the registry has at `to` then: of an index that is here in part, the image of `options`' platform. Errors as push_image().
// `from`: where the image came from, of which the same registry mounts what it has there.
Result<image::Descriptor> send_image(const image::ImageFiles& files, const image::Descriptor& target, const image::ImagePlace& from,
                                     const image::ImagePlace& to, const CopyOptions& options, const Streams& streams);

}  // namespace acetate::cli
