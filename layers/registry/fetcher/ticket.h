// Ticket: where a blob that is not all here may be fetched from. HEX.ticket beside the partial blob, JSON, written by
// whoever looked the image up and read by the fetcher. No secrets stand in it: logins are read where they are kept.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "layers/image/descriptor.h"
#include "layers/registry/remotes.h"

namespace acetate::registry {

struct Ticket {
  image::Descriptor blob;
  std::vector<std::string> names = {};  // "docker.io/library/debian:12", best first; registries.conf has its say
  std::string authfile = {};
  std::string cert_dir = {};
  std::optional<bool> verify_tls = {};
};

// Into `dir`, replacing one that is there; its names go after ours.
Result<void> write_ticket(const std::string& dir, Ticket ticket);
// ENOENT bare when there is none; EBADMSG with words for what is none.
Result<Ticket> read_ticket(const std::string& dir, const Digest& blob);
std::string ticket_name(const Digest& blob);

}  // namespace acetate::registry
