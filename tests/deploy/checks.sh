# shellcheck shell=bash disable=SC2034   # names said here are used where it is sourced
# What the scripts in this folder share: a mount namespace of their own, bare systems to install into, and checks that are
# counted. Sourced first, never run:  . "$(dirname "${BASH_SOURCE[0]}")/checks.sh"
#   HERE     the checkout            WORK    a folder of this run, gone at its end
#   KEPT     the folder given as first argument, where bare systems stay for the next time; WORK without one
#   ROOT     the system that make_root made; what is written there is gone at the end, too
#   LOGS     more files to show the end of when a check fails
#   at_end   a script's own function, to stop what it started
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Inside a mount namespace of its own nothing has to be unmounted afterwards.
if [ -z "${EDGE_APP_IN_NAMESPACE:-}" ]; then
    if [ "$(id -u)" != 0 ] || ! unshare --mount --propagation private mount -t tmpfs tmpfs /mnt 2>/dev/null; then
        echo "$0: not run: needs root, and the right to mount" >&2
        exit 1
    fi
    EDGE_APP_IN_NAMESPACE=yes exec unshare --mount --propagation private "$0" "$@"
fi
unset EDGE_APP_IN_NAMESPACE
WORK=$(mktemp -d)
KEPT=$(readlink -f "${1:-$WORK}")
ROOT=$WORK/root
LOGS=()
PASSED=0
at_end() { :; }
trap 'at_end; umount -lR "$WORK/root" "$WORK/over" 2>/dev/null || true; rm -rf --one-file-system "$WORK"' EXIT

# WORDS COMMAND...: passed when the command ends with 0 and printed no traceback; else the end of what it said, and of the script
check() {
    local what=$1 start=$SECONDS
    shift
    if "$@" > "$WORK/check.log" 2>&1 && no_traceback "$WORK/check.log"; then
        PASSED=$((PASSED + 1))
        echo "ok   $what, $((SECONDS - start)) s"
    else
        echo "FAIL $what: $*, after $((SECONDS - start)) s"
        tail -n 30 "$WORK/check.log" "${LOGS[@]}" || true
        exit 1
    fi
}
is() { [ "$1" = "$2" ]; }
no_traceback() { ! grep -nE -A 30 'Traceback \(most recent call last\)|^Exception ignored in' "$@"; }

# SECONDS COMMAND...: whether it succeeds within them
within() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.5
    done
}

# NAME SUITE [OPTIONS of debootstrap]: a bare system in $KEPT/NAME, unless it is there; half of one is never taken for one.
make_base() {
    local place=$KEPT/$1 suite=$2
    shift 2
    [ ! -e "$place" ] || return 0
    mkdir -p "$KEPT"
    rm -rf "$place.new"
    debootstrap --variant=minbase "$@" "$suite" "$place.new"
    mv "$place.new" "$place"
}
DEBIAN_12=(debian-12 bookworm '--include=systemd,dbus,procps')   # the base that two scripts take

# The same arguments: it, with a layer over it that is thrown away, in ROOT. /dev holds what is harmless; /proc is this machine's.
make_root() {
    make_base "$@"
    mkdir -p "$ROOT" "$WORK/over"
    mount -t tmpfs tmpfs "$WORK/over"   # an overlay cannot lie on another, as it would in a container
    mkdir "$WORK/over/new" "$WORK/over/work"
    mount -t overlay -o "lowerdir=$KEPT/$1,upperdir=$WORK/over/new,workdir=$WORK/over/work" overlay "$ROOT"
    mount -t proc proc "$ROOT/proc"
    mount -t tmpfs -o mode=755 tmpfs "$ROOT/run"
    mount -t tmpfs -o mode=755 tmpfs "$ROOT/dev"
    mkdir "$ROOT/dev/shm" "$ROOT/dev/pts"
    ln -s /proc/self/fd "$ROOT/dev/fd"
    local name
    for name in null zero full random urandom tty; do
        touch "$ROOT/dev/$name"
        mount --bind "/dev/$name" "$ROOT/dev/$name"
    done
    mount -t tmpfs -o mode=1777 tmpfs "$ROOT/dev/shm"
    cp -L /etc/resolv.conf "$ROOT/etc/resolv.conf"
}

inside() { chroot "$ROOT" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ "$@"; }

# A network that looks into TLS has authorities of its own: whom this machine trusts, ROOT does, and its pip.
trust_as_here() {
    cp -L /usr/local/share/ca-certificates/*.crt "$ROOT/usr/local/share/ca-certificates/" 2>/dev/null || return 0
    inside update-ca-certificates
    printf '[global]\ncert = /etc/ssl/certs/ca-certificates.crt\n' > "$ROOT/etc/pip.conf"
}

# A copy of the checkout in WORK, and HERE there: somebody may be at work on this one.
copy_checkout() {
    mkdir "$WORK/checkout"
    (cd "$HERE" && cp -r deploy docker edge_app models tests setup.py setup.cfg README.md LICENSE "$WORK/checkout/")
    HERE=$WORK/checkout
}
