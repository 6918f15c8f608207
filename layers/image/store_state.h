// What an ImageStore has open; for its own source files.
#pragma once

#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "layers/image/image_store.h"

namespace acetate::image {

using Json = nlohmann::json;

struct ImageStore::State {
  struct Part {
    std::string dir;
    std::unique_ptr<ImageFiles> files;
    bool is_shared = false;
  };
  StorePlace place;
  Fd dir = {};                            // of our own; none where nothing is and nothing may be made
  std::unique_ptr<Layout> layout = {};    // to write our own; null when opened to read
  std::vector<Part> parts = {};           // those that are there, our own first
  std::shared_ptr<const void> hold = {};  // store_lock.h

  static Result<std::unique_ptr<State>> open(const StorePlace& place);
  const Part& part_of(const StoredImage& stored) const;
  // EROFS with words when it was opened to read.
  Result<Layout*> writable() const;
  Result<void> edit(const std::function<Result<bool>(Json& manifests)>& edit) const;
};

}  // namespace acetate::image
