#!/usr/bin/env bash
# Installs edge-app as a service on this machine: a Jetson TX2 (L4T R32.7), or a PC with Debian or Ubuntu, without what only
# a Jetson has. Run it again to add what is missing or new; it asks nothing.
#   deploy/install.sh [--config FILE] [--with-torch] [--with-torch2trt] [--root DIR] [--dry-run] [--uninstall]
#   --config FILE      the site's configuration, to /etc/edge-app/site.yaml; default: the existing file, or one simulated camera
#   --with-torch       also PyTorch (1 GB on disk, 1 GB of memory while it runs); not needed for ONNX models
#   --with-torch2trt   also torch2trt 0.5.0, and torch; converting takes 2 GB of memory and more
#   --root DIR         install into the root file system under DIR, to make an image; starts nothing
#   --dry-run          print each command and file, change nothing
#   --uninstall        remove everything but packages and /etc/edge-app
# If interrupted, run it again. Log: /var/log/edge-app/install.log
set -euo pipefail
umask 022   # the service is another user than the one who installs it
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/steps.sh
. "$HERE/steps.sh"
# shellcheck source=deploy/board.sh
. "$HERE/board.sh"
# shellcheck source=deploy/release.sh
. "$HERE/release.sh"
# shellcheck source=deploy/health.sh
. "$HERE/health.sh"
NAME=install

CONFIG=
TORCH=no
TORCH2TRT=no
UNINSTALL=no
UNITS=(edge-app-clocks.service edge-app.service)
JOURNALD=/etc/systemd/journald.conf.d/edge-app.conf
NEEDED_MB=3000   # packages, environment, plans
PACKAGES=(python3 python3-venv python3-gi ca-certificates curl
    gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
    gstreamer1.0-libav gstreamer1.0-tools gir1.2-gstreamer-1.0 gir1.2-gst-plugins-base-1.0
    gir1.2-gst-rtsp-server-1.0 glib-networking libgl1)

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
# Somebody's changed settings stay, unasked: dpkg's own questions do not look at DEBIAN_FRONTEND. A machine just started
# may be updating itself: that is waited for.
apt_install() {
    inside env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold "$@" < /dev/null
}

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
    check_wheels
    if [ "$TORCH2TRT" = yes ] && [ "$KIND" != tx2 ]; then
        fail '--with-torch2trt: there is no TensorRT 8.2 here to convert for; nothing was changed'
    fi
}

install_packages() {
    local wanted=("${PACKAGES[@]}") missing
    [ "$KIND" != tx2 ] || wanted+=("${JETPACK_PACKAGES[@]}")
    if [ "$KIND" = tx2 ] && [ ! -e "$ROOT/usr/lib/python3.6/dist-packages/cv2" ]; then wanted+=("$OPENCV_PACKAGE"); fi
    if [ "$KIND" = tx2 ] && has_docker; then wanted+=("${CONTAINER_LISTS[@]}"); fi
    [ "$KIND" != jetson ] || wanted+=(python3-libnvinfer build-essential python3-dev)
    mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}" | sort -u) <(installed_packages | sort -u))
    if [ "${#missing[@]}" = 0 ]; then
        say 'all there'
        return
    fi
    say "installing ${#missing[@]}: ${missing[*]}"
    # a power cut in the middle of apt's work, and apt does nothing more until this is done
    inside env DEBIAN_FRONTEND=noninteractive dpkg --force-confdef --force-confold --configure -a < /dev/null ||
        say 'dpkg could not finish an earlier installation; see above'
    inside apt-get update -qq || say 'apt-get update failed; continuing with the old lists'
    apt_install "${missing[@]}" || fail "apt could not install them; see its output above and in the log"
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

write_settings() {
    say "$SETTINGS: site.yaml, credentials, environment"
    run install -d -m 755 "$ROOT$SETTINGS"
    {
        echo '# written by install.sh; what is added here is the service'\''s environment. Passwords belong into credentials.'
        board_environment
        added_environment
    } | put_file "$SETTINGS/environment" 644
    if [ -n "$CONFIG" ]; then
        put_file "$SETTINGS/site.yaml" 640 < "$CONFIG"
    elif [ ! -e "$ROOT$SETTINGS/site.yaml" ]; then
        put_file "$SETTINGS/site.yaml" 640 < "$HERE/site.yaml"
    fi
    inside chgrp "$USER_NAME" "$SETTINGS/site.yaml"
    # who may make this machine's updates: whoever made the bundle it was first installed from
    if [ -e "$HERE/../bundle.pub" ] && [ ! -e "$ROOT$SETTINGS/bundle.pub" ]; then
        put_file "$SETTINGS/bundle.pub" 644 < "$HERE/../bundle.pub"
    fi
    if [ ! -e "$ROOT$SETTINGS/credentials" ]; then
        inside install -m 600 -o "$USER_NAME" -g "$USER_NAME" /dev/null "$SETTINGS/credentials"
    else   # of an installation before, whose user had another number
        inside chown "$USER_NAME:$USER_NAME" "$SETTINGS/credentials"
    fi
}

# The lines of it that are not ours.
added_environment() {
    [ ! -e "$ROOT$SETTINGS/environment" ] || grep -v '^# written by install.sh;' "$ROOT$SETTINGS/environment" |
        grep -vxFf <(board_environment) || true
}

make_swap() {
    if [ "$KIND" = pc ]; then
        say 'not changed: not a Jetson'
    elif [ -n "$ROOT" ]; then
        say 'skipped: run deploy/swap.sh on the board'
    else
        call_swap
        remember swap yes
    fi
}

call_swap() {
    if [ "$DRY_RUN" = no ]; then
        "$HERE/swap.sh" "$@"
    else   # what it would refuse it says, and the steps after it are shown, too
        "$HERE/swap.sh" "$@" --dry-run || true
    fi
}

install_units() {
    local unit
    for unit in "${UNITS[@]}"; do put_file "/etc/systemd/system/$unit" 644 < "$HERE/units/$unit"; done
    put_file "$JOURNALD" 644 < "$HERE/units/edge-app-journald.conf"
    [ "$KIND" = pc ] || enable nvpmodel.service   # without a display manager nobody starts it
    [ "$KIND" = pc ] || enable edge-app-clocks.service
    enable edge-app.service
    ! runs_services || run systemctl daemon-reload
    ! runs_services || run systemctl try-restart systemd-journald
}

enable() { inside systemctl enable "$1" || fail "$1 cannot be enabled; systemctl's words are above"; }

# Before the old version is left: a configuration the new one does not read would leave the machine without any.
check_site() {
    [ -z "$ROOT" ] && [ "$DRY_RUN" = no ] || return 0
    find_page || fail "$SETTINGS/site.yaml has mistakes, see above; correct it and run this again"
}

# Before the plan is built: at other clocks TensorRT would choose other ways.
set_clocks() {
    runs_services && [ "$KIND" != pc ] || return 0
    run systemctl restart edge-app-clocks.service || say 'power mode and clocks could not be set; see above'
}

# A plan belongs to this board and takes minutes: now, with its progress on the screen, not at the first start.
build_plan() {
    local words=$'MODEL\n--precision\nPRECISION\n--batch\nBATCH' options
    if [ "$KIND" = pc ] || [ -n "$ROOT" ]; then
        say 'no TensorRT plan to build here'
        return
    fi
    [ "$DRY_RUN" = yes ] || words=$(as_service "$RELEASE/venv/bin/python" -c "$PLAN_WORDS") ||
        fail "$SETTINGS/site.yaml has mistakes, see above; correct it and run this again"
    if [ -z "$words" ]; then
        say 'the engine is off, or not TensorRT: no plan to build'
        return
    fi
    say 'building the plan for this board: 5 to 15 minutes for a YOLO, 2 GB of memory'
    mapfile -t options <<< "$words"
    THROUGH=run_aloud as_service "$RELEASE/bin/edge-app" models build "${options[@]}"
}
PLAN_WORDS="
from edge_app.config import load
from edge_app.detectors.model_file import find_model
engine = load('$SETTINGS/site.yaml').engine
if engine.enabled and engine.backend in ('auto', 'tensorrt'):
    model = find_model(engine.model)[0]
    if '://' not in model and model.endswith(('.onnx', '.cfg')):   # others are no work for TensorRT, or plans already
        print('\\n'.join((model, '--precision', engine.precision, '--batch', str(engine.batch))))
"

start_service() {
    if ! runs_services; then
        say 'systemd is not running here: the service starts at boot'
        return
    fi
    run systemctl restart edge-app.service || fail 'the service does not start: journalctl -u edge-app -n 50'
    if [ "$DRY_RUN" = yes ]; then
        say "would ask /healthz, and wait up to $READY_S s for /readyz"
    else
        check_health
    fi
}

check_health() {
    within "$READY_S" is_ready || true   # a camera that is away is no reason to fail
    is_up || fail "the service does not answer${ADDRESS:+ at $ADDRESS}: journalctl -u edge-app -n 50"
    say "healthy: $([ "$PAGE" = no ] || ask readyz || echo 'not ready yet, see the page')"
}

sum_up() {
    printf '\n'
    say "done: $(basename "$RELEASE") in $PLACE, cameras in $SETTINGS/site.yaml, passwords in $SETTINGS/credentials"
    say 'look: systemctl status edge-app · journalctl -u edge-app -f'"${ADDRESS:+ · $ADDRESS}"
    say "back: $PLACE/current/source/deploy/install.sh --uninstall"
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
        take_back "$DAEMON" || say "$DAEMON was changed since: it is not changed and keeps the nvidia runtime"
    fi
    mapfile -t held < <(remembered held)
    [ "${#held[@]}" = 0 ] || inside apt-mark unhold "${held[@]}"
    mapfile -t masked < <(remembered masked)
    [ "${#masked[@]}" = 0 ] || inside systemctl unmask "${masked[@]}"
    [ -z "$(remembered swap)" ] || call_swap --remove
    for file in site.yaml credentials; do   # or the next user to get the number could read the passwords
        [ ! -e "$ROOT$SETTINGS/$file" ] || run chown 0:0 "$ROOT$SETTINGS/$file"
    done
    [ -z "$(remembered user)" ] || ! has_user || inside userdel "$USER_NAME"
    run rm -rf "$ROOT$PLACE" "$ROOT$STATE" "$ROOT$BEFORE"/update{,.before}
    ! has_systemd || run systemctl daemon-reload
    say "packages stay: $(remembered packages | tr '\n' ' ')"
    say "$SETTINGS is kept, with the passwords in it; to remove it: rm -r $SETTINGS"
    forget "$SETTINGS/site.yaml"
    forget "$SETTINGS/environment"
    forget "$SETTINGS/bundle.pub"
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
    check_site
    set_clocks
    build_plan
    point_to "$(basename "$RELEASE")"
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
        flock -n 8 || fail 'another install.sh is running; wait for it'
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
