// What is said between the fetcher and those who ask it: one message each way over a SOCK_SEQPACKET socket. docs/fetcher.md
// has the table of its bytes.
//
// A request names a blob by its digest and nothing else: where it comes from stands in its ticket, so nobody who can
// write to the socket can send the fetcher anywhere.
#pragma once

#include <cerrno>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/digest.h"

namespace acetate::fetch {

enum class Verb : std::uint32_t {
  fetch = 1,          // answer when blocks `first` to `end` (not included) are there
  complete = 2,       // all of it, when there is nothing else to do; answered at once
  complete_soon = 3,  // all of it, now; answered at once
  seal = 4,           // all of it, now; answered when it is verified and in the store
  lend = 5,           // the bytes of block `first`, wherever they are
};

// Of Verb::fetch: they came, and there is no room for them on the disk. Each block is to be had by Verb::lend.
inline constexpr int kNoRoom = ENOSPC;

struct Request {
  Verb verb = Verb::fetch;
  Digest blob;
  std::uint64_t first = 0, end = 0;
  std::uint32_t patience = 0;  // milliseconds without a byte, after which whoever asks gives up
};

struct Reply {
  int code = 0;  // 0, or an errno
  std::string words = {};  // of an error; the bytes that were lent
};

inline constexpr std::size_t kRequestBytes = 64, kMostRequestBytes = 96;  // the latter of a blob whose digest is a SHA-512
inline constexpr std::size_t kMostWords = 2048, kMostLent = std::size_t{64} << 10;
inline constexpr std::size_t kMostReplyBytes = 8 + kMostLent;

std::vector<std::byte> pack(const Request& request);
std::vector<std::byte> pack(const Reply& reply);  // words of errors are cut to kMostWords
// Nothing: it is no such message.
std::optional<Request> unpack_request(std::span<const std::byte> bytes);
std::optional<Reply> unpack_reply(std::span<const std::byte> bytes);

// In the directory of the partial blobs.
inline constexpr const char* kSocketName = "fetcher.sock";
inline constexpr const char* kLockName = "fetcher.lock";

}  // namespace acetate::fetch
