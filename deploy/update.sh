#!/usr/bin/env bash
# Updates edge-app on this machine to the version of a bundle, and restores the old one if the new one is not healthy.
#   deploy/update.sh BUNDLE [--older] [--unsigned] [--dry-run]
#   deploy/update.sh --rollback [--dry-run]
#   BUNDLE       from `make bundle`; it must be signed with the key whose public half is /etc/edge-app/bundle.pub, and everything in
#                it be as signed, before anything in it runs
#   --older      also a version older than the one installed: what was mended since is open again
#   --unsigned   whoever made it: for a machine without a bundle.pub, and bundles of versions that did not sign
#   --rollback   restore version, units and configuration from before the last update
#   --dry-run    print each command and file, change nothing
# The new version is built beside the old one, which keeps running; then the service restarts. Healthy means: the service
# runs, answers /healthz, does not restart for 15 s, and is ready if it was before. Needs no network.
# If interrupted, it goes back at once; if killed, at the next run. Log: /var/log/edge-app/update.log
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/steps.sh
. "$HERE/steps.sh"
# shellcheck source=deploy/release.sh
. "$HERE/release.sh"
# shellcheck source=deploy/health.sh
. "$HERE/health.sh"
NAME=update

BUNDLE=
ROLLBACK=no
OLDER=no
SIGNER=$SETTINGS/bundle.pub
ENVIRONMENT=()
UPDATE=$BEFORE/update   # what was before, until the next update is done; `state` says how far one got
EARLIER=$UPDATE.before   # the same of the update before, while one is under way: --rollback's again if that one fails
# what install.sh may change beside the program
KEPT=(/etc/systemd/system/edge-app.service /etc/systemd/system/edge-app-clocks.service
    /etc/systemd/journald.conf.d/edge-app.conf /etc/profile.d/edge-app.sh "$SETTINGS/site.yaml" "$SETTINGS/environment")
SETTLE_S=${EDGE_APP_SETTLE_S:-15}

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            --rollback) ROLLBACK=yes ;;
            --older) OLDER=yes ;;
            --unsigned) SIGNER= ;;
            --dry-run) DRY_RUN=yes ;;
            -h | --help) print_help "$0"; exit 0 ;;
            -*) misuse "'$1' is no option" ;;
            *)
                [ -z "$BUNDLE" ] || misuse "'$1': one bundle at a time"
                BUNDLE=$1
                ;;
        esac
        shift
    done
    [ "$ROLLBACK" = yes ] || [ -n "$BUNDLE" ] || misuse 'which bundle?'
    [ "$ROLLBACK" = no ] || [ -z "$BUNDLE" ] || misuse '--rollback needs no bundle: what was before is still here'
}

# -- what was before ---------------------------------------------------------------------------------------------------

state() { cat "$UPDATE/state" 2>/dev/null || true; }
mark() { [ "$DRY_RUN" = yes ] || { echo "$1" > "$UPDATE/state.new" && sync "$UPDATE/state.new" && mv "$UPDATE/state.new" "$UPDATE/state"; }; }

remember_all() {
    local file
    if [ "$(state)" = 'done' ]; then
        run rm -rf "$EARLIER"
        run mv "$UPDATE" "$EARLIER"
    fi
    run rm -rf "$UPDATE"
    run mkdir -p "$UPDATE/files"
    run chmod 700 "$BEFORE" "$UPDATE"
    PREVIOUS=$(current_release)
    [ "$DRY_RUN" = yes ] || echo "$PREVIOUS" > "$UPDATE/release"
    for file in "${KEPT[@]}"; do
        [ -e "$file" ] || continue
        run mkdir -p "$UPDATE/files$(dirname "$file")"
        run cp -p "$file" "$UPDATE/files$file"
    done
    mark updating
}

# The update before is what --rollback undoes, once nothing is left of one that failed.
remember_earlier() { [ -e "$UPDATE/state" ] || [ ! -e "$EARLIER" ] || { run rm -rf "$UPDATE" && run mv "$EARLIER" "$UPDATE"; }; }

# Program, units and settings as they were, then the service; each step is done again without harm.
go_back() {
    local file old
    old=$(cat "$UPDATE/release" 2>/dev/null) || fail "nothing to go back to: no update was installed here"
    [ -e "$PLACE/$old/complete" ] || fail "$PLACE/$old is gone; install it again"
    say "restoring $old"
    for file in "${KEPT[@]}"; do
        if [ -e "$UPDATE/files$file" ]; then
            run cp -p "$UPDATE/files$file" "$file.edge-app-new"
            run mv "$file.edge-app-new" "$file"
        else
            run rm -f "$file"
        fi
    done
    point_to "$old"
    RELEASE=$PLACE/$old
    restart_service
    [ "$(state)" = updating ] || run rm -rf "$EARLIER"
    run rm -rf "$UPDATE"   # all is as it was, well or not: the next run must not do it again over what was mended since
    remember_earlier
    [ "$DRY_RUN" = yes ] || check_old
}

restart_service() {
    has_systemd || { say 'systemd is not running here: nothing to start'; return; }
    run systemctl daemon-reload
    run systemctl restart edge-app.service || true   # what it says of itself is asked next
}

check_old() {
    has_systemd || return 0
    find_page || PAGE=no
    within "$READY_S" is_up || fail "$(basename "$RELEASE") does not answer, either: journalctl -u edge-app -n 50"
    say "$(basename "$RELEASE") runs again"
}

# -- the new one -------------------------------------------------------------------------------------------------------

open_new() {
    local dry_run=$DRY_RUN
    NEW=$(mktemp -d "${TMPDIR:-/var/tmp}/edge-app-update.XXXXXX")
    trap 'rm -rf "$NEW" "$NEW.signed"' EXIT
    DRY_RUN=no
    [ -z "$SIGNER" ] || [ -e "$SIGNER" ] || fail "nobody can tell who made $BUNDLE: there is no $SIGNER" \
        "put the maker's there (bundle.pub in a bundle you trust), or take this one as it is with --unsigned"
    open_bundle "$BUNDLE" "$NEW" "$SIGNER"
    DRY_RUN=$dry_run
    RELEASE=$PLACE/$(bundle_fact release "$NEW")
    say "$(bundle_fact release "$NEW"); installed: $(current_release)"
    [ "$OLDER" = yes ] || ! is_older "$(basename "$RELEASE")" "$(current_release)" ||
        fail 'that version is older than the one installed: to take it all the same give --older; to undo an update: --rollback'
}

load_image() {
    local engine
    [ -e "$NEW/image.tar" ] || return 0
    for engine in docker podman; do
        if command -v "$engine" >/dev/null && "$engine" info >/dev/null 2>&1; then
            say 'loading the container image'
            run_aloud "$engine" load -i "$NEW/image.tar"
            return
        fi
    done
    say 'the container image stays in the bundle: no container engine is running here'
}

install_new() {
    local options=()
    [ ! -e "$NEW/site.yaml" ] || options=(--config "$NEW/site.yaml")
    [ "$DRY_RUN" = no ] || options+=(--dry-run)
    note "+ $NEW/deploy/install.sh ${options[*]}"
    "$NEW/deploy/install.sh" "${options[@]}"
}

restarts() { systemctl show -p NRestarts --value edge-app.service; }

# Well, and not only for a moment.
is_well() {
    local before left=$SETTLE_S
    has_systemd || return 0
    find_page || return 1
    before=$(restarts)
    [ "$WAS_READY" = no ] || within "$READY_S" is_ready || { say 'it was ready before and is not ready now'; return 1; }
    while [ "$left" -gt 0 ]; do
        is_up || { say 'it does not answer'; return 1; }
        [ "$(restarts)" = "$before" ] || { say 'it keeps restarting'; return 1; }
        left=$((left - 1))
        sleep 1
    done
}

was_ready() {
    local RELEASE=$PLACE/current
    has_systemd && find_page 2>/dev/null && is_ready
}

give_up() {
    trap '' INT TERM
    say "$1"
    [ "$(state)" != updating ] || go_back
    exit "$2"
}

update() {
    open_new
    if was_ready; then WAS_READY=yes; else WAS_READY=no; fi
    if [ "$(current_release)" = "$(basename "$RELEASE")" ] && [ "$WAS_READY" = yes ] && [ ! -e "$NEW/site.yaml" ]; then
        say 'already installed, and healthy'
        return
    fi
    load_image || fail 'the container image could not be loaded; nothing else was changed'
    remember_all
    trap 'give_up interrupted 130' INT TERM HUP
    install_new || give_up 'the new version could not be installed, or does not work' 1
    [ "$DRY_RUN" = no ] || return 0
    is_well || give_up 'the new version is not well' 1
    mark 'done'
    run rm -rf "$EARLIER"
    remove_old_releases
    say "done: $(current_release); to go back: update.sh --rollback"
}

main() {
    read_arguments "$@"
    need_root
    [ -e "$PLACE/current/complete" ] || fail 'no edge-app is installed here: run install.sh first'
    if [ "$DRY_RUN" = no ]; then
        exec 9> /run/edge-app-update.lock
        flock -n 9 || fail 'another update.sh is running; wait for it'
        open_log "$@"
        rm -rf "${TMPDIR:-/var/tmp}"/edge-app-update.*   # of one that was killed; the lock is ours
    fi
    remember_earlier
    if [ "$(state)" = updating ]; then
        say 'the last update was interrupted; restoring first'
        go_back
        [ "$ROLLBACK" = no ] || return 0
    fi
    if [ "$ROLLBACK" = yes ]; then go_back; else update; fi
}

main "$@"
exit   # an update replaces this file too
