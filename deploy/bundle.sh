#!/usr/bin/env bash
# Packs what a machine without a network needs to install or update edge-app into one file: the program, its wheels, the
# models and, where given, the configuration and a container image. `make bundle` calls this.
#   deploy/bundle.sh [--for tx2|pc] [--python PYTHON] [--config FILE] [--image FILE] [--output FILE] [--key FILE]
#   --for tx2          for a Jetson TX2, Python 3.6 on aarch64: the wheels of deploy/tx2.lock, each with its sha256
#   --for pc           for a machine like this one (the default), with the Python of --python
#   --python PYTHON    whose pip fetches the wheels; default: python3, or where that has no pip the one of `make setup`
#   --config FILE      becomes the site's configuration where the bundle is installed
#   --image FILE       a container image, as `make image` writes it
#   --key FILE         private key that signs it, made where there is none; default: ~/.config/edge-app/bundle-key.pem. Whoever has
#                      it can update your machines; who loses it must put a new bundle.pub on each
#   --output FILE      default: dist/edge-app-VERSION-tx2.tar.gz, or -pc
# Debian packages are not in it: an update needs none, a first installation takes them from apt.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/steps.sh
. "$HERE/steps.sh"
# shellcheck source=deploy/release.sh
. "$HERE/release.sh"
# shellcheck source=deploy/packing.sh
. "$HERE/packing.sh"
NAME=bundle

TARGET=pc
PYTHON=
CONFIG=
IMAGE=
OUTPUT=
KEY=${XDG_CONFIG_HOME:-$HOME/.config}/edge-app/bundle-key.pem
# what a TX2's Python takes; NVIDIA's own pip is upgraded from the bundle before it reads them
TX2_PLATFORM=(--platform manylinux2014_aarch64 --platform manylinux_2_17_aarch64 --python-version 3.6.9
    --implementation cp --abi cp36m --abi abi3 --abi none --no-deps --require-hashes)

read_arguments() {
    read_options for=TARGET python=PYTHON config=CONFIG image=IMAGE output=OUTPUT key=KEY -- "$@"
    check_target "$TARGET"
    [ -z "$CONFIG" ] || [ -r "$CONFIG" ] || misuse "--config '$CONFIG': there is no such file"
    [ -z "$IMAGE" ] || [ -r "$IMAGE" ] || misuse "--image '$IMAGE': there is no such file"
    choose_python
}

has_pip() { "$1" -m pip --version >/dev/null 2>&1; }
choose_python() {
    local python
    for python in "${PYTHON:-python3}" ${PYTHON:-"$HERE/../.venv/bin/python"}; do
        if has_pip "$python"; then
            PYTHON=$python
            return
        fi
    done
    misuse "--python '${PYTHON:-python3}': that has no pip; run make setup first, or name another"
}

write_facts() {
    printf '%s\n' "version=$VERSION" "for=$TARGET" "python=$1" "release=$(release_name)" > "$WORK/$TOP/BUNDLE"
}

make_key() {
    [ ! -e "$KEY" ] || return 0
    mkdir -p "$(dirname "$KEY")"
    (umask 077 && openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$KEY.new") && mv "$KEY.new" "$KEY"
    say "made $KEY, which signs your bundles: keep it secret, and a copy of it"
}

# Last, so that it covers all the rest.
write_sums() {
    openssl pkey -in "$KEY" -pubout -out "$WORK/$TOP/bundle.pub" || fail "$KEY is no private key openssl reads; choose another with --key"
    (cd "$WORK/$TOP" && find . -type f -print0 | sort -z | xargs -0 sha256sum) > "$WORK/sums"
    mv "$WORK/sums" "$WORK/$TOP/SHA256SUMS"
    openssl dgst -sha256 -sign "$KEY" -out "$WORK/$TOP/SHA256SUMS.sig" "$WORK/$TOP/SHA256SUMS"
}

read_arguments "$@"
VERSION=$(program_version)
OUTPUT=${OUTPUT:-$HERE/../dist/edge-app-$VERSION-$TARGET.tar.gz}
TOP=edge-app-$VERSION
MINOR=3.6
[ "$TARGET" = tx2 ] || MINOR=$("$PYTHON" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
WORK=$(mktemp -d)
trap 'rm -rf "$WORK" "$OUTPUT.new"' EXIT
mkdir -p "$(dirname "$OUTPUT")"
copy_program "$WORK/$TOP" "${SHIPPED[@]}"
wanted=(SOURCE pip setuptools wheel)
[ "$TARGET" = pc ] || wanted=("${TX2_PLATFORM[@]}" -r "$HERE/tx2.lock")
say "fetching wheels for Python $MINOR"
fetch_wheels "$PYTHON" "$WORK/$TOP" "$WORK/$TOP/wheels" "${wanted[@]}"
[ -z "$CONFIG" ] || install -m 600 "$CONFIG" "$WORK/$TOP/site.yaml"   # it may hold passwords, so the whole is private too
[ -z "$IMAGE" ] || cp "$IMAGE" "$WORK/$TOP/image.tar"
write_facts "$MINOR"
make_key
write_sums
(umask 077; tar -C "$WORK" --sort=name --owner=0 --group=0 --numeric-owner -czf "$OUTPUT.new" "$TOP")
[ -n "$CONFIG" ] || chmod 644 "$OUTPUT.new"
mv "$OUTPUT.new" "$OUTPUT"
say "$(readlink -f "$OUTPUT"), $(megabytes "$(stat -c %s "$OUTPUT")")"
say "onto a machine: deploy/update.sh BUNDLE there, or deploy/flash.sh --bundle BUNDLE"
