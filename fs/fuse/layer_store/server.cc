#include "fs/fuse/layer_store/server.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <memory>

#include "base/scope.h"
#include "fs/fuse/fuse.h"
#include "fs/fuse/mounting.h"
#include "fs/fuse/reply.h"
#include "fs/fuse/signals.h"

namespace acetate::fs {

namespace {

constexpr double kForEver = 1e9;
// Lookups that wait for a registry, and reads that wait for bytes, have a thread each: one that does not answer must leave some for the others.
// libfuse makes them as they are needed.
constexpr unsigned kThreads = 128, kIdleThreads = 10;

LayerStoreTree& tree_of(fuse_req_t req) { return *static_cast<LayerStoreTree*>(fuse_req_userdata(req)); }

// What OPEN and OPENDIR give to those that come after.
template <class T>
std::uint64_t handle_of(std::unique_ptr<T> object) {
  return reinterpret_cast<std::uint64_t>(object.release());
}
template <class T>
T& object_of(const fuse_file_info* file) {
  return *reinterpret_cast<T*>(file->fh);
}
using Listing = std::vector<LayerStoreTree::Listed>;

double lifetime(std::uint64_t ino) { return LayerStoreTree::is_volatile(ino) ? 0 : kForEver; }

// Else the kernel asks for one name of a directory after the other, and one dead registry keeps every image from being found.
void init(void*, fuse_conn_info* connection) { connection->want |= connection->capable & FUSE_CAP_PARALLEL_DIROPS; }

void lookup(fuse_req_t req, fuse_ino_t dir, const char* name) {
  fuse_entry_param entry{};
  serve(
      req,
      [&]() -> Result<void> {
        auto found = tree_of(req).lookup(dir, name);
        if (!found && !(found.error().is(ENOENT) && !LayerStoreTree::is_volatile(dir))) return std::move(found).error();
        entry.entry_timeout = kForEver;
        if (!found) return {};  // and it will never be there
        entry.ino = found->ino;
        entry.attr = to_stat(found->attr);
        entry.attr_timeout = lifetime(found->ino);
        return {};
      },
      [&](auto&&) { fuse_reply_entry(req, &entry); });
}

void getattr(fuse_req_t req, fuse_ino_t ino, fuse_file_info*) {
  serve(
      req, [&] { return tree_of(req).attr(ino); },
      [&](const Attr& attr) {
        const struct stat st = to_stat(attr);
        fuse_reply_attr(req, &st, lifetime(ino));
      });
}

void readlink(fuse_req_t req, fuse_ino_t ino) {
  serve(
      req, [&] { return tree_of(req).readlink(ino); }, [&](const std::string& target) { fuse_reply_readlink(req, target.c_str()); });
}

void open(fuse_req_t req, fuse_ino_t ino, fuse_file_info* file) {
  serve(
      req,
      [&]() -> Result<std::unique_ptr<FileView>> {
        if ((file->flags & O_ACCMODE) != O_RDONLY) return Error(EROFS);
        return tree_of(req).open(ino);
      },
      [&](std::unique_ptr<FileView> view) {
        file->keep_cache = 1;
        file->fh = handle_of(std::move(view));
        if (fuse_reply_open(req, file) != 0) delete &object_of<FileView>(file);
      });
}

void read(fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* file) {
  std::vector<std::byte> bytes;
  serve(
      req,
      [&] {
        bytes.resize(size);
        return object_of<FileView>(file).pread(bytes, static_cast<std::uint64_t>(offset));
      },
      [&](std::size_t count) { fuse_reply_buf(req, reinterpret_cast<const char*>(bytes.data()), count); });
}

void release(fuse_req_t req, fuse_ino_t, fuse_file_info* file) {
  delete &object_of<FileView>(file);
  fuse_reply_err(req, 0);
}

void opendir(fuse_req_t req, fuse_ino_t ino, fuse_file_info* file) {
  serve(
      req, [&] { return tree_of(req).list(ino); },
      [&](Listing listing) {
        listing.insert(listing.begin(), {{".", ino, S_IFDIR >> 12}, {"..", ino, S_IFDIR >> 12}});
        file->fh = handle_of(std::make_unique<Listing>(std::move(listing)));
        if (fuse_reply_open(req, file) != 0) delete &object_of<Listing>(file);
      });
}

void readdir(fuse_req_t req, fuse_ino_t, std::size_t size, off_t offset, fuse_file_info* file) {
  std::vector<char> buffer;
  std::size_t used = 0;
  serve(
      req,
      [&]() -> Result<void> {
        const auto& listing = object_of<Listing>(file);
        buffer.resize(size);
        for (auto at = static_cast<std::size_t>(offset); at < listing.size(); ++at) {
          struct stat st {};
          st.st_ino = listing[at].ino;
          st.st_mode = static_cast<mode_t>(listing[at].type) << 12;
          const std::size_t wanted = fuse_add_direntry(req, buffer.data() + used, size - used, listing[at].name.c_str(), &st,
                                                       static_cast<off_t>(at + 1));
          if (wanted > size - used) break;
          used += wanted;
        }
        return {};
      },
      [&](auto&&) { fuse_reply_buf(req, buffer.data(), used); });
}

void releasedir(fuse_req_t req, fuse_ino_t, fuse_file_info* file) {
  delete &object_of<Listing>(file);
  fuse_reply_err(req, 0);
}

// A value, or its length where nobody has room for it yet.
void reply_sized(fuse_req_t req, const std::string& value, std::size_t room) {
  if (room == 0)
    fuse_reply_xattr(req, value.size());
  else if (value.size() > room)
    fuse_reply_err(req, ERANGE);
  else
    fuse_reply_buf(req, value.data(), value.size());
}

void getxattr(fuse_req_t req, fuse_ino_t ino, const char* name, std::size_t size) {
  serve(
      req,
      [&]() -> Result<std::string> {
        for (auto& [key, value] : TRY(tree_of(req).xattrs(ino)))
          if (key == name) return std::move(value);
        return Error(ENODATA);
      },
      [&](const std::string& value) { reply_sized(req, value, size); });
}

void listxattr(fuse_req_t req, fuse_ino_t ino, std::size_t size) {
  serve(
      req,
      [&]() -> Result<std::string> {
        std::string names;
        for (const auto& [key, value] : TRY(tree_of(req).xattrs(ino))) names.append(key).push_back('\0');
        return names;
      },
      [&](const std::string& names) { reply_sized(req, names, size); });
}

// "Noted."
void create(fuse_req_t req, fuse_ino_t, const char*, mode_t, fuse_file_info*) { fuse_reply_err(req, ENOENT); }
void mknod(fuse_req_t req, fuse_ino_t, const char*, mode_t, dev_t) { fuse_reply_err(req, ENOENT); }
void rmdir(fuse_req_t req, fuse_ino_t, const char*) { fuse_reply_err(req, ENOENT); }

fuse_lowlevel_ops operations() {
  fuse_lowlevel_ops ops{};
  ops.init = init;
  ops.lookup = lookup;
  ops.getattr = getattr;
  ops.readlink = readlink;
  ops.open = open;
  ops.read = read;
  ops.release = release;
  ops.opendir = opendir;
  ops.readdir = readdir;
  ops.releasedir = releasedir;
  ops.getxattr = getxattr;
  ops.listxattr = listxattr;
  ops.create = create;
  ops.mknod = mknod;
  ops.rmdir = rmdir;
  return ops;
}

struct EndSession {
  void operator()(fuse_session* session) const { fuse_session_destroy(session); }
};

}  // namespace

Result<void> serve_layer_store(LayerStoreTree& tree, const std::string& mountpoint, const std::vector<std::string>& options,
                               const std::function<Result<void>()>& ready) {
  const std::string target = TRY(resolve_mountpoint(mountpoint));
  TRY(check_device());
  const fuse_lowlevel_ops ops = operations();
  std::vector<std::string> words{"acetate-layer-store", "-o", "fsname=acetate-layer-store,subtype=acetate-layer-store"};
  for (const auto& option : options) words.insert(words.end(), {"-o", option});
  std::vector<char*> argv;
  for (auto& word : words) argv.push_back(word.data());
  fuse_args arguments = FUSE_ARGS_INIT(static_cast<int>(argv.size()), argv.data());
  const LibfuseMessages said;
  const std::unique_ptr<fuse_session, EndSession> session(fuse_session_new(&arguments, &ops, sizeof ops, &tree));
  fuse_opt_free_args(&arguments);
  if (session == nullptr) return fail(EINVAL, "{}", said.text());
  if (fuse_session_mount(session.get(), target.c_str()) != 0)
    return fail(EPERM, "cannot mount at {}: {}{}", target, said.text(), mount_advice(options));
  const Undo unmount{[&] { fuse_session_unmount(session.get()); }};
  TRY(ready());
  auto watch = TRY(SignalWatch::start({.stop = [&](int) { fuse_session_exit(session.get()); }, .report = [] {}}, {}));
  const std::unique_ptr<fuse_loop_config, decltype(&fuse_loop_cfg_destroy)> config(fuse_loop_cfg_create(), fuse_loop_cfg_destroy);
  if (!config) return Error(ENOMEM);
  fuse_loop_cfg_set_clone_fd(config.get(), 0);
  fuse_loop_cfg_set_max_threads(config.get(), kThreads);
  fuse_loop_cfg_set_idle_threads(config.get(), kIdleThreads);
  const int ended = fuse_session_loop_mt(session.get(), config.get());
  watch.reset();
  return ended < 0 && !means_unmounted(-ended) ? Result<void>(Error(-ended).within("serving the mount")) : Result<void>();
}

}  // namespace acetate::fs
