// Ticket: where a blob that is not all here may be fetched from. HEX.ticket beside the partial blob, JSON, written by
// whoever looked the image up and read by the fetcher. No secrets stand in it: logins are read where they are kept.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "layers/image/descriptor.h"
#include "layers/registry/remotes.h"

namespace acetate::registry {

// A name of an image that the blob is part of, and how whoever asked for that reached its registry: what was allowed for one
// registry is for that one alone.
struct TicketSource {
  std::string name = {};  // "docker.io/library/debian:12"; registries.conf has its say
  std::string authfile = {}, cert_dir = {};  // absolute paths
  std::optional<bool> verify_tls = {};
  // What of their environment says where logins and configuration lie, by name; nothing in tickets of before it was noted.
  std::optional<std::map<std::string, std::string>> environment = {};
  bool operator==(const TicketSource&) const = default;
};

// The variables that Remotes::make() asks for, as `environment` has them, paths made absolute.
Result<std::map<std::string, std::string>> places_in(const Environment& environment);

struct Ticket {
  image::Descriptor blob;  // with the digest of its table of contents, where a manifest names one
  std::vector<TicketSource> sources = {};  // best first
};

// Into `dir`, replacing one that is there; its sources of other names go after ours, and what it says of a table of
// contents stays where we say nothing.
Result<void> write_ticket(const std::string& dir, Ticket ticket);
// ENOENT bare when there is none; EBADMSG with words for what is none.
Result<Ticket> read_ticket(const std::string& dir, const Digest& blob);
std::string ticket_name(const Digest& blob);

}  // namespace acetate::registry
