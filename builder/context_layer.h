// The build context as a layer: a directory of the host read in place, without what .dockerignore leaves out.
//
// Not the layer of layers/dir_layer.h: a context is nobody's overlay, so a file called ".wh.x" is just that;
// everything belongs to root, as docker has it; and symlinks are never followed on the host, so nothing outside
// the context can be reached, whoever renames directories meanwhile.
#pragma once

#include <memory>
#include <string>

#include "base/result.h"
#include "builder/dockerfile/ignore.h"
#include "builder/file_hashes.h"
#include "layers/layer.h"

namespace acetate::build {

// ENOENT, ENOTDIR with words. `hashes`: what its files were hashed to, kept up to date; with it every file's content_id() is known, at
// the price of reading it where that has to be.
Result<LayerPtr> open_context(const std::string& dir, dockerfile::IgnoreRules ignore, std::shared_ptr<FileHashes> hashes = {});

}  // namespace acetate::build
