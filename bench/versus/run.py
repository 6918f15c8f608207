"""One round of one mount: mounted, worked on, unmounted. Run in a process of its own (privilege.py)."""
import os
import shutil
import subprocess
import sys
import tempfile

import mounts
import tree
import workloads


def fresh_place(base):
    """A directory in a block group of its own: for a new file ext4 passes over every inode of the group that was freed in the last minutes,
    and whoever comes after one that removed much would pay for that."""
    rounds = f"{base}/rounds"
    if not os.path.isdir(rounds):
        os.makedirs(rounds)
        subprocess.run(["chattr", "+T", rounds], stderr=subprocess.DEVNULL)  # only ext file systems know it, and need it
    return tempfile.mkdtemp(prefix="", dir=rounds)


def one(job):
    """{"seconds": {row: seconds}, "memory": {...} or None, "failed": {workload: why}}"""
    place = fresh_place(job["base"])
    os.makedirs(f"{job['base']}/scratch", exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = f"{job['base']}/cache"  # layer indexes, from one round to the next
    mount = mounts.Mount(job["mount"], job["command"])
    mounted = mounts.Mounted(mount, job["base"], place, job["layers"])
    at = workloads.Place(mounted.target, job["base"], job["tool"], f"{job['base']}/scratch")
    seconds = {} if mount.copies else {"mount": mounted.seconds}
    memory, failed = None, {}
    try:
        for one_workload in workloads.TABLE:
            if one_workload.name not in job["workloads"] or (one_workload.writes and not mount.writable):
                continue
            if one_workload.fresh:
                mounted.reopen()
            try:
                seconds.update(one_workload.run(at))
            except (subprocess.CalledProcessError, OSError) as error:
                failed[one_workload.name] = str(error)
            if one_workload.name == "walk":
                memory = mounted.memory()
    finally:
        mounted.close()
        shutil.rmtree(place, ignore_errors=True)
    return {"seconds": seconds, "memory": memory, "failed": failed}


def prepare(job):
    """The layers' names, once the tree is there."""
    return tree.prepare(job)


def remove(job):
    shutil.rmtree(job["base"], ignore_errors=True)
    return {}
