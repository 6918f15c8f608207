// Local sockets, as far as descriptors are handed over on them.
#pragma once

#include "base/fd.h"
#include "base/result.h"

namespace acetate::sys {

// A stream socket that listens under a name in a directory; close-on-exec. The path of the directory may be of
// any length.
Result<Fd> listen_at(FileAt at);
Result<Fd> accept(FdRef listener);

// The descriptor in the next message (SCM_RIGHTS), close-on-exec. EPROTO when the message carries none or more
// than one, or the other side hung up.
Result<Fd> receive_fd(FdRef socket);

}  // namespace acetate::sys
