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
finish
