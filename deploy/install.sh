#!/usr/bin/env bash
# edge-app as a service on this machine: a Jetson TX2 (L4T R32.7), or a PC with Debian or Ubuntu, which gets the same
# without what only a Jetson has. Run again it brings what is missing or new; nothing is asked.
#   deploy/install.sh [--config FILE] [--with-torch] [--with-torch2trt] [--root DIR] [--dry-run] [--uninstall]
#   --config FILE      the site's configuration, to /etc/edge-app/site.yaml; without it that file stays, or is one drawn camera
#   --with-torch       PyTorch too (1 GB on disk, 1 GB of memory while it runs); not needed for ONNX models
#   --with-torch2trt   torch2trt 0.5.0 too, and torch; converting takes 2 GB of memory and more
#   --root DIR         into the root file system under DIR, to make an image; nothing is started
#   --dry-run          say each command and file, change nothing
#   --uninstall        everything away again but packages and /etc/edge-app
# Interrupted anywhere, run it again. Log: /var/log/edge-app/install.log
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/steps.sh
. "$HERE/steps.sh"
# shellcheck source=deploy/board.sh
. "$HERE/board.sh"
NAME=install

CONFIG=
TORCH=no
TORCH2TRT=no
UNINSTALL=no
USER_NAME=edge-app
PLACE=/opt/edge-app
STATE=/var/lib/edge-app
SETTINGS=/etc/edge-app
UNITS=(edge-app-clocks.service edge-app.service)
JOURNALD=/etc/systemd/journald.conf.d/edge-app.conf
NEEDED_MB=3000   # packages, environment, plans
PACKAGES=(python3 python3-venv python3-gi ca-certificates curl
    gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
    gstreamer1.0-libav gstreamer1.0-tools gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0
    gir1.2-gst-rtsp-server-1.0 libgl1)
SHIPPED=(edge_app models setup.py setup.cfg README.md LICENSE)

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            --config | --root)
                [ $# -ge 2 ] || misuse "$1 needs a value"
                if [ "$1" = --config ]; then CONFIG=$2; else ROOT=$(readlink -f "$2" || true); fi
                [ -e "$2" ] || misuse "$1 '$2': there is no such thing"
                shift
                ;;
            --with-torch) TORCH=yes ;;
            --with-torch2trt) TORCH=yes TORCH2TRT=yes ;;
            --uninstall) UNINSTALL=yes ;;
            --dry-run) DRY_RUN=yes ;;
            -h | --help) print_help "$0"; exit 0 ;;
            *) misuse "'$1' is no option" ;;
        esac
        shift
    done
    ROOT=${ROOT%/}
}

# -- commands in the system that is installed to ----------------------------------------------------------------------

inside() { if [ -n "$ROOT" ]; then run chroot "$ROOT" "$@"; else run "$@"; fi; }
has_user() { grep -qs "^$USER_NAME:" "$ROOT/etc/passwd"; }
has_group() { grep -qs "^$1:" "$ROOT/etc/group"; }
pip_install() { inside env "${ENVIRONMENT[@]}" "$VENV/bin/pip" install --quiet --disable-pip-version-check "$@"; }
apt_install() { inside env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@"; }

# Facts for --uninstall: one line each, once.
remember() {
    local list=$ROOT$BEFORE/$1.list
    shift
    [ "$DRY_RUN" = no ] || return 0
    mkdir -p "$ROOT$BEFORE"
    printf '%s\n' "$@" | cat "$(if [ -e "$list" ]; then echo "$list"; else echo /dev/null; fi)" - | sort -u > "$list.new"
    mv "$list.new" "$list"
}
remembered() { cat "$ROOT$BEFORE/$1.list" 2>/dev/null || true; }

# -- steps ----------------------------------------------------------------------------------------------------------

step() { printf '\n'; say "$1 of 9: $2"; }

check_machine() {
    local free
    look_at_board
    mapfile -t ENVIRONMENT < <(board_environment)
    check_board
    [ -e "$ROOT/usr/bin/apt-get" ] || fail 'there is no apt-get: this needs Debian, Ubuntu or L4T'
    free=$(($(df --output=avail -B1M "$ROOT/" | tail -n 1)))
    [ "$free" -ge "$NEEDED_MB" ] || fail "/ has $free MB free, $NEEDED_MB MB are needed; nothing was changed"
    [ -z "$CONFIG" ] || [ -r "$CONFIG" ] || fail "$CONFIG cannot be read"
    if [ "$TORCH2TRT" = yes ] && [ "$KIND" != tx2 ]; then
        fail '--with-torch2trt: there is no TensorRT 8.2 here to convert for; nothing was changed'
    fi
}

install_packages() {
    local wanted=("${PACKAGES[@]}") missing
    [ "$KIND" != tx2 ] || wanted+=("${JETPACK_PACKAGES[@]}")
    if [ "$KIND" = tx2 ] && [ ! -e "$ROOT/usr/lib/python3.6/dist-packages/cv2" ]; then wanted+=(python3-opencv); fi
    if [ "$KIND" = tx2 ] && has_docker; then wanted+=("${CONTAINER_LISTS[@]}"); fi
    [ "$KIND" != jetson ] || wanted+=(python3-libnvinfer build-essential python3-dev)
    mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}" | sort -u) <(installed_packages | sort -u))
    if [ "${#missing[@]}" = 0 ]; then
        say 'all there'
        return
    fi
    say "installing ${#missing[@]}: ${missing[*]}"
    inside apt-get update -qq || say 'apt-get update failed; going on with the old lists'
    apt_install "${missing[@]}" || fail "apt could not install them; its words are above and in the log"
    remember packages "${missing[@]}"
}

make_user() {
    local group groups=()
    if ! has_user; then
        say "user $USER_NAME, who cannot log in"
        inside useradd --system --user-group --home-dir "$STATE" --no-create-home --shell /usr/sbin/nologin "$USER_NAME"
        remember user "$USER_NAME"
    fi
    for group in video render jtop; do   # the GPU and the codecs, jtop's socket
        ! has_group "$group" || groups+=("$group")
    done
    [ "${#groups[@]}" = 0 ] || inside usermod -aG "$(IFS=,; echo "${groups[*]}")" "$USER_NAME"
    inside install -d -m 750 -o "$USER_NAME" -g "$USER_NAME" "$STATE"
}

release_name() {
    local version content
    version=$(sed -n "s/^__version__ = '\(.*\)'/\1/p" "$HERE/../edge_app/__init__.py")
    content=$(cd "$HERE/.." && find "${SHIPPED[@]}" deploy/install.sh deploy/board.sh -type f ! -name '*.pyc' -print0 |
        sort -z | xargs -0 sha256sum | sha256sum | cut -c -8)
    echo "$version-$content"
}

# Built under its own name, then `current` points to it: an interrupted or failed build leaves the old one running.
install_program() {
    local release
    release=$(release_name)
    RELEASE=$PLACE/$release
    VENV=$RELEASE/venv
    SOURCE=$RELEASE/source
    if [ -e "$ROOT$RELEASE/complete" ]; then
        say "$release is there"
    else
        say "building $release; the first time it takes some minutes, on a TX2 up to half an hour"
        run rm -rf "$ROOT$RELEASE"
        run mkdir -p "$ROOT$SOURCE"
        for part in "${SHIPPED[@]}"; do run cp -r "$HERE/../$part" "$ROOT$SOURCE/"; done
        make_environment
        run touch "$ROOT$RELEASE/complete"
    fi
    [ "$TORCH" = no ] || install_torch
    [ "$TORCH2TRT" = no ] || install_torch2trt
}

make_environment() {
    inside python3 -m venv "$VENV"
    if [ "$KIND" = tx2 ]; then   # the last for Python 3.6; its own pip cannot read today's wheels
        pip_install 'pip==21.3.1' 'setuptools==59.6.0' 'wheel==0.37.1'
        pip_install 'numpy==1.19.5'
    fi
    link_modules
    pip_install "$SOURCE"
    if [ "$KIND" = tx2 ]; then   # without isolation, or it builds against a numpy of its own
        inside env "${ENVIRONMENT[@]}" PATH=/usr/local/cuda/bin:/usr/bin:/bin CPATH=/usr/local/cuda/include \
            LIBRARY_PATH=/usr/local/cuda/lib64:/usr/local/cuda/lib64/stubs \
            "$VENV/bin/pip" install --quiet --no-build-isolation 'pycuda==2022.1'
    elif [ "$KIND" = jetson ]; then
        pip_install pycuda
    fi
    run ln -sfn venv/bin "$ROOT$RELEASE/bin"
    inside env "${ENVIRONMENT[@]}" "$VENV/bin/python" -c 'import gi, numpy, cv2, edge_app'
}

# One link per module that only apt has, nothing else of the system's.
link_modules() {
    local name link modules=(gi)
    # shellcheck disable=SC2016  # for the shell that runs it
    link='for from in /usr/lib/python3/dist-packages /usr/lib/python3.*/dist-packages; do
        for found in "$from/$1" "$from/$1".*.so; do
            if [ -e "$found" ]; then ln -sfn "$found" "$0"/lib/python3.*/site-packages/; fi
        done
    done'
    [ "$KIND" = pc ] || modules+=(tensorrt)
    [ "$KIND" != tx2 ] || modules+=(cv2)
    for name in "${modules[@]}"; do
        inside bash -c "$link" "$VENV" "$name"
    done
}

write_settings() {
    say "$SETTINGS: site.yaml, credentials, environment"
    run install -d -m 755 "$ROOT$SETTINGS"
    {
        echo '# written by install.sh; what is added here is the service'\''s environment. Passwords belong into credentials.'
        board_environment
    } | put_file "$SETTINGS/environment" 644
    if [ -n "$CONFIG" ]; then
        put_file "$SETTINGS/site.yaml" 640 < "$CONFIG"
    elif [ ! -e "$ROOT$SETTINGS/site.yaml" ]; then
        put_file "$SETTINGS/site.yaml" 640 < "$HERE/site.yaml"
    fi
    inside chgrp "$USER_NAME" "$SETTINGS/site.yaml"
    if [ ! -e "$ROOT$SETTINGS/credentials" ]; then
        inside install -m 600 -o "$USER_NAME" -g "$USER_NAME" /dev/null "$SETTINGS/credentials"
    fi
}

make_swap() {
    if [ "$KIND" = pc ]; then
        say 'left as it is: no Jetson'
    elif [ -n "$ROOT" ]; then
        say 'left to the board itself: run deploy/swap.sh there'
    else
        call_swap
        remember swap yes
    fi
}

call_swap() {
    [ "$DRY_RUN" = no ] || set -- "$@" --dry-run
    "$HERE/swap.sh" "$@"
}

install_units() {
    local unit
    for unit in "${UNITS[@]}"; do put_file "/etc/systemd/system/$unit" 644 < "$HERE/units/$unit"; done
    put_file "$JOURNALD" 644 < "$HERE/units/edge-app-journald.conf"
    [ "$KIND" = pc ] || enable nvpmodel.service   # without a display manager nobody starts it
    [ "$KIND" = pc ] || enable edge-app-clocks.service
    enable edge-app.service
    ! has_systemd || run systemctl daemon-reload
    ! has_systemd || run systemctl try-restart systemd-journald
}

enable() { inside systemctl enable "$1" || fail "$1 cannot be enabled; systemctl's words are above"; }

# A plan belongs to this board and takes minutes: now, with its progress on the screen, not at the first start.
build_plan() {
    local words='MODEL --precision PRECISION --batch BATCH'
    local as_service=(runuser -u "$USER_NAME" -- env HOME="$STATE" "${ENVIRONMENT[@]}")
    if [ "$KIND" = pc ] || [ -n "$ROOT" ]; then
        say 'no TensorRT plan to build here'
        return
    fi
    [ "$DRY_RUN" = yes ] || words=$("${as_service[@]}" "$PLACE/current/bin/python" -c "$PLAN_WORDS") ||
        fail "$SETTINGS/site.yaml is not good, see above; mend it and run this again"
    if [ -z "$words" ]; then
        say 'the engine is off, or not TensorRT: no plan to build'
        return
    fi
    say 'building the plan for this board: 5 to 15 minutes for a YOLO, 2 GB of memory'
    # shellcheck disable=SC2086  # three options of our own making
    run_aloud "${as_service[@]}" "$PLACE/current/bin/edge-app" models build $words
}
PLAN_WORDS="
import shlex
from edge_app.config import load
from edge_app.detectors.model_file import find_model
engine = load('$SETTINGS/site.yaml').engine
if engine.enabled and engine.backend in ('auto', 'tensorrt'):
    print('%s --precision %s --batch %d' % (find_model(engine.model)[0], engine.precision, engine.batch))
"

start_service() {
    if ! runs_services; then
        say 'systemd does not run here: the service starts with the machine'
        return
    fi
    [ "$KIND" = pc ] || run systemctl restart edge-app-clocks.service || say 'power mode and clocks could not be set; see above'
    run systemctl restart edge-app.service || fail 'the service does not start: journalctl -u edge-app -n 50'
    [ "$DRY_RUN" = yes ] || check_health
}

point_to_release() {
    run ln -sfn "$(basename "$RELEASE")" "$ROOT$PLACE/current.new"
    run mv -T "$ROOT$PLACE/current.new" "$ROOT$PLACE/current"
}

check_health() {
    local address tries=0
    address=$(sed -nE 's/^ *web: *\{.*port: *([0-9]+).*/\1/p' "$SETTINGS/site.yaml")
    address=http://127.0.0.1:${address:-8080}
    until curl -fsS -o /dev/null --max-time 5 "$address/readyz" 2>/dev/null || [ "$tries" -ge 60 ]; do
        tries=$((tries + 1))
        sleep 2
    done
    if curl -fsS -o /dev/null --max-time 5 "$address/healthz" 2>/dev/null; then
        say "healthy: $(curl -sS --max-time 5 "$address/readyz" || true)"
        return
    fi
    fail "the service runs and $address/healthz does not answer: journalctl -u edge-app -n 50" \
        "if site.yaml turns the page off or moves it, that is why"
}

# The one that runs and the one before it stay, and no half ones: the eMMC is small.
remove_old_releases() {
    local folder before
    [ -d "$ROOT$PLACE" ] || return 0
    before=$(find "$ROOT$PLACE" -mindepth 2 -maxdepth 2 -name complete ! -path "*$RELEASE/*" -printf '%T@ %h\n' |
        sort -rn | sed -n '1s/[^ ]* //p')
    for folder in "$ROOT$PLACE"/*/; do
        folder=${folder%/}
        case $folder in
            "$ROOT$RELEASE" | "$ROOT$PLACE/current" | "$before" | "$ROOT$PLACE/*") ;;
            *) run rm -rf "$folder" ;;
        esac
    done
}

sum_up() {
    printf '\n'
    say "done: $(basename "$RELEASE") in $PLACE, cameras in $SETTINGS/site.yaml, passwords in $SETTINGS/credentials"
    say 'look: systemctl status edge-app · journalctl -u edge-app -f · http://127.0.0.1:8080'
    say 'back: deploy/install.sh --uninstall'
}

# -- and away again -------------------------------------------------------------------------------------------------

uninstall() {
    local unit file held masked
    look_at_board
    for unit in edge-app.service edge-app-clocks.service; do
        [ ! -e "$ROOT/etc/systemd/system/$unit" ] || inside systemctl disable "$unit" || true
        ! has_systemd || run systemctl stop "$unit" || true
        remove_file "/etc/systemd/system/$unit"
        run rm -f "$ROOT/etc/systemd/system/multi-user.target.wants/$unit"
    done
    for file in "$JOURNALD" "$PREFERENCES" "$PROFILE"; do remove_file "$file"; done
    if is_kept "$DAEMON"; then
        take_back "$DAEMON" || say "$DAEMON was changed since: it stays as it is, with the nvidia runtime"
    fi
    mapfile -t held < <(remembered held)
    [ "${#held[@]}" = 0 ] || inside apt-mark unhold "${held[@]}"
    mapfile -t masked < <(remembered masked)
    [ "${#masked[@]}" = 0 ] || inside systemctl unmask "${masked[@]}"
    [ -z "$(remembered swap)" ] || call_swap --remove
    [ -z "$(remembered user)" ] || ! has_user || inside userdel "$USER_NAME"
    run rm -rf "$ROOT$PLACE" "$ROOT$STATE"
    ! has_systemd || run systemctl daemon-reload
    say "packages stay: $(remembered packages | tr '\n' ' ')"
    say "$SETTINGS stays, with the passwords in it; rm -r $SETTINGS when you are sure"
    forget "$SETTINGS/site.yaml"
    forget "$SETTINGS/environment"
    [ "$DRY_RUN" = yes ] || rm -f "$ROOT$BEFORE"/*.list
}

remove_file() { take_back "$1" || { [ ! -e "$ROOT$1" ] || run rm -f "$ROOT$1"; forget "$1"; }; }

install_all() {
    step 1 'this machine'
    check_machine
    [ "$DRY_RUN" = yes ] || open_log "$@"
    step 2 'packages'
    install_packages
    if [ "$KIND" = tx2 ]; then
        pin_containers
        hold_packages
        stop_automatic_upgrades
        merge_daemon
    fi
    step 3 'the service user'
    make_user
    [ "$KIND" = pc ] || write_cuda_paths
    step 4 'swap'
    make_swap
    step 5 'the program'
    install_program
    step 6 'settings'
    write_settings
    step 7 'units'
    install_units
    step 8 'the plan'
    point_to_release
    build_plan
    step 9 'start and health'
    start_service
    remove_old_releases
    sum_up
}

main() {
    read_arguments "$@"
    need_root
    if [ "$DRY_RUN" = no ]; then
        exec 8> "$ROOT/run/edge-app-install.lock"
        flock -n 8 || fail 'another install.sh is at work; wait for it'
        trap 'say "interrupted; run it again to finish"; exit 130' INT TERM
    fi
    if [ "$UNINSTALL" = yes ]; then
        open_log "$@"
        uninstall
    else
        install_all "$@"
    fi
}

main "$@"
