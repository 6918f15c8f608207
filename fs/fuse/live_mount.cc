#include "fs/fuse/live_mount.h"

#include <unistd.h>

#include "base/log.h"
#include "base/sys/file.h"
#include "fs/fuse/metrics.h"
#include "layers/layer_spec.h"

namespace acetate::fs {

namespace {

// "a/b" of "/a//b/": a path in the mount.
std::string within_of(std::string_view text) {
  std::string path;
  while (!text.empty()) {
    const std::string_view name = text.substr(0, text.find('/'));
    text.remove_prefix(std::min(name.size() + 1, text.size()));
    if (name.empty() || name == ".") continue;
    if (!path.empty()) path += '/';
    path += name;
  }
  return path;
}

Result<std::string> lasting_name(const std::string& element, const std::string& here) {
  LayerSpec spec = TRY(parse_layer_spec(element));
  // Nothing is normalised: what "..", behind a symlink, means is the kernel's to say.
  if (!spec.path.starts_with('/')) spec.path = here + "/" + spec.path;
  return format_layer_spec(spec);
}

bool has_no_xattrs(const Lowers& lowers) {
  constexpr std::size_t kAtATime = 4096;
  const auto search = lowers.search_xattrs();
  if (!search) return false;
  auto answer = XattrSearch::Answer::not_yet;
  while (answer == XattrSearch::Answer::not_yet) answer = search->go_on(kAtATime);
  return answer == XattrSearch::Answer::none;
}

}  // namespace

Result<std::unique_ptr<LiveMount>> LiveMount::make(Overlay& overlay, Session& session, std::vector<std::string> lowers,
                                                   Lowers opened, FollowMarks follow, Places places) {
  std::string here(4096, '\0');
  if (::getcwd(here.data(), here.size()) == nullptr) here.clear();
  here.resize(std::min(here.find('\0'), here.size()));
  const auto lasting = [&](std::string& path) {
    if (!path.starts_with('/')) path = here + "/" + path;
  };
  for (std::string& lower : lowers) lower = TRY(lasting_name(lower, here));
  lasting(places.mountpoint);
  if (places.upper) lasting(*places.upper);
  if (places.work) lasting(*places.work);
  return std::unique_ptr<LiveMount>(
      new LiveMount(overlay, session, std::move(lowers), std::move(opened), follow, std::move(places)));
}

void LiveMount::listen() {
  const auto device = session_.device();
  if (!device) return log::info("no control socket: the device number of the mount is not known");
  auto server = ControlServer::start(*device, [this](std::string_view request) { return answer(request); });
  if (!server) return log::info("no control socket: {}", server.error().message());
  server_ = *std::move(server);
}

Result<std::string> LiveMount::answer(std::string_view request) {
  const std::string_view verb = request.substr(0, request.find(' '));
  const std::string_view rest = request.substr(std::min(verb.size() + 1, request.size()));
  if (verb == "stat") return counters(rest);
  std::vector<std::string> names;
  {
    Lock lock(mutex_);
    names = names_;
  }
  if (verb == "refresh") return use(std::move(names), within_of(rest));
  if (verb == "add-top" || verb == "add-bottom") {
    if (rest.empty()) return fail(EINVAL, "{} needs a layer", verb);
    names.insert(verb == "add-top" ? names.begin() : names.end(), std::string(rest));
    return use(std::move(names), "");
  }
  return fail(EINVAL, "'{}' is none of stat, refresh, add-top and add-bottom", verb);
}

Result<std::string> LiveMount::use(std::vector<std::string> names, std::string_view within) {
  if (!layers_stay_.empty()) return fail(EBUSY, "{}, so the layers stay what they are", layers_stay_);
  // By its name a layer that the mount covers is the mount now, which would be asked about itself.
  for (const std::string& name : names) {
    const std::string path = TRY(parse_layer_spec(name)).path;
    if (const auto st = sys::stat_following(path); st && st->st_dev == session_.device())
      return fail(EINVAL, "lower layer {} is the mount itself, or lies in it", path);
  }
  Lowers fresh = TRY(open_lowers(names, follow_));
  // The kernel has stopped to open files for good, and a program must be here whole before it is mapped.
  if (fresh.is_lazy && session_.leaves_open_out())
    return fail(EBUSY, "a layer is not all here yet, and what a read-only mount shows is not opened before it is used: fetch the layer first (acetate seal), or mount anew with it");
  Places places = places_;
  places.lowers = fresh.directories;
  TRY(check_places(places));
  if (session_.settle_xattrs() && !has_no_xattrs(fresh))
    return fail(EBUSY, "something in the layers has extended attributes, or may have, and the kernel was told for good that nothing has any: mount anew (with noxattrs=0 where layers are to change)");
  session_.refresh(fresh.tree, within);
  Lock lock(mutex_);
  names_ = std::move(names);
  opened_ = std::move(fresh);
  return std::string();
}

DaemonState LiveMount::state() {
  DecodeCount decoded;
  std::uint64_t layers = 0;
  {
    Lock lock(mutex_);
    layers = names_.size();
    for (const Lowers::Tarball& tarball : opened_.tarballs) decoded += tarball.bytes->counted();
  }
  return daemon_state(overlay_, layers, session_.passed_files(), session_.given_bytes(), decoded);
}

Result<std::string> LiveMount::counters(std::string_view format) {
  if (format == "json") return metrics_as_json(session_.metrics(), state());
  if (format == "prometheus") return metrics_as_prometheus(session_.metrics(), state());
  if (format == "text" || format.empty()) return metrics_as_summary(session_.metrics(), state());
  return fail(EINVAL, "'{}' is none of json, prometheus and text", format);
}

void LiveMount::print_summary() {
  // A closed stderr leaves nobody to tell.
  (void)sys::write_full(FdRef{STDERR_FILENO}, metrics_as_summary(session_.metrics(), state()));
}

void LiveMount::log_reads() {
  Lock lock(mutex_);
  opened_.log_reads();
}

}  // namespace acetate::fs
