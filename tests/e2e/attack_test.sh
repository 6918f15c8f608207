#!/bin/sh
# What a hostile image or command tries (tests/builder/sandbox/attack_test.cc), and what a container is made of (launch_test.cc): as root, as a
# user with a subordinate range and as one with one id, each by an OCI runtime and by our own launcher. The unit suite has them as whoever runs it.
#
# usage: attack_test.sh BIN-DIRECTORIES(colon-separated) [SANDBOX-TEST]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_userns
need_tools busybox setpriv python3
need_runtime

tests=${2:-${1%%:*}/../tests/builder/sandbox/sandbox_test}
[ -x "$tests" ] || skip "$tests is not built"
# The checkout may lie where other users cannot look. What is found beside it goes along.
install -m 755 "$tests" "$(dirname "$tests")/prober" "$(dirname "$tests")/../../../builder/sandbox/init/acetate-init" "$scratch"

make_users
plain() { HOME=$scratch/home-root "$@"; }
mkdir "$scratch/home-root"
for who in plain ranged single; do
  say "$who"
  $who sh -c 'cd "$HOME" && "$0" --gtest_filter="By/Attack.*:By/Launch*" --gtest_output="json:$HOME/results.json"' "$scratch/sandbox_test" >"$scratch/log" 2>&1 || true
  home=$($who sh -c 'echo "$HOME"')
  python3 - "$home/results.json" <<'P' >"$scratch/out" || { echo "FAIL came to no end: $(tail -n 3 "$scratch/log")" >"$scratch/out"; }
import json, sys
for suite in json.load(open(sys.argv[1]))["testsuites"]:
    for test in suite["testsuite"]:
        name = f'{test["name"].replace("/", ", by ")}'
        failures = [f["failure"].replace("\n", " ")[:400] for f in test.get("failures", [])]
        print("skip" if test["result"] == "SKIPPED" else "FAIL" if failures else "ok", name, *failures)
P
  tried=0
  while read -r verdict what; do
    case $verdict in
      ok) pass "$who: $what"; tried=$((tried + 1)) ;;
      FAIL) fail "$who: $what" ;;
      *) say "$who: $what: skipped" ;;
    esac
  done <"$scratch/out"
  [ "$tried" -gt 40 ] || fail "$who: only $tried were tried: $(tail -n 3 "$scratch/log")"
done

# Before its command is executed a container's first process is our own program, which root of another container that sees its pid must not come by.
say "by the pids of the host"
if mkdir -p "$scratch/base" && cc -static -O1 -o "$scratch/base/hunter" "$here/exe_hunter.c" 2>/dev/null; then
  busybox_in "$scratch/base" true
  tar -C "$scratch/base" --owner=0 --group=0 -cf "$scratch/base.tar" .
  chmod 644 "$scratch/base.tar"
  for who in plain ranged single; do
    mkfifo "$scratch/say-$who" "$scratch/hear-$who"
    chmod 666 "$scratch/say-$who" "$scratch/hear-$who"
    $who env ACETATE_RUNTIME=native acetate run -i --pid host "$scratch/base.tar" /hunter <"$scratch/say-$who" >"$scratch/hear-$who" 2>"$scratch/log" &
    hunter=$!
    exec 7>"$scratch/say-$who" 8<"$scratch/hear-$who"
    read -r up <&8
    n=0
    while [ $n -lt 20 ]; do
      n=$((n + 1))
      $who env ACETATE_RUNTIME=native acetate run --pid host "$scratch/base.tar" true 7>&- 8<&- >/dev/null 2>"$scratch/log" || fail "$who: $(cat "$scratch/log")"
    done
    echo over >&7
    read -r said <&8
    exec 7>&- 8<&-
    wait "$hunter" || true
    expect "$who: no container reaches our program through another's first process" "up reached 0" "$up $said"
  done
else
  say "cc links nothing statically here"
fi
finish
