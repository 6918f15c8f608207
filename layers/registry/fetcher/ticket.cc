#include "layers/registry/fetcher/ticket.h"

#include <fcntl.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "base/sys/file.h"
#include "layers/image/json.h"
#include "layers/image/layout_index.h"

namespace acetate::registry {

namespace {

constexpr std::size_t kMostNames = 16;
constexpr std::size_t kMostBytes = 1 << 20;
// HOME stands in it too, and nothing that is secret.
constexpr const char* kVariables[] = {"CONTAINERS_REGISTRIES_CONF", "DOCKER_CONFIG", "HOME", "REGISTRY_AUTH_FILE", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"};

Result<Ticket> parse(const std::string& text, const std::string& what) {
  const auto json = TRY(image::parse_json(text, what));
  const auto object = TRY(image::ObjectReader::make(json, what));
  const auto digest = TRY(object.digest("digest"));
  const auto size = TRY(object.size("size"));
  Ticket ticket{.blob = {.media_type = TRY(object.string("mediaType")), .digest = digest, .size = size}};
  if (object.has("toc")) ticket.blob.toc = TRY(object.digest("toc"));
  const image::Json* sources = TRY(object.list("sources"));
  if (sources == nullptr) return ticket;
  for (const auto& each : *sources) {
    const auto entry = TRY(image::ObjectReader::make(each, what));
    TicketSource source;
    source.name = TRY(entry.string("name"));
    source.authfile = TRY(entry.string("authfile"));
    source.cert_dir = TRY(entry.string("certDir"));
    if (entry.has("verifyTls")) source.verify_tls = TRY(entry.boolean("verifyTls"));
    if (entry.has("environment")) source.environment = TRY(entry.string_map("environment"));
    ticket.sources.push_back(std::move(source));
  }
  return ticket;
}

std::string text_of(const Ticket& ticket) {
  image::Json sources = image::Json::array();
  for (const auto& source : ticket.sources) {
    image::Json entry = {{"name", source.name}, {"authfile", source.authfile}, {"certDir", source.cert_dir}};
    if (source.verify_tls) entry["verifyTls"] = *source.verify_tls;
    if (source.environment) entry["environment"] = *source.environment;
    sources.push_back(std::move(entry));
  }
  image::Json json = {{"mediaType", ticket.blob.media_type},
                      {"digest", ticket.blob.digest.str()},
                      {"size", ticket.blob.size},
                      {"sources", sources}};
  if (ticket.blob.toc) json["toc"] = ticket.blob.toc->str();
  return image::write_json(json);
}

}  // namespace

Result<std::map<std::string, std::string>> places_in(const Environment& environment) {
  std::map<std::string, std::string> places;
  for (const char* name : kVariables) {
    const auto value = environment(name);
    if (!value) continue;
    std::error_code error;
    // The fetcher is in another directory.
    const auto absolute = value->empty() ? std::filesystem::path() : std::filesystem::absolute(*value, error);
    if (error) return Error(error.value()).within("the working directory");
    places[name] = absolute.string();
  }
  return places;
}

std::string ticket_name(const Digest& blob) { return blob.hex() + ".ticket"; }

Result<void> write_ticket(const std::string& path, Ticket ticket) {
  // Of two who write it at once neither loses the other's.
  const auto lock = TRY(image::LayoutLock::take(path));
  if (const auto before = read_ticket(path, ticket.blob.digest)) {
    if (!ticket.blob.toc) ticket.blob.toc = before->blob.toc;
    for (const auto& source : before->sources)
      if (ticket.sources.size() < kMostNames &&
          std::ranges::find(ticket.sources, source.name, &TicketSource::name) == ticket.sources.end())
        ticket.sources.push_back(source);
  }
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
