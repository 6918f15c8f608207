#!/usr/bin/env python3
"""Counts how often a signal reaches the command of `acetate run`, by whom it is sent to; prints "ok" or "FAIL" and what, a line for each check.

usage: signals.py IMAGE
"""
import os
import select
import signal
import subprocess
import sys

IMAGE = sys.argv[1]

def check(what, good, detail=""):
    print(f"{'ok  ' if good else 'FAIL'} {what}{'' if good else ': ' + repr(detail)}", flush=True)


def below(pid):
    """The processes below it, and it, in the order in which they were started."""
    try:
        with open(f"/proc/{pid}/task/{pid}/children") as file:
            children = file.read().split()
    except OSError:
        return []
    return [pid] + [each for child in children for each in below(int(child))]


def name(pid):
    with open(f"/proc/{pid}/comm") as file:
        return file.read().strip()


def start(*options, hangup=signal.SIG_DFL):
    def lead():
        os.setpgid(0, 0)
        for each in (signal.SIGINT, signal.SIGQUIT):  # ignored where a shell started us in the background
            signal.signal(each, signal.SIG_DFL)
        signal.signal(signal.SIGHUP, hangup)
    run = subprocess.Popen(["acetate", "run", *options, IMAGE, "/count"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, bufsize=0,
                           preexec_fn=lead)
    if run.stdout.readline() != b"up\n":
        raise SystemExit("FAIL it did not start")
    return run


def heard(run):
    """What it says after a signal, until it says nothing more for a moment: a second one would come in an instant."""
    said = b""
    while select.select([run.stdout], [], [], 0.1 if said else 30)[0]:
        more = os.read(run.stdout.fileno(), 4096)
        if not more:
            break
        said += more
    return said.decode().split()


SENT = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1)
for options, how in (((), ""), (("--init",), ", with an init"), (("--pid", "host"), ", with our processes")):
    run = start(*options)
    # As `timeout` and a shell's `kill %1` send it: to the whole group.
    for number in SENT:
        os.killpg(run.pid, number)
        said = heard(run)
        check(f"{number.name} for the group reaches the command once{how}", said == [number.name[3:]], said)
    # As `pkill acetate`: to each process of ours by itself, and to nobody else.
    for pid in below(run.pid):
        if name(pid).startswith("acetate") and name(pid) != "acetate-init":
            os.kill(pid, signal.SIGTERM)
    said = heard(run)
    check(f"SIGTERM for each process of ours reaches the command once{how}", said == ["TERM"], said)
    for number in SENT:
        os.kill(run.pid, number)
    said = heard(run)
    check(f"several at once all reach it{how}", sorted(said) == sorted(number.name[3:] for number in SENT), said)
    os.killpg(run.pid, signal.SIGUSR2)
    code = run.wait()
    check(f"and it ends by what it was told{how}", code == 4, code)
run = start(hangup=signal.SIG_IGN)
os.kill(run.pid, signal.SIGHUP)
os.kill(run.pid, signal.SIGTERM)
said = heard(run)
check("under nohup the command hears no SIGHUP of ours", said == ["TERM"], said)
os.killpg(run.pid, signal.SIGUSR2)
check("and goes on", run.wait() == 4)
print("ok   over")
