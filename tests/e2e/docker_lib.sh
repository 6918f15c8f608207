# For the scripts that need a dockerd of their own, after lib.sh: one without a network, below $scratch/docker. Where docker is not
# installed, its programs are those that scripts/unpack-docker laid aside.
unpacked=$(cd "$here/../.." && pwd)/.cache/docker/usr
PATH=$PATH:$unpacked/bin:$unpacked/sbin

# start_docker STORAGE-DRIVER: DOCKER_HOST and DOCKER_CONFIG lead to it; $dockerd is its pid
start_docker() {
  mkdir -p "$scratch/docker"
  dockerd --data-root "$scratch/docker/data" --exec-root "$scratch/docker/exec" --pidfile "$scratch/docker/pid" --host "unix://$scratch/docker.sock" \
    --bridge=none --iptables=false --ip-forward=false --storage-driver "$1" --oom-score-adjust 0 >"$scratch/docker/log" 2>&1 &
  dockerd=$!
  DOCKER_HOST=unix://$scratch/docker.sock DOCKER_CONFIG=$scratch/docker
  export DOCKER_HOST DOCKER_CONFIG
  tries=0
  until docker version >/dev/null 2>&1; do
    tries=$((tries + 1))
    kill -0 "$dockerd" 2>/dev/null && [ $tries -lt 600 ] || skip "dockerd does not start here: $(tail -n 1 "$scratch/docker/log")"
    sleep 0.1
  done
}

# For the trap at the end, before cleanup; without one it does nothing.
stop_docker() {
  [ -n "${dockerd:-}" ] || return 0
  kill "$dockerd" 2>/dev/null || true
  wait "$dockerd" 2>/dev/null || true
  dockerd=
}
