# The cells of the tables of docs/running.md: each tries something of `acetate run`. Sourced, by surroundings_test.sh and inside containers
# that have nothing but a busybox; $base is the image, and $scratch/why takes the words of what does not work.

columns='a command | our launcher | chown succeeds | owners are real | another user | keep-id | own pids | network none |'
rule='---|---|---|---|---|---|---|---|'

# cell WANTED COMMAND...: what a cell says
cell() {
  wanted=$1
  shift
  if [ "$("$@" 2>"$scratch/said")" = "$wanted" ]; then printf ' yes |'; return; fi
  printf ' no |'
  { printf '%s: ' "$name, $column"; head -c 400 "$scratch/said"; echo; } >>"$scratch/why"
}

# row NAME AS...: the cells that every table has
row() {
  name=$1
  shift
  printf '| %s |' "$name"
  column="a command"; cell hello "$@" acetate run "$base" echo hello
  column="our launcher"; cell hello "$@" env ACETATE_RUNTIME=native acetate run "$base" echo hello
  column="chown"; cell done "$@" acetate run "$base" sh -c 'touch /x && chown 1:1 /x && echo done'
  column="real owners"; cell 1:1 "$@" acetate run "$base" sh -c 'touch /x && chown 1:1 /x && stat -c %u:%g /x'
  column="another user"; cell 7:8 "$@" acetate run -u 7:8 "$base" sh -c 'echo $(id -u):$(id -g)'
  column="keep-id"; cell "$("$@" id -u)" "$@" acetate run --userns keep-id "$base" id -u
  column="own pids"; cell 1 "$@" acetate run "$base" sh -c 'echo $$'
  column="none"; cell 1 "$@" acetate run --network none "$base" sh -c 'ip -o link | wc -l'
}
