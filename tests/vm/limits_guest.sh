# What limits.sh does in its virtual machine, as pid 1. Says "ok" or "FAIL" a line.
set -u
export PATH=/usr/local/bin:/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t cgroup2 cgroup2 /sys/fs/cgroup
for module in /modules/*.ko; do insmod "$module"; done
chmod 666 /dev/fuse /dev/null
chmod 1777 /tmp

pass() { echo "ok   $1"; }
fail() { echo "FAIL $1"; }
expect() { if [ "$2" = "$3" ]; then pass "$1"; else fail "$1: wanted <$2>, got <$3>"; fi; }
between() { if [ "$2" -ge "$3" ] && [ "$2" -le "$4" ]; then pass "$1 ($2 of $3 to $4)"; else fail "$1: $2 is not in $3 to $4"; fi; }

# Given to a user as systemd gives a unit with Delegate=yes: the directory and the three files by which it is divided.
controllers="+memory +pids +cpu"
echo "$controllers" >/sys/fs/cgroup/cgroup.subtree_control
mkdir /sys/fs/cgroup/users
echo "$controllers" >/sys/fs/cgroup/users/cgroup.subtree_control
delegate() { # USER
  unit=/sys/fs/cgroup/users/$1
  mkdir "$unit"
  chown "$1:$1" "$unit" "$unit/cgroup.procs" "$unit/cgroup.subtree_control" "$unit/cgroup.threads"
}
delegate ranged
delegate single

# as USER COMMAND...: from within the cgroup that is theirs; root from one like any other's
as() {
  user=$1
  shift
  if [ "$user" = root ]; then
    (echo 0 >/sys/fs/cgroup/session/cgroup.procs; cd /root && exec "$@")
  else
    (echo 0 >/sys/fs/cgroup/users/$user/cgroup.procs; cd /home/$user && exec /usr/local/bin/setpriv --reuid "$user" --regid "$user" --clear-groups env HOME=/home/$user "$@")
  fi
}
mkdir /sys/fs/cgroup/session

suite() { # USER RUNTIME
  who="$1, $2"
  in_it() { as "$user_of" env ACETATE_RUNTIME="$runtime_of" acetate run "$@"; }
  user_of=$1 runtime_of=$2
  # Our launcher does not show a container its cgroup, by which the rest is seen.
  [ "$2" = native ] || expect "$who: the container reads its limits" "67108864 0 20 50000 100000" \
    "$(in_it --memory 64m --pids-limit 20 --cpus 0.5 /image.tar sh -c 'cd /sys/fs/cgroup; echo $(cat memory.max memory.swap.max pids.max cpu.max)' 2>&1)"
  expect "$who: and may not change them" "no" "$(in_it --pids-limit 20 /image.tar sh -c 'echo max 2>/dev/null >/sys/fs/cgroup/pids.max || echo no' 2>/dev/null)"
  code=0
  in_it --memory 64m --timeout 120 /image.tar tail -c 200m /dev/zero >/tmp/said 2>&1 || code=$?
  expect "$who: 200 MB in 64 end with 137" 137 "$code"
  if [ "$1" != root ]; then
    if grep -q 'killed for want of memory' /tmp/said; then pass "$who: and why is told"; else fail "$who: why is not told: $(cat /tmp/said)"; fi
  fi
  if [ "$2" = native ]; then
    expect "$who: nothing of it stays" "" "$(find /sys/fs/cgroup -name '*acetate*' -o -name '*-container*')"
    return
  fi
  expect "$who: less than the limit may be had" 20000000 "$(in_it --memory 64m /image.tar sh -c 'head -c 20000000 /dev/zero | tail -c 20000000 | wc -c' 2>&1)"
  said=$(in_it --pids-limit 20 /image.tar sh -c '(while :; do sleep 5 & done) 2>&1 | head -n 1; grep max /sys/fs/cgroup/pids.events | cut -d" " -f2' 2>&1)
  case $said in
    *"can't fork"*[1-9]*) pass "$who: twenty processes are all there can be" ;;
    *) fail "$who: a loop of forks: $said" ;;
  esac
  # In hundredths of a second and in microseconds, over the same four seconds.
  set -- $(in_it --cpus 0.5 /image.tar sh -c 'used() { grep usage_usec /sys/fs/cgroup/cpu.stat | cut -d" " -f2; }
    read a rest </proc/uptime; before=$(used); timeout 4 sh -c "while :; do :; done"; read b rest </proc/uptime
    echo ${a%.*}${a#*.} ${b%.*}${b#*.} $(($(used) - before)) $(grep nr_throttled /sys/fs/cgroup/cpu.stat | cut -d" " -f2)' 2>/tmp/said)
  if [ $# = 4 ]; then
    between "$who: percent of a processor that a busy loop gets" $(($3 / 100 / ($2 - $1))) 35 65
    between "$who: times it was held back" "$4" 5 100000
  else
    fail "$who: a busy loop said: $* $(cat /tmp/said)"
  fi
  expect "$who: nothing of it stays" "" "$(find /sys/fs/cgroup -name '*acetate*' -o -name '*-container*')"
  [ "$user_of" = root ] || expect "$who: and nothing is divided any more" "" "$(cat /sys/fs/cgroup/users/$user_of/cgroup.subtree_control)"
}

for runtime in runc native crun; do
  [ "$runtime" = native ] || [ -e /usr/local/bin/$runtime ] || continue
  for user in ranged single root; do
    [ "$user $runtime" = "root native" ] || suite "$user" "$runtime"
  done
done
said=$(as root env ACETATE_RUNTIME=native acetate run --pids-limit 20 /image.tar true 2>&1)
case $said in *"no limit is kept"*"our launcher makes none"*) pass "root, native: says that no limit is kept" ;; *) fail "root, native: $said" ;; esac
said=$(as ranged acetate doctor 2>&1)
case $said in *"can be divided"*) pass "ranged: doctor finds the cgroup" ;; *) fail "ranged: doctor says: $said" ;; esac
echo "the guest is done"
reboot -f
