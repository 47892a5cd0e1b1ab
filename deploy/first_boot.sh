#!/usr/bin/env bash
# What a flashed board runs at its first start, from edge-app-first-boot.service: installs edge-app once, from what flash.sh
# left beside this file. After a failure it retries a minute later. Log: /var/log/edge-app/first-boot.log
#   deploy/first_boot.sh      as root; it takes no arguments
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/steps.sh
. "$HERE/steps.sh"
NAME=first-boot
DONE=$BEFORE/provisioned

main() {
    local options=()
    case ${1-none} in
        none) ;;
        -h | --help) print_help "$0"; exit 0 ;;
        *) misuse "'$1' is no option" ;;
    esac
    need_root
    if [ -e "$DONE" ]; then
        say 'already done'
        return
    fi
    open_log ''
    [ ! -e "$HERE/../site.yaml" ] || options=(--config "$HERE/../site.yaml")
    run_aloud "$HERE/install.sh" "${options[@]}"
    date -u +%Y-%m-%dT%H:%M:%SZ > "$DONE"
    run systemctl disable edge-app-first-boot.service
    say 'provisioned'
    case $HERE in "$BEFORE"/first-boot/*) run rm -rf "$BEFORE/first-boot" ;; esac
}

main "$@"
exit   # the file itself may be gone
