#!/bin/sh
# The pages that `acetate build --graph` and `acetate explore --html` write, in a real browser (build_pages.py).
#
# usage: build_pages_test.sh BIN-DIRECTORIES(colon-separated) [DIRECTORY-FOR-PICTURES]
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_to_build
need_tools python3
command -v chromium-headless-shell >/dev/null || command -v chromium >/dev/null || skip "neither chromium-headless-shell nor chromium is installed"
export ACETATE_ROOT="$scratch/data" ACETATE_CACHE="$scratch/cache"
busybox_in "$scratch/base" sh cat rm touch echo sleep true
mkdir -p "$scratch/base/etc" "$scratch/base/proc" "$scratch/base/dev" "$scratch/base/sys" "$scratch/ctx"
tar -C "$scratch/base" --owner=0 --group=0 --mtime=@1000000000 --sort=name -cf "$scratch/base.tar" .
cd "$scratch"
cat >ctx/Dockerfile <<'D'
FROM base AS a-stage-with-a-name-longer-than-any-box
RUN echo "<b>&amp;" >/one; echo dropped >/dropped; touch "/a<i>b"
FROM base AS two
RUN sleep 0.3; echo 2 >/two-with-a-rather-long-name-that-does-not-end-before-the-window-of-a-telephone-does-because-it-is-so-very-long
COPY --from=a-stage-with-a-name-longer-than-any-box /one /one
FROM base AS three
RUN echo 3 >/three
FROM a-stage-with-a-name-longer-than-any-box
COPY --from=two /two* /two
COPY --from=three /three /
RUN rm /dropped
ENV X=1
D
acetate build -q --build-context base=base.tar --target three -o type=cacheonly ctx >/dev/null
acetate build -q --build-context base=base.tar --graph graph.html -t pages ctx >/dev/null
acetate explore --html explore.html pages
python3 "$here/build_pages.py" graph.html explore.html ${2:+"$2"}
