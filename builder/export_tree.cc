#include "builder/export_tree.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "base/sys/file.h"
#include "base/sys/open.h"
#include "base/sys/xattr.h"
#include "layers/delta.h"
#include "layers/tar/layer_writer.h"

namespace acetate::build {

namespace {

using Kind = DeltaOp::Kind;

std::optional<timespec> latest(const TimeRule& times) {
  if (times.kind != TimeRule::Kind::epoch) return std::nullopt;
  return timespec{.tv_sec = times.epoch, .tv_nsec = 0};
}

RelPath join(RelPath top, const RelPath& path) {
  for (const std::string_view part : path.components()) top = top.child(part);
  return top;
}

class TreeWriter {
 public:
  TreeWriter(Fd root, std::optional<timespec> latest, TreeOwners owners) : root_(std::move(root)), latest_(latest), owners_(owners) {}

  Result<void> add(const DeltaOp& op, const FileView* content) {
    if (op.path.is_root()) return {};
    const Fd parent = TRY(sys::open_beneath(root_.ref(), op.path.parent(), O_RDONLY | O_DIRECTORY));
    const std::string name(op.path.name());
    const FileAt at{parent.ref(), name.c_str()};
    if (op.attr.is_dir()) return add_dir(op, at);
    TRY(sys::remove_tree(at));
    if (op.kind == Kind::hardlink) {
      const Fd target = TRY(sys::open_beneath(root_.ref(), op.link_to, O_PATH | O_NOFOLLOW));
      return sys::link(target.ref(), at);
    }
    if (op.attr.is_regular()) return add_file(op, at, content);
    if (op.attr.is_symlink()) {
      TRY(sys::symlink(op.target.c_str(), at));
    } else {
      // Devices are for those who may make them: in a user namespace its root may not.
      const bool is_device = !S_ISFIFO(op.attr.mode);
      if (is_device && owners_ != TreeOwners::recorded) return {};
      auto made = sys::mknod(at, op.attr.mode, op.attr.rdev);
      if (!made) return is_device && made.error().is(EPERM) ? Result<void>() : std::move(made);
    }
    return finish(op, at);
  }

  // Directories last, since what is put into them changes their times and needs their permission.
  Result<void> finish_dirs() {
    for (auto op = dirs_.rbegin(); op != dirs_.rend(); ++op) {
      const Fd dir = TRY(sys::open_beneath(root_.ref(), op->path, O_RDONLY | O_DIRECTORY));
      TRY_WITHIN(dress(*op, dir.ref()), "writing {}", op->path.str());
    }
    return {};
  }

 private:
  Result<void> add_dir(const DeltaOp& op, FileAt at) {
    const auto there = sys::stat(at);
    if (there && !S_ISDIR(there->st_mode)) TRY(sys::remove_tree(at));
    if (auto made = sys::mkdir(at, 0700); !made && !made.error().is(EEXIST)) return made;
    dirs_.push_back(op);
    return {};
  }

  Result<void> add_file(const DeltaOp& op, FileAt at, const FileView* content) {
    const Fd file = TRY(sys::open(at, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600));
    if (content != nullptr) TRY(write_data(*content, file.ref()));
    return dress(op, file.ref());
  }

  // Holes stay holes.
  static Result<void> write_data(const FileView& content, FdRef file) {
    std::vector<std::byte> buffer(256 << 10);
    for (std::uint64_t offset = 0; offset < content.size();) {
      const Segment segment = content.segment(offset);
      if (segment.hole) {
        offset += segment.length;
        continue;
      }
      const auto length = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), segment.length));
      const std::size_t got = TRY(content.pread(std::span(buffer).first(length), offset));
      if (got == 0) break;
      TRY(sys::pwrite_full(file, std::span(buffer).first(got), offset));
      offset += got;
    }
    return sys::truncate(file, content.size());
  }

  timespec time_of(const DeltaOp& op) const {
    const timespec time = op.attr.mtime;
    return latest_ && time.tv_sec >= latest_->tv_sec ? *latest_ : time;
  }

  // Owner, attributes, mode, then times: each changes what comes before it.
  Result<void> dress(const DeltaOp& op, FdRef file) {
    if (owners_ == TreeOwners::recorded) TRY(sys::chown(file, op.attr.uid, op.attr.gid));
    if (owners_ != TreeOwners::ours) {
      for (const Xattr& xattr : op.xattrs) {
        auto set = sys::set_xattr(file, xattr.name.c_str(), xattr.value);
        // Of a kind that this file system, or this user, cannot have.
        if (!set && !set.error().is(ENOTSUP) && !set.error().is(EPERM)) return set;
      }
    }
    // Without the owner, a set-id bit would mean somebody else.
    TRY(sys::chmod(file, op.attr.mode & (owners_ != TreeOwners::ours ? 07777 : 01777)));
    const timespec times[2] = {time_of(op), time_of(op)};
    return sys::set_times(file, times);
  }

  Result<void> finish(const DeltaOp& op, FileAt at) {
    if (owners_ == TreeOwners::recorded) TRY(sys::chown(at, op.attr.uid, op.attr.gid));
    const timespec times[2] = {time_of(op), time_of(op)};
    return sys::set_times(at, times);
  }

  Fd root_;
  std::optional<timespec> latest_;
  TreeOwners owners_;
  std::vector<DeltaOp> dirs_;
};

}  // namespace

Result<void> write_tree_tar(const std::vector<PlacedTree>& trees, const TimeRule& times, FdRef out) {
  LayerWriter writer([&](auto bytes) { return sys::write_full(out, bytes); }, {.clamp_mtime = latest(times)});
  for (const auto& [tree, below] : trees) {
    const RelPath top = TRY(RelPath::parse(below));
    TRY(read_upper(tree, nullptr, [&](const DeltaOp& op, const FileView* content) {
      if (top.is_root()) return writer.add(op, content);
      DeltaOp placed = op;
      placed.path = join(top, op.path);
      placed.link_to = join(top, op.link_to);
      return writer.add(placed, content);
    }));
  }
  return writer.finish();
}

Result<void> write_tree_dir(const LayerPtr& tree, const TimeRule& times, const std::string& dir, TreeOwners owners) {
  TRY_WITHIN(sys::make_dirs(dir, 0755), "making {}", dir);
  TreeWriter writer(TRY(sys::open(dir, O_RDONLY | O_DIRECTORY)), latest(times), owners);
  TRY_WITHIN(read_upper(tree, nullptr,
                        [&](const DeltaOp& op, const FileView* content) -> Result<void> {
                          TRY_WITHIN(writer.add(op, content), "/{}", op.path.str());
                          return {};
                        }),
             "writing to {}", dir);
  return writer.finish_dirs();
}

Result<void> write_tree_dir(const LayerPtr& tree, const TimeRule& times, const std::string& dir, bool owners) {
  return write_tree_dir(tree, times, dir, owners ? TreeOwners::recorded : TreeOwners::ours);
}

}  // namespace acetate::build
