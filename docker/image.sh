#!/usr/bin/env bash
# Builds the container image of this checkout with docker, podman or buildah. `make image` calls this.
#   docker/image.sh [--for pc|tx2] [--base IMAGE] [--python PYTHON] [--with ENGINE] [--output FILE]
#   --for pc           Dockerfile.cpu (the default, unless this is a Jetson); tx2: Dockerfile, on a Jetson
#   --base IMAGE       replaces the one in the Dockerfile
#   --python PYTHON    for a PC: its pip downloads the wheels here, so that the build needs no network for them; it must have
#                      the base's version, 3.11 for Debian 12
#   --with ENGINE      docker, podman or buildah; default: the first that works
#   --output FILE      also write the image to a file, for `make bundle IMAGE=FILE`
# buildah builds without a container runtime (--isolation chroot); CONTAINER_OPTIONS are its or podman's, before the subcommand.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/steps.sh
. "$HERE/../deploy/steps.sh"
# shellcheck source=deploy/release.sh
. "$HERE/../deploy/release.sh"
# shellcheck source=deploy/packing.sh
. "$HERE/../deploy/packing.sh"
NAME=image

TARGET=pc
[ ! -e /etc/nv_tegra_release ] || TARGET=tx2
BASE=
PYTHON=
ENGINE=
OUTPUT=
read -ra OPTIONS <<< "${CONTAINER_OPTIONS:-}"

works() {
    case $1 in
        docker) docker info >/dev/null 2>&1 ;;
        *) command -v "$1" >/dev/null ;;
    esac
}

choose_engine() {
    local engine
    for engine in ${ENGINE:-docker podman buildah}; do
        if works "$engine"; then
            ENGINE=$engine
            return
        fi
    done
    fail "no ${ENGINE:-docker, podman or buildah} works here; the smallest is: apt-get install buildah"
}

build() {
    local file=docker/Dockerfile words=()
    [ "$TARGET" = tx2 ] || file=docker/Dockerfile.cpu
    [ -z "$BASE" ] || words=(--build-arg "BASE=$BASE")
    case $ENGINE in   # docker's own format: OCI's has no health checks
        podman) words+=(--format docker) ;;
        buildah) words+=(--format docker --isolation chroot) ;;
    esac
    "$ENGINE" "${OPTIONS[@]}" build "${words[@]}" -t "$TAG" -f "$WORK/context/$file" "$WORK/context"
}

save() {
    [ -n "$OUTPUT" ] || return 0
    mkdir -p "$(dirname "$OUTPUT")"
    rm -f "$OUTPUT.new"
    case $ENGINE in
        docker) docker save -o "$OUTPUT.new" "$TAG" ;;
        podman) podman "${OPTIONS[@]}" save --quiet -o "$OUTPUT.new" "$TAG" ;;
        buildah) buildah "${OPTIONS[@]}" push --quiet "$TAG" "docker-archive:$OUTPUT.new:$TAG" ;;
    esac
    mv "$OUTPUT.new" "$OUTPUT"
    say "$OUTPUT, $(megabytes "$(stat -c %s "$OUTPUT")")"
}

read_options for=TARGET base=BASE python=PYTHON with=ENGINE output=OUTPUT -- "$@"
check_target "$TARGET"
choose_engine
TAG=localhost/edge-app:$(program_version)-$TARGET
WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
copy_program "$WORK/context" "${SHIPPED[@]}" docker
say "$TAG with $ENGINE"
[ -z "$PYTHON" ] || fetch_wheels "$PYTHON" "$WORK/context" "$WORK/context/docker/wheels" SOURCE setuptools wheel
build
save
say "built: $TAG"
