// LiveMount: what a running mount can be asked and told through its control socket (fs/control.h).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/mutex.h"
#include "fs/fuse/control_server.h"
#include "fs/fuse/lowers.h"
#include "fs/fuse/session.h"
#include "fs/overlap.h"

namespace acetate::fs {

class LiveMount {
 public:
  // Remembers the lowers by names that stay true when the working directory changes. `session` outlives it.
  static Result<std::unique_ptr<LiveMount>> make(Overlay& overlay, Session& session, std::vector<std::string> lowers,
                                                 Lowers opened, FollowMarks follow, Places places);
  // Opens the control socket. Where there can be none (no directory of ours, a mount whose device is not known) the
  // mount works without: that is told in the log (info) only.
  void listen();
  // From here on no layer is added or refreshed: EBUSY. What is looked at of the first ones is being recorded. Before listen().
  void keep_layers(std::string why) { layers_stay_ = std::move(why); }
  // Closes it.
  void stop() { server_.reset(); }

  // Counters for whoever sends SIGUSR1, on standard error.
  void print_summary();
  void log_reads();

 private:
  LiveMount(Overlay& overlay, Session& session, std::vector<std::string> lowers, Lowers opened, FollowMarks follow, Places places)
      : overlay_(overlay),
        session_(session),
        follow_(follow),
        places_(std::move(places)),
        names_(std::move(lowers)),
        opened_(std::move(opened)) {}
  Result<std::string> answer(std::string_view request);
  Result<std::string> counters(std::string_view format);
  Result<std::string> use(std::vector<std::string> names, std::string_view within);
  DaemonState state();

  Overlay& overlay_;
  Session& session_;
  const FollowMarks follow_;  // of layers that come later too
  const Places places_;  // of everything but the lowers
  std::string layers_stay_;  // why, if they do
  Mutex mutex_;
  std::vector<std::string> names_ GUARDED_BY(mutex_);  // of the lowers, top first
  Lowers opened_ GUARDED_BY(mutex_);
  std::unique_ptr<ControlServer> server_;
};

}  // namespace acetate::fs
