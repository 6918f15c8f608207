// Runs in a container and makes the system calls that its filter must refuse, with arguments that would do something.
// Prints those that were let through; exit code 1 when any was. Linked statically. "prober session-keyring" prints which one it has.
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace {

struct Try {
  const char* name;
  long number;
  long arguments[5];
  int wanted;  // errno
};

const Try kTries[] = {
    {"add_key", SYS_add_key, {reinterpret_cast<long>("user"), reinterpret_cast<long>("k"), reinterpret_cast<long>("v"), 1, -3}, EPERM},
    {"keyctl", SYS_keyctl, {0, -3, 0, 0, 0}, EPERM},
    {"request_key", SYS_request_key, {reinterpret_cast<long>("user"), reinterpret_cast<long>("k"), 0, 0, 0}, EPERM},
    {"bpf", SYS_bpf, {0, 0, 0, 0, 0}, EPERM},
    {"userfaultfd", SYS_userfaultfd, {0, 0, 0, 0, 0}, EPERM},
    {"perf_event_open", SYS_perf_event_open, {0, 0, -1, -1, 0}, EPERM},
    {"io_uring_setup", SYS_io_uring_setup, {1, 0, 0, 0, 0}, EPERM},
    {"open_by_handle_at", SYS_open_by_handle_at, {AT_FDCWD, 0, 0, 0, 0}, EPERM},
    {"kexec_load", SYS_kexec_load, {0, 0, 0, 0, 0}, EPERM},
    {"init_module", SYS_init_module, {0, 0, 0, 0, 0}, EPERM},
    {"delete_module", SYS_delete_module, {0, 0, 0, 0, 0}, EPERM},
    {"mount", SYS_mount, {0, 0, 0, 0, 0}, EPERM},
    {"umount2", SYS_umount2, {reinterpret_cast<long>("/proc"), MNT_DETACH, 0, 0, 0}, EPERM},
    {"pivot_root", SYS_pivot_root, {reinterpret_cast<long>("/"), reinterpret_cast<long>("/"), 0, 0, 0}, EPERM},
    {"setns", SYS_setns, {0, 0, 0, 0, 0}, EPERM},
    {"unshare user", SYS_unshare, {CLONE_NEWUSER, 0, 0, 0, 0}, EPERM},
    {"clone user", SYS_clone, {CLONE_NEWUSER | 17, 0, 0, 0, 0}, EPERM},
    {"clone3", SYS_clone3, {0, 0, 0, 0, 0}, ENOSYS},
    {"swapon", SYS_swapon, {reinterpret_cast<long>("/"), 0, 0, 0, 0}, EPERM},
    {"reboot", SYS_reboot, {0, 0, 0, 0, 0}, EPERM},
    {"settimeofday", SYS_settimeofday, {0, 0, 0, 0, 0}, EPERM},
    {"acct", SYS_acct, {0, 0, 0, 0, 0}, EPERM},
    {"process_vm_readv", SYS_process_vm_readv, {1, 0, 0, 0, 0}, EPERM},
    {"syslog", SYS_syslog, {3, 0, 0, 0, 0}, EPERM},
    {"fsopen", SYS_fsopen, {reinterpret_cast<long>("tmpfs"), 0, 0, 0, 0}, EPERM},
    {"move_mount", SYS_move_mount, {0, 0, 0, 0, 0}, EPERM},
    {"open_tree", SYS_open_tree, {AT_FDCWD, reinterpret_cast<long>("/"), 1, 0, 0}, EPERM},
    {"socket AF_ALG", SYS_socket, {AF_ALG, SOCK_SEQPACKET, 0, 0, 0}, EPERM},
    {"socket AF_VSOCK", SYS_socket, {AF_VSOCK, SOCK_STREAM, 0, 0, 0}, EPERM},
};

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::strcmp(argv[1], "session-keyring") == 0) {
    const long keyring = syscall(SYS_keyctl, 0 /* KEYCTL_GET_KEYRING_ID */, -3 /* KEY_SPEC_SESSION_KEYRING */, 0);
    std::printf("%ld\n", keyring);
    return keyring > 0 ? 0 : 1;
  }
  int through = 0, tried = 0;
  for (const Try& each : kTries) {
    ++tried;
    errno = 0;
    const long answer = syscall(each.number, each.arguments[0], each.arguments[1], each.arguments[2], each.arguments[3], each.arguments[4]);
    if (answer == 0 && each.number == SYS_clone) _exit(0);  // the child it should never have got
    // With one id kexec_load is played, as package managers test it for.
    const bool played = answer == 0 && each.number == SYS_kexec_load;
    if (played || (answer == -1 && errno == each.wanted)) continue;
    std::printf("%s: answered %ld, errno %d instead of %d\n", each.name, answer, errno, each.wanted);
    through = 1;
  }
  std::printf("%d calls tried\n", tried);
  return through;
}
