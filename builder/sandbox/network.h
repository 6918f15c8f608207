// The network of a container that is neither the host's nor none: a namespace made beforehand, and a helper process
// that carries its packets as the person who runs us, pasta(1) or slirp4netns(1).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "base/sys/process.h"
#include "builder/sandbox/spec.h"

namespace acetate::sandbox {

// Lives as long as the container; without it packets go nowhere.
class NetworkHelper {
 public:
  // The namespace is bound to a file in `dir`, which runtimes are given. Returns when it is configured. Errors name the
  // helper, say what it said, and the way out. spec.network is pasta or slirp4netns.
  static Result<NetworkHelper> start(const Spec& spec, const std::string& dir);
  NetworkHelper(NetworkHelper&&) noexcept;
  NetworkHelper& operator=(NetworkHelper&&) = delete;
  ~NetworkHelper();

  const std::string& path() const noexcept { return path_; }

 private:
  explicit NetworkHelper(std::string path) : path_(std::move(path)) {}
  std::string path_;  // empty: moved from
  sys::Child child_;
  pid_t daemon_ = 0;  // pasta leaves us once it is ready
};

// What resolv.conf of such a container names where our own nameservers cannot be reached from in there.
inline constexpr const char* kSlirpNameserver = "10.0.2.3";
inline constexpr const char* kPastaNameserver = "169.254.1.1";

// The helper's command line. Pure; for tests.
std::vector<std::string> pasta_command(const std::string& program, const Spec& spec, const std::string& ns,
                                       const std::string& pid_file);
// The same of slirp4netns, started in the directory that its socket is to be in, if there are ports to ask it for.
std::vector<std::string> slirp_command(const std::string& program, const Spec& spec, const std::string& ns);
// What slirp4netns is asked for each port, as its API has it.
std::string slirp_request(const Port& port);

}  // namespace acetate::sandbox
