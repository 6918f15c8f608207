// A blob writer that keeps its bytes where a test can see them.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "layers/image/layout.h"

namespace acetate::test {

class MemoryBlob final : public image::BlobWriter {
 public:
  explicit MemoryBlob(std::optional<image::Descriptor> expected = {}) : expected_(std::move(expected)) {
    if (expected_) algorithm_ = expected_->digest.algorithm();
  }

  Result<void> write(std::span<const std::byte> bytes) override {
    bytes_ += as_text(bytes);
    return {};
  }
  std::uint64_t size() const override { return bytes_.size(); }
  Result<void> restart() override {
    bytes_.clear();
    return {};
  }
  Result<void> hash_by(Digest::Algorithm algorithm) override {
    algorithm_ = algorithm;
    return {};
  }
  Result<image::Descriptor> commit(std::string media_type) override {
    const image::Descriptor made{
        .media_type = std::move(media_type), .digest = Digest::of(bytes_, algorithm_), .size = bytes_.size()};
    if (expected_ && made.digest != expected_->digest)
      return fail(EBADMSG, "the digest is {}", made.digest.str());
    return made;
  }

  const std::string& bytes() const { return bytes_; }

 private:
  std::optional<image::Descriptor> expected_;
  Digest::Algorithm algorithm_ = Digest::Algorithm::sha256;
  std::string bytes_;
};

}  // namespace acetate::test
