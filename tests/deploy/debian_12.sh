#!/usr/bin/env bash
# A bundle installed for real in a Debian 12 of its own, without the registry; systemd started in it, without a network; its watchdog
# provoked, its port taken; updated, updated to one that does not work, gone back; taken away again; then the same Debian as a flashed
# image, whose first boot is run.
#   tests/deploy/debian_12.sh [FOLDER]     FOLDER keeps the bare Debian for the next time, and the service's first picture; without it everything
#                                          is temporary
# Needs root, debootstrap, iproute2, bzip2, a Python 3.11 with pip (PYTHON names another of that version) and Debian's mirror; 5 to 10
# minutes. Not part of `make test`; CI runs it.
# shellcheck disable=SC2016  # single quotes: for the shell in there
# shellcheck source=tests/deploy/checks.sh
. "$(dirname "${BASH_SOURCE[0]}")/checks.sh"
BOOTED=
LOGS+=("$WORK/install.log")
at_end() { stop_systemd; umount -lR "$WORK/image" "$WORK/space" 2>/dev/null || true; }

# VERSION [SHELL LINE]: its bundle, of the checkout with that version and after that line; the later ones with the first one's wheels.
make_bundle() {
    local options=()
    sed -i "s/^__version__ = .*/__version__ = '$1'/" "$HERE/edge_app/__init__.py"
    [ $# = 1 ] || (cd "$HERE" && eval "$2")
    [ "$1" = 1.0 ] || options=(env PIP_NO_INDEX=1 "PIP_FIND_LINKS=$WORK/first/wheels")
    "${options[@]}" "$HERE/deploy/bundle.sh" --python "${PYTHON:-python3.11}" --output "$WORK/$1.tar.gz"
}

unpack_first() {
    make_bundle 1.0 && mkdir "$WORK/first" && tar -C "$WORK/first" --strip-components=1 -xzf "$WORK/1.0.tar.gz"
}

install() { "$WORK/first/deploy/install.sh" --root "$ROOT" "$@" > "$WORK/install.log" 2>&1; }
# In a network of its own: here somebody may have the service's ports.
doctor() {
    unshare --net bash -c 'ip link set lo up && exec "$@"' alone chroot "$ROOT" env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/var/lib/edge-app runuser -u edge-app -- /opt/edge-app/current/bin/edge-app doctor /etc/edge-app/site.yaml
}
content() { (cd "$ROOT" && find etc opt var/lib -type f -printf '%p %s %T@\n' 2>/dev/null | sort | sha256sum); }

dry_run() {
    local before
    before=$(content)
    install --dry-run && is "$(content)" "$before"
}

start_systemd() {
    mount -t sysfs -o ro sysfs "$ROOT/sys"
    setsid unshare --pid --uts --ipc --net --cgroup --mount --fork bash -c '
        ip link set lo up && mount -t proc proc "$0/proc" && mount -t cgroup2 cgroup2 "$0/sys/fs/cgroup" &&
        exec chroot "$0" env -i container=other PATH=/usr/sbin:/usr/bin:/sbin:/bin /lib/systemd/systemd' "$ROOT" \
        > "$WORK/systemd.log" 2>&1 &
    BOOTED=$!
    within 60 systemd_pid
}
systemd_pid() { pgrep -P "$BOOTED" -x systemd; }
stop_systemd() { [ -z "$BOOTED" ] || { kill -9 "$(systemd_pid)" 2>/dev/null; wait "$BOOTED" 2>/dev/null; BOOTED=; } || true; }
there() { aloud_there "$@" 2>/dev/null; }
aloud_there() {
    local pid
    pid=$(systemd_pid)
    (cd / && nsenter -t "$pid" -m -p -u -i -n -C --root="/proc/$pid/root" --wd="/proc/$pid/root" \
        env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "$@")
}
state() { is "$(there systemctl show -p "$1" --value edge-app.service)" "$2"; }
all_run() { [[ $(there systemctl show -p StatusText --value edge-app.service) =~ ^([0-9]+)\ of\ ([0-9]+)\  ]] &&
    is "${BASH_REMATCH[1]}" "${BASH_REMATCH[2]}"; }
page() { sed -n 's|.*"url": "\([^"]*\)".*|\1|p' "$ROOT"/dev/shm/edge-app-*/web.json; }
ready() { there curl -fsS -o /dev/null "$(page)readyz"; }
status_of() { there grep -q "$1" "/proc/$(there systemctl show -p MainPID --value edge-app.service)/$2"; }

first_picture() {
    there timeout 60 gst-launch-1.0 -q rtspsrc location=rtsp://127.0.0.1:8554/mosaic protocols=tcp ! rtph264depay ! avdec_h264 ! \
        videoconvert ! pngenc snapshot=true ! filesink location=/var/tmp/mosaic.png && mv "$ROOT/var/tmp/mosaic.png" "$KEPT/deployed-mosaic.png"
}

hang_the_supervisor() {
    there mkdir -p /run/systemd/system/edge-app.service.d
    there bash -c 'printf "[Service]\nWatchdogSec=20\n" > /run/systemd/system/edge-app.service.d/short.conf'
    there systemctl daemon-reload && there systemctl restart edge-app.service
    there bash -c 'kill -STOP "$(systemctl show -p MainPID --value edge-app.service)"'
}
was_restarted() { [ "$(there systemctl show -p NRestarts --value edge-app.service)" -ge 1 ]; }

# Somebody else has the port that is the default, and the site names none.
take_the_port() {
    there systemctl stop edge-app.service
    there systemd-run --quiet --unit=somebody python3 -m http.server --bind 127.0.0.1 8080
    within 60 there curl -fsS -o /dev/null http://127.0.0.1:8080/
    sed -i 's/, port: 8080}/}/' "$ROOT/etc/edge-app/site.yaml"
    there systemctl start edge-app.service
}
journal() { there journalctl --no-pager -o cat -u edge-app.service | tee "$WORK/journal" && [ -s "$WORK/journal" ]; }
elsewhere() { [[ $(page) =~ :80(8[1-9]|9[0-9])/$ ]]; }

copy_checkout
check 'a Debian 12' make_root "${DEBIAN_12[@]}"
check 'the first bundle' unpack_first
check 'a dry run changes nothing' dry_run
check 'it installs' install
check 'the unit is enabled' test -L "$ROOT/etc/systemd/system/multi-user.target.wants/edge-app.service"
check 'the user cannot log in' is "$(inside passwd -S edge-app | cut -d ' ' -f 2)" L
check 'passwords are for the service alone' is "$(inside stat -c '%a %U' /etc/edge-app/credentials)" '600 edge-app'
check 'doctor finds no problems' doctor
before=$(content)
check 'it installs again' install
check 'and changed nothing' is "$(content)" "$before"

check 'systemd starts' start_systemd
check 'the service becomes ready' within 300 state ActiveState active
check 'and healthy' within 300 ready
check 'it says that all workers run' within 300 all_run
check 'its mosaic can be watched' first_picture
check 'without rights' status_of '^CapEff:.0*$' status
check 'with a filter for system calls' status_of '^Seccomp:.2$' status
check 'without core dumps' status_of 'core file size *0 *0' limits
check 'its watchdog is provoked' hang_the_supervisor
check 'a supervisor that hangs is restarted' within 300 was_restarted
check 'and healthy again' within 300 ready
there rm -r /run/systemd/system/edge-app.service.d
there systemctl daemon-reload
check 'the port is taken from it' take_the_port
check 'it takes another' within 300 elsewhere
check 'and is healthy there' within 300 ready
check 'its journal has no traceback' journal
update() { aloud_there env EDGE_APP_SETTLE_S=5 /opt/edge-app/current/source/deploy/update.sh "$@"; }
runs() { is "$(basename "$(readlink "$ROOT/opt/edge-app/current")" | cut -d - -f 1)" "$1" && within 300 ready && elsewhere; }
refuses() { ! update "$@" && grep -q "$WORDS" "$ROOT/var/log/edge-app/update.log"; }
check 'a new bundle' make_bundle 2.0
check 'one that does not start' make_bundle 3.0 'echo "raise RuntimeError()" >> edge_app/app/session.py'
mkdir "$ROOT/bundles"
cp "$WORK"/?.0.tar.gz "$ROOT/bundles/"
check 'it updates, without a network and wherever its page is' update /bundles/2.0.tar.gz
check 'the new version runs' runs 2.0
WORDS='2.0-[0-9a-f]* runs again'
check 'an update to one that does not start fails, and is undone' refuses /bundles/3.0.tar.gz
check 'the version before runs' runs 2.0
check 'it goes back to the one before that' update --rollback
check 'the first version runs' runs 1.0
check 'it stops' there systemctl stop edge-app.service
check 'and leaves no shared memory' is "$(ls "$ROOT/dev/shm")" ''
stop_systemd

check 'it uninstalls' install --uninstall
check 'and once more' install --uninstall
check 'the program and the user are gone' bash -c "! ls -d '$ROOT'/opt/edge-app '$ROOT'/var/lib/edge-app && ! grep edge-app '$ROOT/etc/passwd'"
check 'the site stays' test -e "$ROOT/etc/edge-app/site.yaml"
check 'no unit is left' bash -c "! find '$ROOT/etc/systemd' -name 'edge-app*' | grep ."

# The same Debian, packages and all, as the archive that flash.sh is given.
make_archives() {
    local name
    tar -C "$ROOT" --one-file-system -I 'gzip -1' -cf "$WORK/rootfs.tbz2" --exclude=./bundles --exclude=./etc/edge-app \
        --exclude='./var/cache/apt/*.bin' --exclude='./var/cache/apt/archives/*.deb' --exclude='./usr/share/doc/*' . &&
        tar -C "$HERE/tests/standins" --transform 's/^linux_for_tegra/Linux_for_Tegra/' -cf "$WORK/bsp.tbz2" linux_for_tegra
    mkdir "$WORK/bin" "$WORK/image" "$WORK/space"
    # what flash.sh lays over the root file system cannot lie on an overlay, as a container's own disk is one
    [ "$(stat -f -c %T "$WORK")" != overlayfs ] || mount -t tmpfs tmpfs "$WORK/space"
    for name in lsusb python xmllint qemu-aarch64-static; do
        command -v "$name" > /dev/null || command install -m 755 /bin/true "$WORK/bin/$name"
    done
    echo 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBUQyTQH0i1mGQpRMbR6VOO8o9cJr8hEPKkPtvHd8VjS operator@desk' > "$WORK/key.pub"
}
flash() {
    local sum
    sum=$(sha256sum < "$WORK/bsp.tbz2")
    (cd "$WORK" && PATH=$WORK/bin:$PATH TMPDIR=$WORK/space STANDIN_PC=yes STANDIN_APP_MB=6000 FLASH_BSP_SHA256=${sum%% *} \
        "$WORK/first/deploy/flash.sh" --bsp bsp.tbz2 --rootfs rootfs.tbz2 --host gate --user operator \
        --ssh-key key.pub --bundle 1.0.tar.gz --config "$WORK/first/deploy/site.yaml" --image-only)
}
mount_image() {
    mount -o loop "$WORK/gate.img" "$WORK/image"
    ROOT=$WORK/image
    mount -t proc proc "$ROOT/proc"
    mount --rbind /dev "$ROOT/dev"
}
first_boot() { inside /var/lib/edge-app-deploy/first-boot/deploy/first_boot.sh; }
umount -lR "$ROOT/proc" "$ROOT/run" "$ROOT/dev" "$ROOT/sys"
check 'the archives' make_archives
check 'an image is made' flash
rm "$WORK/rootfs.tbz2"
check 'it mounts' mount_image
check 'its first boot installs' first_boot
check 'and is done' test -s "$ROOT/var/lib/edge-app-deploy/provisioned" -a ! -e "$ROOT/var/lib/edge-app-deploy/first-boot"
check 'the next one does nothing' is "$(inside /opt/edge-app/current/source/deploy/first_boot.sh)" 'first-boot: already done'
check 'its unit is off' test ! -e "$ROOT/etc/systemd/system/multi-user.target.wants/edge-app-first-boot.service"
check 'the service is on' test -L "$ROOT/etc/systemd/system/multi-user.target.wants/edge-app.service"
check 'who logs in has no password' is "$(inside passwd -S operator | cut -d ' ' -f 2)" L
check 'doctor finds no problems there' doctor
echo "$PASSED checks passed"
