# shellcheck shell=bash
# Shared by the scripts here: refusals, and places to stop at.
refuse() { echo "Error: $*" >&2; exit 1; }

stop_at() {
    [ "${STANDIN_STOP:-}" = "$1" ] || return 0
    : >"$STANDIN_REACHED"   # by bash itself: an interrupt while it waits for another program would be taken for that one's
    sleep 1000000
}

in_its_folder() {
    [ "$PWD" = "$(cd "$(dirname "$0")" && pwd)" ] || refuse "run it in Linux_for_Tegra"
    [ "$(id -u)" = 0 ] || refuse 'you need to be root'
}
