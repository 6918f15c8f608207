"""Running a Python function of ours as root or without: in a mount namespace, and for the rootless half of a table in
a user namespace as well, whose root has no privilege outside it.

Jobs are JSON on standard input, answers JSON on standard output; one process a job, so that whatever it mounted ends with it.
"""
import ctypes
import json
import os
import signal
import subprocess
import sys

CLONE_NEWNS, CLONE_NEWUSER = 0x00020000, 0x10000000
# Where real root puts the ids of a namespace that has no other's; users have their own range (newuidmap).
FIRST_ID, IDS = 1_000_000, 65536
LIBC = ctypes.CDLL(None, use_errno=True)


def unshare(flags):
    if LIBC.unshare(flags) != 0:
        raise OSError(ctypes.get_errno(), f"unshare: {os.strerror(ctypes.get_errno())}")


def enter(rootless):
    """Called in the job's process."""
    if rootless and os.geteuid() == 0 and not in_userns():
        made, mapped = os.pipe(), os.pipe()
        parent = os.getpid()
        child = os.fork()
        if child == 0:  # stays outside, where it may write any map
            os.read(made[0], 1)
            for kind in ("uid", "gid"):
                with open(f"/proc/{parent}/{kind}_map", "w") as file:
                    file.write(f"0 {FIRST_ID} {IDS}\n")
            os.write(mapped[1], b"!")
            os._exit(0)
        unshare(CLONE_NEWUSER)
        os.write(made[1], b"!")
        os.read(mapped[0], 1)
        os.waitpid(child, 0)
        os.setgroups([])
        os.setgid(0)
        os.setuid(0)
    os.environ["HOME"] = "/"  # nobody's own settings take part
    unshare(CLONE_NEWNS)
    if LIBC.mount(b"none", b"/", None, 0x4000 | 0x40000, None) != 0:  # MS_REC | MS_PRIVATE
        raise OSError(ctypes.get_errno(), "making mounts private")


def in_userns():
    with open("/proc/self/uid_map") as file:
        return sum(int(line.split()[2]) for line in file) < 2**32 - 1


def run(module, function, job, rootless):
    """The answer of module.function(job), from a process with that privilege."""
    command = [sys.executable, os.path.abspath(__file__), module, function]
    if rootless and os.geteuid() != 0:
        command = ["unshare", "--user", "--map-auto", "--map-root-user", *command]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        said, _ = process.communicate(json.dumps(dict(job, rootless=rootless)))
    except KeyboardInterrupt:
        process.terminate()  # it takes away what it mounted
        process.wait()
        raise
    if process.returncode != 0:
        raise subprocess.CalledProcessError(process.returncode, command)
    return json.loads(said.splitlines()[-1])


if __name__ == "__main__":
    # Whoever ends the run ends its jobs, and they take away what they mounted.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    LIBC.prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
    job = json.load(sys.stdin)
    function = getattr(__import__(sys.argv[1]), sys.argv[2])  # before its directory may be out of sight
    enter(job["rootless"])
    answer = function(job)
    print(json.dumps(answer))
