#!/usr/bin/env python3
"""Drives `acetate run -t` as a person at a terminal does; prints "ok" or "FAIL" and what, a line for each check.

usage: terminal.py IMAGE
"""
import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import threading
import time

IMAGE = sys.argv[1]


def check(what, good, detail=""):
    print(f"{'ok  ' if good else 'FAIL'} {what}{'' if good else ': ' + repr(detail)}", flush=True)


class Session:
    """A command on a pseudo terminal of its own."""

    def __init__(self, *options, script=None, rows=24, columns=80, at="-it", output=None, below=(), **others):
        self.ours, theirs = pty.openpty()
        self.resize(rows, columns)
        self.name = os.ttyname(theirs)
        self.theirs = theirs
        self.before = termios.tcgetattr(theirs)
        self.text = ""
        self.silent_since = time.monotonic()

        def lead():
            # A shell that starts us in the background has them ignored, and no shell traps what it was started with so.
            for each in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
                signal.signal(each, signal.SIG_DFL)
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.process = subprocess.Popen([*below, "acetate", "run", *([at] if at else []), *options, IMAGE, "sh", *(["-c", script] if script else [])],
                                        stdin=theirs, stdout=theirs if output is None else output, stderr=theirs, preexec_fn=lead, **others)

    def resize(self, rows, columns):
        fcntl.ioctl(self.ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.ours, text.encode())

    def wait_for(self, pattern):
        """Reads until the pattern has been shown; nothing more comes once the command has ended, or has long said nothing."""
        while not self.shows(pattern):
            if self.process.poll() is not None:
                self.drain()
                break
            if select.select([self.ours], [], [], 0.1)[0]:
                self.text += os.read(self.ours, 65536).decode(errors="replace")
                self.silent_since = time.monotonic()
            elif time.monotonic() - self.silent_since > 60:
                self.process.kill()
                break
        return self.shows(pattern)

    def shows(self, pattern):
        """Of late; without what moves the cursor."""
        return re.search(pattern, re.sub(r"\x1b\[[0-9;]*[A-Za-z]", "", self.text[-4096:]), re.M) is not None

    def forget(self):
        """What was shown so far is not looked for again."""
        self.text = ""

    def drain(self):
        fcntl.fcntl(self.ours, fcntl.F_SETFL, os.O_NONBLOCK)
        try:
            while chunk := os.read(self.ours, 65536):
                self.text += chunk.decode(errors="replace")
        except (BlockingIOError, OSError):
            pass

    def end(self):
        # What it still writes must be read, or it would wait for us.
        stop = threading.Event()

        def read():
            while not stop.is_set():
                if select.select([self.ours], [], [], 0.05)[0]:
                    try:
                        self.text += os.read(self.ours, 65536).decode(errors="replace")
                    except OSError:
                        return

        reader = threading.Thread(target=read)
        reader.start()
        code = self.process.wait()
        stop.set()
        reader.join()
        self.drain()
        return code

    def hang_up(self):
        """As when the window is closed, or the connection is lost."""
        os.close(self.theirs)
        os.close(self.ours)

    def paste_until_full(self):
        """Pastes until no more is taken while the command goes on showing something; False when it no longer does."""
        os.set_blocking(self.ours, False)
        shown = 0
        while shown < 5:
            try:
                os.write(self.ours, b"x" * 99 + b"\n")
                shown = 0
            except BlockingIOError:
                self.text = ""
                if not self.wait_for("tick"):
                    return False
                shown += 1
        return True

    def mode_is_back(self):
        return termios.tcgetattr(self.theirs) == self.before


def memory_stalls():
    """How often somebody had to wait for memory since this machine started."""
    with open("/proc/vmstat") as file:
        return sum(int(line.split()[1]) for line in file if line.startswith("allocstall"))


# A new size comes by a signal to us and on from there, beside what is typed: the command looks until it is there.
session = Session(script="stty size; echo ready; read x; n=0; "
                         "while [ \"$(stty size)\" = '31 97' ] && [ $n -lt 600 ]; do n=$((n + 1)); sleep 0.1; done; "
                         "stty size; echo got $x; exit 4", rows=31, columns=97)
check("it begins with our size", session.wait_for(r"31 97"), session.text)
session.wait_for("ready")
check("it is raw while the container has it", not termios.tcgetattr(session.theirs)[3] & termios.ICANON)
session.resize(40, 120)
session.type("a word\r")
check("it follows a change of size, and hears what is typed", session.wait_for("got a word"), session.text)
check("the new size is seen", "40 120" in session.text, session.text)
check("its exit code comes out", session.end() == 4)
check("the terminal is as it was", session.mode_is_back())

session = Session(script="trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 0.05; done")
session.wait_for("ready")
session.type("\x03")
check("^C reaches the command once", session.wait_for("interrupted") and session.text.count("interrupted") == 1, session.text)
check("and its answer comes out", session.end() == 9)
check("the terminal is as it was after ^C", session.mode_is_back())

session = Session("--init", script="trap '' TSTP; echo ready; read x; echo still here; exit 6")
session.wait_for("ready")
session.type("\x1a")
session.type("\r")
check("^Z is the container's, not ours", session.wait_for("still here"), session.text)
check("and the command ends as it would", session.end() == 6)

# The kernel's terminals lose what they have no memory for at that moment, and tell the writer of success (n_tty_write(), tty_buffer_alloc()): a run during which
# memory was short is tried again.
for attempt in range(3):
    stalled = memory_stalls()
    session = Session(script="seq 1 100000 && echo last")
    code = session.end()
    numbers = [int(n) for n in re.findall(r"^(\d+)\r?$", session.text, re.M)]
    whole = code == 0 and numbers == list(range(1, 100001))
    if whole or memory_stalls() == stalled:
        break
gaps = [(a, b) for a, b in zip([0, *numbers], [*numbers, 100001]) if b != a + 1]
check("a lot of output comes out whole and in order", whole, (code, len(numbers), gaps[:5]))
check("and the last words too", session.text.rstrip().endswith("last"), session.text[-50:])

# A person at a shell's prompt, with job control.
session = Session("-e", "PS1=now> ")
check("a shell shows its prompt", session.wait_for(r"now> $"), session.text)
session.type("echo lost\x03")
check("^C at the prompt gives another one", session.wait_for(r"echo lost\^C\s+now> $"), session.text)
session.forget()
session.type("echo $((40 + 2))\r")
check("and what was typed before it is not run", session.wait_for(r"42\s+now> $") and not re.search(r"^lost", session.text, re.M), session.text)
session.forget()
session.type("sh -c 'echo begun; exec sleep 86393'\r")
session.wait_for(r"^begun")
session.type("\x03")
check("^C ends what runs, and not the shell", session.wait_for(r"now> $"), session.text)
session.type("echo code $?\r")
check("with SIGINT", session.wait_for(r"code 130\s+now> $"), session.text)
session.forget()
session.type("sh -c 'echo begun; read x; echo got $x'\r")
session.wait_for(r"^begun")
session.type("\x1a")
check("^Z stops what runs, and the shell says so", session.wait_for(r"Stopped[^\n]*\n(.*\n)?now> $"), session.text)
session.type("fg\r")
session.wait_for(r"now> fg\s+sh -c .*\n")
session.type("a line\r")
check("fg goes on with it", session.wait_for(r"^got a line\s+now> $"), session.text)
session.forget()
session.type("sh -c 'trap \"stty size; exit 0\" WINCH; echo begun; while :; do sleep 0.05; done'\r")
session.wait_for(r"^begun")
session.resize(50, 132)
check("what runs below the shell is told of a new size, and sees it", session.wait_for(r"^50 132\s+now> $"), session.text)
session.forget()
session.type("seq 1 100000\r")
session.wait_for(r"^100000\s+now> $")
numbers = [int(n) for n in re.findall(r"^(\d+)\r?$", session.text, re.M)]
check("100,000 lines come before the next prompt, whole and in order", numbers == list(range(1, 100001)), (len(numbers), session.text[-50:]))
session.type("exit 3\r")
check("the shell's exit code comes out", session.end() == 3)
check("the terminal is as it was after the shell", session.mode_is_back())

session = Session(script="tty; test -t 0 && test -t 1 && test -t 2 && echo all three")
session.end()
check("it has a name inside", "/dev/pts/0" in session.text or "/dev/console" in session.text, session.text)
check("and is all three descriptors", "all three" in session.text, session.text)

session = Session("--init", script="echo ready; exec sleep 86397")
session.wait_for("ready")
session.process.send_signal(signal.SIGTERM)
check("SIGTERM of ours ends it", session.end() in (143, 137), session.text)
check("the terminal is as it was after that", session.mode_is_back())

for key, name, code in (("\x03", "INT", 9), ("\x1c", "QUIT", 8)):
    session = Session(at="", script=f"trap 'echo interrupted; exit {code}' {name}; echo ready; while :; do sleep 0.05; done")
    session.wait_for("ready")
    session.type(key)
    got = session.end()
    check(f"SIG{name} of the terminal reaches a command without one, once", got == code and session.text.count("interrupted") == 1, (got, session.text))

for at in ("-it", ""):
    how = f"with {at}" if at else "without -t"
    session = Session(at=at, script="trap 'exit 7' HUP; echo ready; while :; do sleep 0.05; done")
    session.wait_for("ready")
    session.hang_up()
    code = session.process.wait()
    check(f"that the terminal is gone is told to the command, {how}", code == 7, code)

    # The shell is told, and not we; what it had in front of the terminal is, when it ends. All of ours hold the pipe.
    held, holding = os.pipe()
    session = Session(at=at, script="trap 'exit 7' HUP; echo ready; while :; do sleep 0.05; done", below=("sh", "-c", '"$@"; exit 7', "sh"), pass_fds=(holding,))
    os.close(holding)
    session.wait_for("ready")
    session.hang_up()
    os.read(held, 1)
    session.process.wait()
    os.close(held)
    check(f"and so it is where a shell is between, {how}", True)

session = Session(script="echo ready; exec cat")
session.wait_for("ready")
session.hang_up()
session.process.wait()
check("who reads from a terminal that is gone does not wait for ever", True)

# Whoever starts us may have SIGPIPE ignored, as Python has, or not, as a shell.
for restored in (True, False):
    read, write = os.pipe()
    session = Session(at="-t", script="exec yes", output=write, restore_signals=restored)
    os.close(write)
    os.read(read, 1)
    os.close(read)
    session.process.wait()
    check(f"nobody reads its output any more, and it ends{'' if restored else ', where SIGPIPE is ignored'}", session.mode_is_back())

session = Session(script="trap 'exit 5' TERM; echo ready; while sleep 0.05; do echo tick; done")
session.wait_for("ready")
check("input that nobody reads does not keep output back", session.paste_until_full(), session.text[-50:])
session.process.send_signal(signal.SIGTERM)
check("nor a signal", session.end() == 5)
check("the terminal is as it was after that too", session.mode_is_back())

print("ok   over")
