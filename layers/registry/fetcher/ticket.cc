#include "layers/registry/fetcher/ticket.h"

#include <fcntl.h>

#include <algorithm>

#include "base/sys/file.h"
#include "layers/image/json.h"

namespace acetate::registry {

namespace {

constexpr std::size_t kMostNames = 16;
constexpr std::size_t kMostBytes = 64 << 10;

Result<Ticket> parse(const std::string& text, const std::string& what) {
  const auto json = TRY(image::parse_json(text, what));
  const auto object = TRY(image::ObjectReader::make(json, what));
  const auto digest = TRY(object.digest("digest"));
  const auto size = TRY(object.size("size"));
  Ticket ticket{.blob = {.media_type = TRY(object.string("mediaType")), .digest = digest, .size = size}};
  ticket.names = TRY(object.strings("names"));
  ticket.authfile = TRY(object.string("authfile"));
  ticket.cert_dir = TRY(object.string("certDir"));
  if (object.has("verifyTls")) ticket.verify_tls = TRY(object.boolean("verifyTls"));
  return ticket;
}

std::string text_of(const Ticket& ticket) {
  image::Json json = {{"mediaType", ticket.blob.media_type},
                      {"digest", ticket.blob.digest.str()},
                      {"size", ticket.blob.size},
                      {"names", ticket.names},
                      {"authfile", ticket.authfile},
                      {"certDir", ticket.cert_dir}};
  if (ticket.verify_tls) json["verifyTls"] = *ticket.verify_tls;
  return image::write_json(json);
}

}  // namespace

std::string ticket_name(const Digest& blob) { return blob.hex() + ".ticket"; }

Result<void> write_ticket(const std::string& path, Ticket ticket) {
  if (const auto before = read_ticket(path, ticket.blob.digest))
    for (const auto& name : before->names)
      if (ticket.names.size() < kMostNames && std::ranges::find(ticket.names, name) == ticket.names.end())
        ticket.names.push_back(name);
  const Fd dir = TRY_WITHIN(sys::open(path, O_RDONLY | O_DIRECTORY), "opening {}", path);
  const auto name = ticket_name(ticket.blob.digest);
  return TRY_WITHIN(sys::write_file_atomically({dir.ref(), name.c_str()}, text_of(ticket), 0600), "writing {}/{}", path, name);
}

Result<Ticket> read_ticket(const std::string& dir, const Digest& blob) {
  const auto path = dir + "/" + ticket_name(blob);
  const auto text = TRY(sys::read_file(path, kMostBytes));
  auto ticket = parse(text, path);
  if (ticket && ticket->blob.digest == blob) return ticket;
  return fail(EBADMSG, "{} is damaged{}", path, ticket ? "" : ": " + ticket.error().message());
}

}  // namespace acetate::registry
