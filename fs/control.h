// Talking to a running daemon: where its control socket is, and what is said on it. Links no libfuse.
//
// A daemon listens on <runtime directory>/overlay-MAJOR-MINOR.sock, by the device number of its mount: whoever sees the
// mount can name it, and only its user (or root) may connect. One request a connection: a line of words, then the end of
// what the client sends. The answer is "ok" and a line feed and what was asked for, or "error" and a sentence.
//
//   stat json|prometheus|text     counters
//   refresh [PATH]                a lower was changed behind our back: forget what was known of it (docs/man)
//   add-top LAYER, add-bottom LAYER   one lower more, above or below the others, from now on
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace acetate::fs {

// The directory the sockets are in, made if need be: $XDG_RUNTIME_DIR/acetate, else /tmp/acetate-UID with the user's id
// outside of our user namespace. EPERM with words where it is not ours alone.
Result<Fd> open_control_dir();
std::string control_socket_name(dev_t device);

// Asks the daemon whose mount `directory` lies in. What it says in words is the error's. ENOENT with words where none
// listens.
Result<std::string> ask_daemon(const std::string& directory, std::string_view request);

}  // namespace acetate::fs
