#!/usr/bin/env bash
# install.sh for real in a Debian 12 of its own, systemd started in it, its watchdog provoked, and everything taken away again.
#   tests/deploy/debian_12.sh [FOLDER]     FOLDER keeps the bare Debian for the next time; without it everything is temporary
# Needs root, debootstrap, a Python 3.11 with pip and Debian's mirror; 5 minutes, 1 with FOLDER. Not part of `make test`.
# shellcheck disable=SC2016  # single quotes: for the shell in there
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
WORK=$(mktemp -d)
BASE=${1:-$WORK}/debian-12
ROOT=$WORK/root
PASSED=0
BOOTED=

# Inside a mount namespace of its own nothing has to be unmounted afterwards.
if [ -z "${EDGE_APP_IN_NAMESPACE:-}" ]; then
    rmdir "$WORK"
    EDGE_APP_IN_NAMESPACE=yes exec unshare --mount --propagation private "${BASH_SOURCE[0]}" "$@"
fi
trap 'stop_systemd; umount -lR "$ROOT" "$WORK/over" 2>/dev/null; rm -rf "$WORK"' EXIT

check() {
    local what=$1
    shift
    if "$@" > "$WORK/check.log" 2>&1; then
        PASSED=$((PASSED + 1))
        echo "ok   $what"
    else
        echo "FAIL $what: $*"
        tail -n 20 "$WORK/check.log" "$WORK/install.log"
        exit 1
    fi
}

within() {   # seconds, command...
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.5
    done
}

make_root() {
    [ -e "$BASE/etc/debian_version" ] ||
        debootstrap --variant=minbase --include=systemd,dbus,procps bookworm "$BASE"
    mkdir -p "$ROOT" "$WORK/over"
    mount -t tmpfs tmpfs "$WORK/over"
    mkdir "$WORK/over/new" "$WORK/over/work"
    mount -t overlay -o "lowerdir=$BASE,upperdir=$WORK/over/new,workdir=$WORK/over/work" overlay "$ROOT"
    mount -t proc proc "$ROOT/proc"
    mount -t tmpfs -o mode=755 tmpfs "$ROOT/run"
    mount -t tmpfs -o mode=755 tmpfs "$ROOT/dev"
    mkdir "$ROOT/dev/shm" "$ROOT/dev/pts"
    local name
    for name in null zero full random urandom tty; do
        touch "$ROOT/dev/$name"
        mount --bind "/dev/$name" "$ROOT/dev/$name"
    done
    mount -t tmpfs -o mode=1777 tmpfs "$ROOT/dev/shm"
    cp -L /etc/resolv.conf "$ROOT/etc/resolv.conf"
}

# What pip here can get, so that a mirror or cache this machine is set up for is used.
fetch_wheels() {
    mkdir -p "$ROOT/wheels"
    python3.11 -m pip download --quiet --dest "$ROOT/wheels" "$HERE" setuptools wheel
    export PIP_FIND_LINKS=/wheels PIP_NO_INDEX=1
}

install() { "$HERE/deploy/install.sh" --root "$ROOT" "$@" > "$WORK/install.log" 2>&1; }
inside() { chroot "$ROOT" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/ "$@"; }
as_service() { inside runuser -u edge-app -- env HOME=/var/lib/edge-app "$@"; }
content() { (cd "$ROOT" && find etc opt var/lib -type f -printf '%p %s %T@\n' 2>/dev/null | sort | sha256sum); }
is() { [ "$1" = "$2" ]; }

dry_run() {
    local before
    before=$(content)
    install --dry-run && is "$(content)" "$before"
}

start_systemd() {
    mount -t sysfs -o ro sysfs "$ROOT/sys"
    setsid unshare --pid --uts --ipc --cgroup --mount --fork bash -c '
        mount -t proc proc "$0/proc" && mount -t cgroup2 cgroup2 "$0/sys/fs/cgroup" &&
        exec chroot "$0" env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd' "$ROOT" \
        > "$WORK/systemd.log" 2>&1 &
    BOOTED=$!
    within 30 systemd_pid
}
systemd_pid() { pgrep -P "$BOOTED" -x systemd; }
stop_systemd() { [ -z "$BOOTED" ] || { kill -9 "$(systemd_pid)" 2>/dev/null; wait "$BOOTED" 2>/dev/null; BOOTED=; } || true; }
there() {
    local pid
    pid=$(systemd_pid)
    (cd / && nsenter -t "$pid" -m -p -u -i -C --root="/proc/$pid/root" --wd="/proc/$pid/root" \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@" 2>/dev/null)
}
state() { is "$(there systemctl show -p "$1" --value edge-app.service)" "$2"; }
ready() { there curl -fsS -o /dev/null http://127.0.0.1:8080/readyz; }
status_of() { there grep -q "$1" "/proc/$(there systemctl show -p MainPID --value edge-app.service)/$2"; }

hang_the_supervisor() {
    there mkdir -p /run/systemd/system/edge-app.service.d
    there bash -c 'printf "[Service]\nWatchdogSec=8\n" > /run/systemd/system/edge-app.service.d/short.conf'
    there systemctl daemon-reload && there systemctl restart edge-app.service
    there bash -c 'kill -STOP "$(systemctl show -p MainPID --value edge-app.service)"'
}

mkdir "$WORK/checkout"   # a copy: somebody may be at work on this one
(cd "$HERE" && cp -r deploy edge_app models setup.py setup.cfg README.md LICENSE "$WORK/checkout/")
HERE=$WORK/checkout
make_root
fetch_wheels
check 'a dry run changes nothing' dry_run
check 'it installs' install
check 'the unit is enabled' test -L "$ROOT/etc/systemd/system/multi-user.target.wants/edge-app.service"
check 'the user cannot log in' is "$(inside passwd -S edge-app | cut -d ' ' -f 2)" L
check 'passwords are for the service alone' is "$(inside stat -c '%a %U' /etc/edge-app/credentials)" '600 edge-app'
check 'doctor finds nothing to mend' as_service /opt/edge-app/current/bin/edge-app doctor /etc/edge-app/site.yaml
before=$(content)
check 'it installs again' install
check 'and changed nothing' is "$(content)" "$before"

check 'systemd starts' start_systemd
check 'the service becomes ready' within 60 state ActiveState active
check 'and healthy' within 30 ready
check 'it says how many workers run' state StatusText '4 of 4 workers running'
check 'without rights' status_of '^CapEff:.0*$' status
check 'with a filter for system calls' status_of '^Seccomp:.2$' status
check 'without core dumps' status_of 'core file size *0 *0' limits
check 'its watchdog is provoked' hang_the_supervisor
check 'a supervisor that hangs is started anew' within 60 state NRestarts 1
check 'and healthy again' within 30 ready
check 'it stops' there systemctl stop edge-app.service
check 'and leaves no shared memory' is "$(ls "$ROOT/dev/shm")" ''
stop_systemd

check 'it uninstalls' install --uninstall
check 'and once more' install --uninstall
check 'the program and the user are gone' bash -c "! ls -d '$ROOT'/opt/edge-app '$ROOT'/var/lib/edge-app && ! grep edge-app '$ROOT/etc/passwd'"
check 'the site stays' test -e "$ROOT/etc/edge-app/site.yaml"
check 'no unit is left' bash -c "! find '$ROOT/etc/systemd' -name 'edge-app*' | grep ."
echo "$PASSED checks passed"
