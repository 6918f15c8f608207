// From values to replies. serve() is the daemon's only catch.
#pragma once

#include <exception>
#include <utility>

#include "base/log.h"
#include "base/result.h"
#include "fs/fuse/fuse.h"
#include "fs/fuse/gate.h"
#include "fs/fuse/metrics.h"
#include "fs/fuse/wire.h"
#include "fs/overlay.h"

namespace acetate::fs {

// What every operation needs to know: the session's user data.
struct Served {
  Overlay& overlay;
  Metrics& metrics;
  Gate& gate;
  double timeout;    // of entries, absences and attributes
  bool keep_cache;   // timeout is not 0
  bool durable;      // else fsync is answered with ENOSYS, and the kernel stops asking
  bool xattrs;
  class XattrAbsence* xattr_absence;  // set: that there are none may be found out
  bool acl;
  bool writeback;
  bool exact;               // listings bring no attributes along
  bool upper_drops_suid;    // what the daemon writes drops suid by itself
  bool drops_suid = false;  // set at INIT: dropping it is ours to do
  bool without_opendir = false;  // set at INIT: OPENDIR is answered once, with ENOSYS
  class GiveBack* give_back;
  class FirstPages& first_pages;
  class Passthrough* passthrough;   // set: files of the upper may be passed through, if the kernel agrees
  int connection = -1;              // /dev/fuse, or what stands for it
  class StatelessFiles* stateless;  // set: OPEN is answered once, with ENOSYS
  Wire wire;
};

inline Served& served(fuse_req_t req) { return *static_cast<Served*>(fuse_req_userdata(req)); }

struct stat to_stat(const Attr& attr) noexcept;

// For how long what stat(2) says of a file may be kept.
double attribute_timeout(const Served& context, Ino ino) noexcept;
fuse_entry_param entry_of(const Served& context, const Found& found) noexcept;

// An entry; should the kernel have given up on the request, the reference it would have held is given back.
void reply_found(fuse_req_t req, const Found& found);
void reply_absent(fuse_req_t req);  // a negative entry, as long-lived as a positive one
void reply_attr(fuse_req_t req, fuse_ino_t ino, const Attr& attr);

// Every callback goes through here: an error becomes its errno, and nothing is thrown past a C frame. `answer` gets
// the value. It must not throw once it has replied: a request is answered once.
template <class Operation, class Answer>
void serve(fuse_req_t req, Operation&& operation, Answer&& answer) noexcept {
  try {
    auto result = operation();
    if (!result) {
      if (result.error().is(EIO)) log::error("{}", result.error().message());
      fuse_reply_err(req, result.error().code());
      return;
    }
    answer(*std::move(result));
  } catch (const std::bad_alloc&) {
    fuse_reply_err(req, ENOMEM);
  } catch (const std::exception& error) {
    log::error("an operation failed: {}", error.what());
    fuse_reply_err(req, EIO);
  } catch (...) {
    log::error("an operation failed for a reason that has no words");
    fuse_reply_err(req, EIO);
  }
}

// Where success has nothing to say.
template <class Operation>
void serve(fuse_req_t req, Operation&& operation) noexcept {
  serve(req, std::forward<Operation>(operation), [req](auto&&) { fuse_reply_err(req, 0); });
}

}  // namespace acetate::fs
