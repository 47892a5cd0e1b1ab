#!/usr/bin/env bash
# A Debian 12 for arm64 on a PC: installed as on a board, its units in place, `edge-app doctor` without problems, and the tests of
# plain logic, run by an emulator of the processor. ARM's order of memory accesses is not emulated: that only a board shows.
#   tests/deploy/arm64.sh [FOLDER]     FOLDER keeps the bare Debian for the next time; without it everything is temporary
# Needs root, debootstrap, qemu-user-static (apt), Debian's mirror and PyPI; half an hour. Not part of `make test`.
# shellcheck source=tests/deploy/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh"
BINFMT=/proc/sys/fs/binfmt_misc
REGISTERED=
PYTHON=/opt/edge-app/current/venv/bin/python
# Pipelines and processes that must answer within seconds do not, emulated; what reads the sources alone says the same everywhere;
# the rest of these compiles for a GPU, trains, or asks Debian's systemd.
LEFT_OUT='bench_|chaos|container|cuda_|end_to_end|floor|gpu_|gstreamer_1_14|house|layers|selftest|session|simulator_|size|supervisor|'
LEFT_OUT+='suite|systemd|training|worker'
LOGS+=("$WORK/install.log")
at_end() { [ -z "$REGISTERED" ] || echo -1 > "$BINFMT/qemu-aarch64"; }

# The kernel starts the emulator for every program of the other kind, in there too. Where nobody told it, it is told, and forgets at
# the end; in a machine without binfmt_misc there is no way.
emulate() {
    [ -e "$BINFMT/status" ] || mount -t binfmt_misc binfmt_misc "$BINFMT" || return 1
    [ ! -e "$BINFMT/qemu-aarch64" ] || return 0
    tr -d '\n' < /usr/lib/binfmt.d/qemu-aarch64.conf > "$BINFMT/register" && REGISTERED=yes
}

install() { "$HERE/deploy/install.sh" --root "$ROOT" "$@" > "$WORK/install.log" 2>&1; }
as_service() { inside runuser -u edge-app -- env HOME=/var/lib/edge-app "$@"; }

# With the packages that were installed, and the test tools beside them.
plain_tests() {
    local files
    mkdir "$ROOT/srv/edge_app" && cp -r "$HERE/." "$ROOT/srv/edge_app/"
    mapfile -t files < <(cd "$HERE" && printf '%s\n' tests/unit/test_*.py | grep -vE "_($LEFT_OUT)")
    inside "$PYTHON" -m pip install --quiet pytest pytest-timeout hypothesis &&
        inside env LC_ALL=C.UTF-8 bash -c 'cd /srv/edge_app && "$@"' - \
            "$PYTHON" -m pytest -q -p no:cacheprovider --timeout 600 "${files[@]}"
}

check 'programs for arm64 start here' emulate
copy_checkout
check 'a bare Debian 12 for arm64' make_root debian-12-arm64 bookworm --arch=arm64 --include=systemd,dbus,procps,ca-certificates
check 'it is one' is "$(inside uname -m) $(inside dpkg --print-architecture)" 'aarch64 arm64'
check 'it trusts whom this machine trusts' trust_as_here
check 'it installs' install
check 'the unit is enabled' test -L "$ROOT/etc/systemd/system/multi-user.target.wants/edge-app.service"
check 'doctor finds no problems' as_service /opt/edge-app/current/bin/edge-app doctor /etc/edge-app/site.yaml
check 'the tests of plain logic' plain_tests
tail -n 1 "$WORK/check.log"
echo "$PASSED checks passed"
