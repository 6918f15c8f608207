#include "layers/stream/packer.h"

#include <utility>

namespace acetate {

namespace {

class NoPacker final : public Packer {
 public:
  explicit NoPacker(Out out) : out_(std::move(out)) {}
  Result<void> write(std::span<const std::byte> plain) override { return out_(plain); }
  Result<void> finish() override { return {}; }

 private:
  Out out_;
};

}  // namespace

std::unique_ptr<Packer> no_packer(Packer::Out out) { return std::make_unique<NoPacker>(std::move(out)); }

}  // namespace acetate
