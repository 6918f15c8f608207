#include "layers/stream/fetch_protocol.h"

#include <algorithm>
#include <cstring>

#include "base/bytes.h"

namespace acetate::fetch {

namespace {

constexpr std::uint32_t kRequestMagic = 0x31514641;     // "AFQ1"
constexpr std::uint32_t kRequestMagic512 = 0x32514641;  // "AFQ2"
constexpr std::uint32_t kReplyMagic = 0x31524641;    // "AFR1"
constexpr std::size_t kReplyHead = 8;

}  // namespace

std::vector<std::byte> pack(const Request& request) {
  ByteWriter out;
  out.put(request.blob.algorithm() == Digest::Algorithm::sha512 ? kRequestMagic512 : kRequestMagic);
  out.put(static_cast<std::uint32_t>(request.verb));
  out.put(request.blob.bytes());
  out.put(request.first);
  out.put(request.end);
  out.put(request.patience);
  out.put(std::uint32_t{0});
  return std::move(out).take();
}

std::vector<std::byte> pack(const Reply& reply) {
  ByteWriter out;
  out.put(kReplyMagic);
  out.put(static_cast<std::uint32_t>(reply.code));
  out.put(std::string_view(reply.words).substr(0, reply.code == 0 ? kMostLent : kMostWords));
  return std::move(out).take();
}

std::optional<Request> unpack_request(std::span<const std::byte> bytes) {
  if (bytes.size() != kRequestBytes && bytes.size() != kMostRequestBytes) return std::nullopt;
  const auto algorithm = bytes.size() == kRequestBytes ? Digest::Algorithm::sha256 : Digest::Algorithm::sha512;
  ByteReader in(bytes);
  if (in.get<std::uint32_t>() != (algorithm == Digest::Algorithm::sha256 ? kRequestMagic : kRequestMagic512)) return std::nullopt;
  const auto verb = *in.get<std::uint32_t>();
  if (verb < static_cast<std::uint32_t>(Verb::fetch) || verb > static_cast<std::uint32_t>(Verb::lend)) return std::nullopt;
  Request request{.verb = static_cast<Verb>(verb), .blob = {}};
  request.blob = Digest(algorithm, *in.take(Digest::size_of(algorithm)));
  request.first = *in.get<std::uint64_t>();
  request.end = *in.get<std::uint64_t>();
  request.patience = *in.get<std::uint32_t>();
  return request;
}

std::optional<Reply> unpack_reply(std::span<const std::byte> bytes) {
  ByteReader in(bytes);
  if (in.get<std::uint32_t>() != kReplyMagic) return std::nullopt;
  const auto code = in.get<std::uint32_t>();
  if (!code || *code > 4095) return std::nullopt;
  return Reply{.code = static_cast<int>(*code), .words = std::string(as_text(bytes.subspan(kReplyHead)))};
}

}  // namespace acetate::fetch
