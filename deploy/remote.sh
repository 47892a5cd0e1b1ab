#!/usr/bin/env bash
# Runs install.sh on another machine over ssh: copies the checkout there, runs install.sh, removes the copy.
#   deploy/remote.sh [USER@]HOST [--config FILE] [any other option of install.sh]
#   --config FILE      a file on this machine; it is copied there first
# Needs an ssh key (ssh-copy-id HOST), and root or sudo without a password there: it asks nothing. Put ports, keys and names
# into ~/.ssh/config. If interrupted, run it again. Log: there, /var/log/edge-app/install.log
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/steps.sh
. "$HERE/steps.sh"
# shellcheck source=deploy/release.sh
. "$HERE/release.sh"
NAME=remote
HOST=
CONFIG=
PLACE=
OPTIONS=()

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            -h | --help) print_help "$0"; exit 0 ;;
            --config)
                [ $# -ge 2 ] || misuse '--config needs a value'
                [ -r "$2" ] || misuse "--config '$2': there is no such file"
                CONFIG=$2
                shift
                ;;
            --root) misuse '--root is for images on this machine, not for another one' ;;
            -*) OPTIONS+=("$1") ;;
            *)
                [ -z "$HOST" ] || misuse "'$1': one host at a time"
                HOST=$1
                ;;
        esac
        shift
    done
    [ -n "$HOST" ] || misuse 'which host?'
}

there() { ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15 "$HOST" "$@"; }

make_place() {
    there true || fail "$HOST cannot be reached with a key; see its message above" \
        "to allow it: ssh-copy-id $HOST"
    # shellcheck disable=SC2016  # for the shell over there
    PLACE=$(there 'mktemp -d "${TMPDIR:-/tmp}/edge-app-install.XXXXXX"')
    [[ $PLACE =~ ^/[A-Za-z0-9/._-]+$ ]] || fail "$HOST returned no folder to copy to, but '$PLACE'"
    trap 'there "rm -rf $PLACE" || true' EXIT
}

copy() {
    say "copying to $HOST:$PLACE"
    tar -C "$HERE/.." --exclude=__pycache__ -czf - "${SHIPPED[@]}" | there "tar -xzf - -C $PLACE"
    [ -z "$CONFIG" ] || there "umask 077; cat > $PLACE/site.yaml" < "$CONFIG"   # it may hold passwords
}

install_there() {
    local sudo='' line status=0
    [ "$(there 'id -u')" = 0 ] || sudo='sudo -n'
    [ -z "$CONFIG" ] || OPTIONS+=(--config "$PLACE/site.yaml")
    line="$PLACE/deploy/install.sh$([ "${#OPTIONS[@]}" = 0 ] || printf ' %q' "${OPTIONS[@]}")"
    if [ -n "$sudo" ] && ! there "$sudo true" 2>/dev/null; then
        trap - EXIT
        fail "the user there cannot use sudo without a password, and nothing is asked here. By hand:" \
            "    ssh -t $HOST sudo $line"
    fi
    there "$sudo $line" || status=$?
    [ "$status" != 255 ] || fail "the connection to $HOST was lost; run this again, it continues where it was"
    return "$status"
}

read_arguments "$@"
make_place
copy
install_there
