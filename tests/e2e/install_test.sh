#!/bin/sh
# meson install puts everything where people and other programs look for it: programs, the other name, man pages, snippets.
#
# usage: install_test.sh BIN-DIRECTORIES(colon-separated) BUILD-DIRECTORY MESON
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
build=$2 meson=$3

DESTDIR=$scratch/root "$meson" install -C "$build" --no-rebuild --quiet >"$scratch/install.log" 2>&1 || fail "meson install: $(tail -n 3 "$scratch/install.log")"
prefix=$(find "$scratch/root" -type d -name bin -prune | head -n 1)
expect "programs" "acetate fuse-overlay fuse-overlayfs" "$(ls "$prefix" | tr '\n' ' ' | sed 's/ $//')"
expect "the other name is a link to it" "fuse-overlay" "$(readlink "$prefix/fuse-overlayfs")"
expect_match "and says its name" "^fuse-overlayfs: version [0-9]" "$("$prefix/fuse-overlayfs" --version | head -n 1)"
expect_match "acetate" "^acetate .*[0-9]" "$("$prefix/acetate" --version)"
commands=$("$prefix/acetate" --help | sed -n '/^Subcommands:/,$s/^  \([a-z][a-z-]*\).*/\1/p')
expect_match "there are commands" "run" "$commands"
for page in acetate fuse-overlay $(echo "$commands" | sed 's/^/acetate-/'); do
  found=$(find "$scratch/root" -path "*/man1/$page.1*")
  [ -n "$found" ] && pass "$page(1)" || fail "$page(1) is not installed"
done
expect "and no page for what is no command" $(($(echo "$commands" | wc -l) + 2)) "$(find "$scratch/root" -path '*/man1/*' -type f | wc -l)"
for snippet in storage.conf storage-rootless.conf; do
  found=$(find "$scratch/root" -path "*/acetate/$snippet")
  expect "$snippet names the installed program" "${prefix#"$scratch/root"}/fuse-overlay" "$(sed -n 's/^mount_program = "\(.*\)"/\1/p' "$found")"
done
expect "what --init puts first into a container" "-- COMMAND" \
  "$("${prefix%/bin}/libexec/acetate/acetate-init" 2>&1 | sed -n 's/.*acetate-init \(-- COMMAND\).*/\1/p')"
expect_match "what fetches for lazy mounts" "acetate-fetcher: usage" "$("${prefix%/bin}/libexec/acetate/acetate-fetcher" 2>&1 || true)"
for script in bash-completion/completions/acetate zsh/site-functions/_acetate fish/vendor_completions.d/acetate.fish; do
  expect_match "a completion script that knows run's options" "entrypoint" "$(cat "${prefix%/bin}/share/$script")"
done
expect "nothing else is installed" "" \
  "$(find "$scratch/root" -type f ! -path '*/bin/*' ! -path '*/man1/*' ! -path '*/share/acetate/*' ! -name acetate-init ! -name acetate-workload ! -name acetate-fetcher ! -name acetate-layer-store ! -name acetate-serve \
    ! -path '*/completions/*' ! -path '*/site-functions/*' ! -path '*/vendor_completions.d/*')"
finish
