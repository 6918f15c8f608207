// The folders of a layout's blobs: blobs/sha256, which every layout of ours has, and blobs/sha512, made when the first blob comes that is named so.
#pragma once

#include <string>
#include <vector>

#include "base/digest.h"
#include "base/fd.h"
#include "base/result.h"

namespace acetate::image {

// The folder of an algorithm's blobs, open and on the disk. `layout` is the layout's directory.
Result<Fd> open_blob_folder(FdRef layout, Digest::Algorithm algorithm);

// Waits until the disk has the names of all blobs. A folder that is not there has none.
Result<void> sync_blob_folders(FdRef layout);

// Sorted. What is there under other names (others' temporary files) is no blob.
Result<std::vector<Digest>> list_blobs(FdRef layout);

// As an archive has them before what is in them: "blobs/", "blobs/sha256/", and "blobs/sha512/" where `blobs`, sorted, has one of them. Pure.
std::vector<std::string> folders_for(const std::vector<Digest>& blobs);

}  // namespace acetate::image
