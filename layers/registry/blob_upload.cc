#include "layers/registry/blob_upload.h"

#include <charconv>

#include "layers/registry/answer_error.h"
#include "layers/registry/url.h"

namespace acetate::registry {

namespace {

// A part of a body, as a body.
Body slice(const Body& whole, std::uint64_t from, std::uint64_t size, const Progress& progress) {
  return {.size = size,
          .read = [read = whole.read, from, size, progress](std::span<std::byte> into,
                                                            std::uint64_t offset) -> Result<std::size_t> {
            const auto room = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size - offset));
            if (room == 0) return std::size_t{0};
            const auto got = TRY(read(into.first(room), from + offset));
            if (got == 0) return fail(EIO, "the blob ends before its length");
            if (progress && !progress(from + offset + got)) return Error(ECANCELED);
            return got;
          }};
}

// One upload under way. `location_` is where the registry wants what comes next; every answer may move it.
class Upload {
 public:
  Upload(Repository& repository, const image::Descriptor& blob, const Body& content,
         const UploadOptions& options)
      : repository_(repository),
        blob_(blob),
        content_(content),
        options_(options),
        scope_(mount_scope(repository.name(), options.mount_from)),
        what_(fmt::format("putting the blob {} into {}", blob.digest.str(), repository.where())) {}

  Result<bool> without_sending() {
    const auto had = TRY(without_bytes());
    cancel();
    return had.has_value();
  }

  Result<Sent> run() {
    if (const auto had = TRY(without_bytes())) return *had;
    auto sent = send_whole();
    if (!sent && (is_transient(sent.error()) || sent.error().is(EFBIG))) sent = send_in_chunks();
    if (!sent) {
      cancel();
      return std::move(sent).error();
    }
    return Sent::bytes;
  }

 private:
  Result<std::optional<Sent>> without_bytes() {
    if (TRY(has_blob(repository_, blob_))) return std::optional(Sent::nothing);
    for (const auto& from : options_.mount_from)
      if (TRY(mount(from))) return std::optional(Sent::mounted);
    return std::optional<Sent>();
  }

  Result<Exchange> send(Ask ask) {
    ask.scope = scope_;
    return TRY_WITHIN(repository_.registry().send(ask), "{}", what_);
  }

  Result<void> move_on(const Exchange& answer) {
    const std::string* location = answer.headers().find("Location");
    if (location == nullptr) return fail(EPROTO, "{}: the registry does not say where to", what_);
    location_ = TRY_WITHIN(repository_.registry().leads_to(answer.url(), *location), "{}", what_);
    if (const std::string* least = answer.headers().find("OCI-Chunk-Min-Length"))
      std::from_chars(least->data(), least->data() + least->size(), least_chunk_);
    return {};
  }

  // True when the registry took it from the other repository. A registry that does not mount begins an upload
  // instead, which is then ours to use.
  Result<bool> mount(const std::string& from) {
    if (!location_.empty()) return false;
    auto ask = repository_.ask("POST", "blobs/uploads/");
    ask.url = with_query(with_query(ask.url, "mount", blob_.digest.str()), "from", from);
    auto answer = TRY(send(std::move(ask)));
    if (answer.status() == 201) return true;
    if (answer.status() == 202) TRY(move_on(answer));
    return false;
  }

  Result<void> begin() {
    auto ask = repository_.ask("POST", "blobs/uploads/");
    // So that the registry need not read all of it again when it hears the digest.
    if (const auto algorithm = blob_.digest.algorithm(); algorithm != Digest::Algorithm::sha256)
      ask.url = with_query(ask.url, "digest-algorithm", std::string(name_of(algorithm)));
    auto answer = TRY(send(std::move(ask)));
    if (answer.status() != 202) return answer_error(answer, what_);
    return move_on(answer);
  }

  // The last request of an upload, with all of the blob, the end of it, or nothing.
  Result<void> finish(Body body, std::uint64_t from) {
    Ask ask{.method = "PUT",
            .url = with_query(location_, "digest", blob_.digest.str()),
            .body = std::move(body),
            .repeatable = false};
    ask.headers.add("Content-Type", "application/octet-stream");
    if (from != 0 && ask.body)
      ask.headers.add("Content-Range", fmt::format("{}-{}", from, from + ask.body.size - 1));
    auto sent = send(std::move(ask));
    // Who takes long to answer may have done it meanwhile.
    if (!sent && sent.error().is(ETIMEDOUT))
      if (auto there = has_blob(repository_, blob_); there && *there) return {};
    auto answer = TRY(std::move(sent));
    if (answer.status() == 201 || answer.status() == 204) return {};
    return answer_error(answer, what_);
  }

  Result<void> send_whole() {
    if (location_.empty()) TRY(begin());
    return finish(slice(content_, 0, blob_.size, options_.progress), 0);
  }

  Result<void> send_in_chunks() {
    const RetryPolicy& policy = repository_.registry().retry_policy();
    Retries retries(policy);
    cancel();
    std::uint64_t done = 0, most = 0;
    int begun = 0;
    for (;;) {
      if (location_.empty()) {
        // Each has its own progress, so that only their number ends it where a registry loses all of them late.
        if (begun == policy.attempts) return fail(EPROTO, "{}: the registry has lost {} uploads in the middle", what_, begun);
        TRY(begin());
        ++begun;
        done = most = 0;
      }
      if (done == blob_.size) break;
      auto moved = send_chunk(done);
      // 416: we disagree about where we are. Whatever broke, the registry knows what it has.
      if (!moved && !is_transient(moved.error()) && !moved.error().is(ERANGE)) return std::move(moved).error();
      if (moved && (*moved > most || *moved == blob_.size)) {
        retries.reset();
        done = most = *moved;
        continue;
      }
      // One that takes what is sent and does not keep it is no better than one that breaks off.
      if (!retries.again())
        return moved ? fail(EPROTO, "{}: the registry takes chunks and stays at {} bytes", what_, *moved) : std::move(moved).error();
      done = moved ? *moved : TRY(ask_where(done));
    }
    return finish({}, 0);
  }

  // How far the blob is there after one more chunk.
  Result<std::uint64_t> send_chunk(std::uint64_t from) {
    const std::uint64_t size = std::min(std::max(options_.chunk, least_chunk_), blob_.size - from);
    Ask ask{.method = "PATCH",
            .url = location_,
            .body = slice(content_, from, size, options_.progress),
            .repeatable = false};
    ask.headers.add("Content-Type", "application/octet-stream");
    ask.headers.add("Content-Range", fmt::format("{}-{}", from, from + size - 1));
    auto answer = TRY(send(std::move(ask)));
    if (answer.status() != 202) return answer_error(answer, what_);
    TRY(move_on(answer));
    return end_of_range(answer, from + size);
  }

  // Where the session stands; a session that is gone begins anew.
  Result<std::uint64_t> ask_where(std::uint64_t done) {
    auto answer = TRY(send({.method = "GET", .url = location_}));
    if (answer.status() == 404) {
      location_.clear();
      return std::uint64_t{0};
    }
    if (answer.status() != 204 && answer.status() != 202) return answer_error(answer, what_);
    TRY(move_on(answer));
    return end_of_range(answer, done);
  }

  // "Range: 0-N" of an answer: N + 1 bytes are there. "0-0" may mean one byte, and is what docker's registry
  // says for none; with chunks of more than one byte it can only be none.
  Result<std::uint64_t> end_of_range(const Exchange& answer, std::uint64_t otherwise) const {
    const std::string* text = answer.headers().find("Range");
    if (text == nullptr) return otherwise;
    const auto dash = text->find('-');
    std::uint64_t last = 0;
    if (dash == std::string::npos ||
        std::from_chars(text->data() + dash + 1, text->data() + text->size(), last).ec != std::errc() ||
        last >= blob_.size)
      return fail(EPROTO, "{}: the registry says it has the bytes \"{}\"", what_, *text);
    return last == 0 && blob_.size > 1 ? 0 : last + 1;
  }

  // Best effort: registries forget what nobody finishes.
  void cancel() {
    if (location_.empty()) return;
    (void)repository_.registry().send(
        {.method = "DELETE", .url = location_, .scope = scope_, .repeatable = false});
    location_.clear();
  }

  Repository& repository_;
  const image::Descriptor& blob_;
  const Body& content_;
  const UploadOptions& options_;
  const Scope scope_;
  const std::string what_;
  std::string location_;
  std::uint64_t least_chunk_ = 0;
};

}  // namespace

Result<Sent> upload_blob(Repository& repository, const image::Descriptor& blob, const Body& content,
                         const UploadOptions& options) {
  return Upload(repository, blob, content, options).run();
}

Result<bool> have_without_sending(Repository& repository, const image::Descriptor& blob, const std::vector<std::string>& mount_from) {
  const Body nothing;
  const UploadOptions options{.mount_from = mount_from};
  return Upload(repository, blob, nothing, options).without_sending();
}

}  // namespace acetate::registry
