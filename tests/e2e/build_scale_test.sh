#!/bin/sh
# Builds of a size that nobody writes and generators do: a thousand steps, fifty stages, two hundred thousand files of context; and stages built at the same time come
# to the same as one after another. What they took is said, and is no condition.
#
# usage: build_scale_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_to_build
need_tools python3
export ACETATE_ROOT="$scratch/data" ACETATE_CACHE="$scratch/cache"
busybox_in "$scratch/base" sh cat ls wc sleep
mkdir -p "$scratch/base/etc" "$scratch/base/proc" "$scratch/base/dev" "$scratch/base/sys" "$scratch/ctx"
tar -C "$scratch/base" --owner=0 --group=0 --mtime=@1000000000 --sort=name -cf "$scratch/base.tar" .
cd "$scratch"
umask 022
# built WHAT OUT OPTION...: how long it took
built() {
  what=$1 out=$2
  shift 2
  begin=$(date +%s%N)
  if acetate build --progress=plain --build-context base="$scratch/base.tar" -o "type=oci,dest=$out" "$@" >log 2>&1; then pass "$what"; else fail "$what: $(tail -n 5 log)"; fi
  say "$what: $((($(date +%s%N) - begin) / 1000000)) ms"
}
cached() { grep -c 'CACHED$' log || true; }

say "a thousand steps"
python3 - >Dockerfile <<'P'
print("FROM base")
for n in range(498): print(f"ENV V{n % 10}={n}\nCOPY <<E /d/f{n}\n{n}\nE")
print("RUN cat /d/f0 /d/f497 >/both && ls /d | wc -l >/count && echo $V7 >/v")
print("WORKDIR /end\nRUN cat /count >here")
P
built "a thousand steps" steps.tar ctx -f Dockerfile
expect "come to what they say" "f 644 0:0 6 both 0
497
f 644 0:0 4 count 498
f 644 0:0 4 v 497
f 644 0:0 4 end/here 498" "$(python3 "$here/oci_tree.py" steps.tar both count v end/here)"
built "and again" again.tar ctx -f Dockerfile
expect "all from the cache" 501 "$(cached)"
sed -i 's/^250$/changed/' Dockerfile
built "the one in the middle changed" changed.tar ctx -f Dockerfile
expect "which costs itself and the commands after" 498 "$(cached)"

say "fifty stages"
python3 - >Dockerfile <<'P'
for n in range(49): print(f"FROM base AS s{n}\nRUN sleep 0.2; cat /bin/busybox | wc -c >/size; echo {n} >/made" + (f"\nCOPY --from=s{n - 7} /made /before" if n >= 7 else ""))
print("FROM scratch")
for n in range(49): print(f"COPY --from=s{n} /made /m{n}")
print("COPY --from=s48 /before /before")
P
built "fifty stages, one after another" one.tar ctx -f Dockerfile --jobs 1 --no-cache
built "eight at a time" eight.tar ctx -f Dockerfile --jobs 8 --no-cache
if cmp -s one.tar eight.tar; then pass "to the same bytes"; else fail "to the same bytes"; fi
expect "and what is in them" "f 644 0:0 3 m48 48
f 644 0:0 3 before 41" "$(python3 "$here/oci_tree.py" eight.tar m48 before)"
built "and again" cached.tar ctx -f Dockerfile
if cmp -s one.tar cached.tar; then pass "from the cache to the same bytes"; else fail "from the cache to the same bytes"; fi

say "two hundred thousand files"
python3 - <<'P'
import os
for d in range(400):
    os.makedirs(f"ctx/many/d{d}")
    for n in range(500): open(f"ctx/many/d{d}/f{n}", "w").write(f"{d} {n}\n")
P
printf 'FROM base\nCOPY . /\nRUN ls /many/d399 | wc -l >/count\n' >Dockerfile
built "a context of 200,000 files" many.tar ctx -f Dockerfile
expect "is all there" "f 644 0:0 4 count 500" "$(python3 "$here/oci_tree.py" many.tar count)"
built "and again" many2.tar ctx -f Dockerfile
if cmp -s many.tar many2.tar; then pass "from the cache"; else fail "from the cache"; fi
echo changed >ctx/many/d200/f200
built "one of them changed" many3.tar ctx -f Dockerfile
expect "is seen" "f 644 0:0 8 many/d200/f200 changed" "$(python3 "$here/oci_tree.py" many3.tar many/d200/f200)"
finish
