#!/usr/bin/env bash
# Dockerfile.cpu built for real, by buildah without a container runtime, on debootstrap's Debian 12; the demo run from it; then the
# appliance the way docker/compose.yaml runs it, read-only and without rights, until its health check says healthy.
#   tests/deploy/container.sh [FOLDER]     FOLDER keeps the bare Debian for the next time; without it everything is temporary
# Needs root, debootstrap, buildah, podman and docker-compose (apt has them), a Python 3.11 with pip and PyYAML
# (PYTHON names another of that version) and Debian's mirror; 3 to 6 minutes. CI runs it.
# shellcheck source=tests/deploy/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh"
PYTHON=${PYTHON:-python3.11}
STORE=(--root "$WORK/store" --runroot "$WORK/run")
at_end() {
    podman rm --force --time 0 service >/dev/null 2>&1 || true
    umount -lR "$WORK/store/overlay" 2>/dev/null || true
}

# Where the disk is an overlay itself, as in a container, no other can lie on it.
[ "$(stat -f -c %T "$WORK")" != overlayfs ] || STORE+=(--storage-driver vfs)
podman() { command podman "${STORE[@]}" --cgroup-manager=cgroupfs "$@"; }

base_image() {
    local container
    make_base "${DEBIAN_12[@]}"
    tar -C "$KEPT/debian-12" -cf "$WORK/base.tar" .
    mkdir -p "$WORK/more/etc/dpkg/dpkg.cfg.d"   # as the images of Debian have it: no waiting for the disk after every file
    echo force-unsafe-io > "$WORK/more/etc/dpkg/dpkg.cfg.d/docker-apt-speedup"
    tar -C "$WORK/more" -rf "$WORK/base.tar" ./etc/dpkg/dpkg.cfg.d/docker-apt-speedup
    container=$(buildah "${STORE[@]}" from scratch)
    buildah "${STORE[@]}" add -q "$container" "$WORK/base.tar" / &&
        buildah "${STORE[@]}" commit -q --rm "$container" localhost/debian:12 && rm "$WORK/base.tar"
}

build() {
    CONTAINER_OPTIONS="${STORE[*]}" "$HERE/docker/image.sh" --for pc --with buildah --base localhost/debian:12 --python "$PYTHON"
}

compose_is_valid() {
    "$PYTHON" - "$HERE" <<'PYTHON' && docker-compose -f "$HERE/docker/compose.yaml" config -q
import sys, yaml
service = yaml.safe_load(open(sys.argv[1] + '/docker/compose.yaml', encoding='utf-8'))['services']['edge-app']
assert service['read_only'] and service['cap_drop'] == ['ALL'] and service['runtime'] == 'nvidia' and 'privileged' not in service
PYTHON
}

# As the compose file has it, but for the network: somebody else here may use port 8080. Limits are lowered, for raising them takes a right this machine may not have; no cgroups for the same reason.
run_like_compose() {
    podman run --cgroups=disabled --network none --ulimit nofile=1024:1024 --ulimit nproc=4096:4096 --shm-size 256m \
        --read-only --tmpfs /tmp --cap-drop ALL --security-opt no-new-privileges --group-add video "$@"
}
demo() { run_like_compose --rm "$IMAGE" demo --cameras 2 --size 320x180 --fps 5 --duration 10; }
start() { run_like_compose --detach --name service "$IMAGE"; }
healthy() {
    podman healthcheck run service && [ "$(podman inspect --format '{{.State.Running}} {{.State.Health.Status}}' service)" = 'true healthy' ]
}

mount -t cgroup2 cgroup2 /sys/fs/cgroup   # podman wants the new one; nobody else sees it
check 'the compose file is valid' compose_is_valid
check 'a Debian 12 as base image' base_image
check 'Dockerfile.cpu builds' build
IMAGE=$(podman images --format '{{.Repository}}:{{.Tag}}' | grep -- -pc)
check 'it says its version' is "$(run_like_compose --rm "$IMAGE" --version 2> "$WORK/check.log" | cut -d ' ' -f 1)" edge-app
check 'the demo runs from it' demo
check 'the service starts' start
check 'its health check turns healthy' within 600 healthy
check 'it runs as nobody special' is "$(podman exec service id -un 2> "$WORK/check.log")" edge-app
check 'it logged no traceback' podman logs service
check 'it stops' podman stop --time 10 service
check 'by itself: nobody had to kill it' test "$(podman inspect --format '{{.State.ExitCode}}' service)" -le 1
echo "$PASSED checks passed"
