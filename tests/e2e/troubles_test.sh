#!/bin/sh
# What users of overlays in userspace were burnt by: nothing of it is ours, and fuse-overlayfs 1.10, where it is installed, shows that the
# questions are sharp enough to find it.
#
# usage: troubles_test.sh BIN-DIRECTORIES(colon-separated)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
. "$here/lib.sh"
need_root
need_fuse
need_tools python3 unshare
TMPDIR=$scratch
export TMPDIR
setfattr -n trusted.overlay.x -v y "$scratch" 2>/dev/null || skip "the file system of $scratch takes no trusted attributes"

troubles() { unshare --mount python3 "$here/troubles.py" "$1" >"$scratch/log" 2>&1 || true; }
found() { sed -n 's/^FAIL \([a-z_]*\):.*/\1/p' "$scratch/log"; }

troubles "$(command -v fuse-overlay)"
expect "none is ours" "" "$(found)"
expect_match "all of them were asked for" '^2[0-9] troubles, 0 of them there$' "$(tail -n 1 "$scratch/log")"

peer=/usr/bin/fuse-overlayfs
if [ -x "$peer" ] && "$peer" --version 2>/dev/null | grep -q '^fuse-overlayfs: version 1\.10'; then
  troubles "$peer"
  expect "fuse-overlayfs 1.10 has them" "an_old_descriptor_follows_a_copy_up
nothing_is_copied_to_be_deleted
holes_stay_holes
nothing_is_inherited_from_the_work_directory
a_directory_that_may_not_change_is_not_merely_full
a_copy_made_below_is_another_file
a_setgid_directory_hands_its_group_down
a_symlink_is_copied_up_with_its_owner_and_times
a_fifo_is_copied_up_as_a_fifo
an_unlinked_file_has_no_link
what_was_renamed_over_a_whiteout_and_unlinked_is_gone
a_new_directory_hides_nothing
a_work_directory_is_one_mounts
a_moved_directory_of_the_kernels_overlay_is_followed
a_name_and_its_whiteout_in_one_layer_is_the_name
an_overlay_inside_has_its_attributes
an_error_is_not_absence" "$(found)"
else
  say "fuse-overlayfs 1.10 is not installed: left out"
fi
finish
