#!/usr/bin/env bash
# Flashes a Jetson TX2 from NVIDIA's two archives, so that it installs edge-app at its first start. Runs on an x86-64 Linux
# host, as root; the board is connected by USB in recovery mode (hold REC, tap RESET).
#   deploy/flash.sh --bsp FILE --rootfs FILE [--rootfs-sha256 S] --host NAME --user NAME --ssh-key FILE
#       [--network FILE] [--bundle FILE] [--config FILE] [--csv FILE] [--image-only] [--dry-run]
#   --bsp FILE          Jetson_Linux_R32.7.6_aarch64.tbz2, whose sha256 is known here
#   --rootfs FILE       Tegra_Linux_Sample-Root-Filesystem_R32.7.6_aarch64.tbz2
#   --rootfs-sha256 S   its sha256; default: the one in FILE.sha256, which the first run writes
#   --host NAME         host name of the board
#   --user NAME         the user, with ssh key only: the password is locked, sudo needs none
#   --ssh-key FILE      public key of that user
#   --network FILE      a NetworkManager keyfile; without it the board takes DHCP
#   --bundle FILE       from `make bundle FOR=tx2`; default: this checkout, whose wheels the board downloads
#   --config FILE       the site's configuration
#   --csv FILE          several boards, one after another: the first line names columns among host,user,ssh-key,network,config;
#                       options give what columns do not; file names are relative to the CSV
#   --image-only        no board: write the file system as NAME.img into the current folder
#   --dry-run           print each command and file, change nothing
# FLASH_WAIT_S=600: how long it waits for a board. Flashing NVIDIA's software accepts NVIDIA's licence.
# All work is in one folder below $TMPDIR (/var/tmp), which is always removed at the end. Run it again from the start.
set -euo pipefail
HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=deploy/steps.sh
. "$HERE/steps.sh"
# shellcheck source=deploy/release.sh
. "$HERE/release.sh"
# shellcheck source=deploy/rootfs.sh
. "$HERE/rootfs.sh"
NAME=flash

# As published with R32.7.6, and as meta-tegra's recipe has it too
BSP_SHA256=${FLASH_BSP_SHA256:-8818e8219beaf6876e71b25fdc72f96efe911046fa7a56f4db319d7c415fad0e}
BOARDS=(jetson-tx2-devkit jetson-tx2)   # the name of R32.7, and the older one
RECOVERY=0955:7c18
RUNNING=0955:7020
# what flash.sh reads from the board, when there is none: a TX2 of the developer kit (NVIDIA's massflash README)
OFFLINE=(BOARDID=3310 BOARDSKU=1000 FAB=B02 FUSELEVEL=fuselevel_production)
TOOLS=(tar bzip2 sha256sum flock unshare lsusb python xmllint qemu-aarch64-static mkfs.ext4)
PACKAGES='tar bzip2 coreutils util-linux usbutils libxml2-utils qemu-user-static e2fsprogs'
# NVIDIA's programs call it; the first is Python 2, which reads all of them
PYTHONS='python (Ubuntu 18.04), python-is-python2 (Ubuntu 20.04), python-is-python3 (later systems)'
TIMES=20   # unpacked archives and the image of a whole APP partition, in sizes of the archives: an estimate
BSP='' BASE='' BASE_SHA256='' BUNDLE='' TABLE='' IMAGE_ONLY=no
declare -A GIVEN=([host]='' [user]='' [ssh-key]='' [network]='' [config]='')
ROWS=()
WORK=
WAIT_S=${FLASH_WAIT_S:-600}

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            --image-only) IMAGE_ONLY=yes ;;
            --dry-run) DRY_RUN=yes ;;
            -h | --help) print_help "$0"; exit 0 ;;
            --*)
                [ $# -ge 2 ] || misuse "$1 needs a value"
                read_value "${1#--}" "$2"
                shift
                ;;
            *) misuse "'$1' is no option" ;;
        esac
        shift
    done
    [[ $WAIT_S =~ ^[0-9]+$ ]] || misuse "FLASH_WAIT_S=$WAIT_S: give seconds"
    [ -n "$BSP" ] || misuse '--bsp is needed'
    [ -n "$BASE" ] || misuse '--rootfs is needed'
}

read_value() {
    case $1 in
        bsp) BSP=$2 ;;
        rootfs) BASE=$2 ;;
        rootfs-sha256) BASE_SHA256=$2 ;;
        bundle) BUNDLE=$2 ;;
        csv) TABLE=$2 ;;
        host | user | ssh-key | network | config) GIVEN[$1]=$2 ;;
        *) misuse "'--$1' is no option" ;;
    esac
}

# -- boards -------------------------------------------------------------------------------------------------------------

# ROWS: one board each, "|host=a|user=b|..."
read_boards() {
    if [ -z "$TABLE" ]; then
        add_row
        return
    fi
    local line number=0 columns=() values
    [ -r "$TABLE" ] || fail "--csv $TABLE cannot be read"
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        line=${line%$'\r'}
        [[ $line != *\"* ]] || fail "$TABLE, line $number: quotes are not supported; names and paths need none"
        IFS=, read -ra values <<< "$line"
        if [ "${#columns[@]}" = 0 ]; then
            columns=("${values[@]}")
            check_columns
        elif [ -n "$line" ]; then
            add_row "${values[@]}"
        fi
    done < "$TABLE"
    [ "${#ROWS[@]}" -gt 0 ] || fail "$TABLE names no board"
}

check_columns() {
    local column
    for column in "${columns[@]}"; do
        [ -n "${GIVEN[$column]+there}" ] || fail "$TABLE: '$column' is not a column; columns are host,user,ssh-key,network,config"
    done
}

# Values of one line, in the order of `columns`, over what the options say.
add_row() {
    local -A row
    local name index=0 text='|'
    for name in "${!GIVEN[@]}"; do row[$name]=${GIVEN[$name]}; done
    for name in "$@"; do
        [ "$index" -lt "${#columns[@]}" ] || fail "$TABLE, line $number: more values than columns"
        [ -z "$name" ] || row[${columns[index]}]=$(beside_table "${columns[index]}" "$name")
        index=$((index + 1))
    done
    for name in host user ssh-key network config; do text+="$name=${row[$name]}|"; done
    check_row
    ROWS+=("$text")
}

beside_table() {
    case $1,$2 in
        host,* | user,* | *,/*) echo "$2" ;;
        *) echo "$(dirname "$TABLE")/$2" ;;
    esac
}

check_row() {
    local name=${row[host]}
    [[ ${row[host]} =~ ^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$ ]] || fail "--host '$name': lower-case letters, digits and -, at most 63"
    [[ ${row[user]} =~ ^[a-z_][a-z0-9_-]{0,31}$ ]] || fail "$name: --user '${row[user]}': lower-case letters, digits, - and _, at most 32"
    [[ ${ROWS[*]} != *"|host=$name|"* ]] || fail "$name: two boards have this name"
    check_key "${row[ssh-key]}"
    [ -z "${row[network]}" ] || check_network "${row[network]}"
    [ -z "${row[config]}" ] || [ -s "${row[config]}" ] || fail "$name: --config ${row[config]} cannot be read, or is empty"
}

of_row() {
    local value=${2#*"|$1="}
    echo "${value%%|*}"
}

# -- before anything is changed --------------------------------------------------------------------------------------

check_host() {
    local tool missing=() folder=${TMPDIR:-/var/tmp} needed free
    for tool in "${TOOLS[@]}"; do command -v "$tool" >/dev/null || missing+=("$tool"); done
    [ "${#missing[@]}" = 0 ] || fail "missing here: ${missing[*]}" "    apt-get install $PACKAGES" \
        "python comes with the first of these that the system has: $PYTHONS"
    for tool in "$BSP" "$BASE" ${BUNDLE:+"$BUNDLE"}; do [ -r "$tool" ] || fail "$tool cannot be read"; done
    [ "$(stat -f -c %T "$folder")" != overlayfs ] ||
        fail "$folder lies on an overlay, as in a container, and cannot carry another; TMPDIR= names a folder on a disk"
    needed=$((($(stat -c %s "$BSP") + $(stat -c %s "$BASE")) * TIMES))
    free=$(df --output=avail -B1 "$folder" | tail -n 1)
    [ "$free" -ge "$needed" ] ||
        fail "$folder has $(megabytes "$free") free, $(megabytes "$needed") are needed; TMPDIR= names another folder"
}

# FILE NAME WANTED: the sha256 of FILE is WANTED
check_digest() {
    local is
    is=$(digest "$1")
    [ "$is" = "$3" ] || fail "$1 is not the expected $2: sha256 $is" "expected $3; download it again"
    say "$2: sha256 $is, as expected"
}

# Nobody publishes that of the root file system: given, or the same as the first time.
check_archives() {
    local known=$BASE_SHA256
    say 'checking the archives'
    check_digest "$BSP" 'board support package' "$BSP_SHA256"
    RECORD=
    if [ -z "$known" ] && [ -e "$BASE.sha256" ]; then
        known=$(cut -d ' ' -f 1 "$BASE.sha256")
        say "$BASE.sha256 was recorded at first use"
    fi
    if [ -n "$known" ]; then
        check_digest "$BASE" 'root file system' "$known"
    else
        RECORD=$(digest "$BASE")
        say "root file system: sha256 $RECORD; FIRST USE, none is published to compare it with" \
            "after this run it stands in $BASE.sha256, and every later one must match"
    fi
}

# -- unpacking -----------------------------------------------------------------------------------------------------

# A process of its own waits for this one's end, however it ends, and takes folder and mounts away.
make_work() {
    if [ "$DRY_RUN" = yes ]; then
        WORK=/var/tmp/edge-app-flash
        return
    fi
    WORK=$(mktemp -d "${TMPDIR:-/var/tmp}/edge-app-flash.XXXXXX")
    # shellcheck disable=SC2016  # for that process
    exec 7> >(exec setsid bash -c 'trap "" INT TERM HUP
        while read -r _; do :; done
        while read -r _ place _; do case $place in "$0"/*) umount -l "$place";; esac; done < <(tac /proc/self/mounts)
        while read -r loop file; do case $file in "$0"/*) losetup -d "$loop";; esac; done < <(losetup -nlO NAME,BACK-FILE)
        rm -rf --one-file-system "$0" "$1"/.*.img.edge-app-part' "$WORK" "$PWD" 2>/dev/null)
    CLEANER=$!
    trap 'exec 7>&-; wait "$CLEANER" || true' EXIT
    trap 'say "interrupted; everything is removed"; exit 130' INT TERM HUP
}

unpack() {
    if [ -n "$BUNDLE" ] && [ "$DRY_RUN" = no ]; then
        open_bundle "$BUNDLE" "$WORK/bundle" ''     # named by hand; the board then believes whoever made it, and nobody else
        BUNDLE=$WORK/bundle
    fi
    say "unpacking, some minutes: $(basename "$BSP")"
    run tar -C "$WORK" -xpf "$BSP" || fail "$BSP cannot be unpacked: it is incomplete, or $WORK is full"
    LINUX=$WORK/Linux_for_Tegra
    [ "$DRY_RUN" = yes ] || [ -x "$LINUX/flash.sh" ] || fail "$BSP is not a board support package: it contains no flash.sh"
    check_python
    say "unpacking, some minutes: $(basename "$BASE")"
    run tar -C "$LINUX/rootfs" --numeric-owner -xpf "$BASE" || fail "$BASE cannot be unpacked: it is incomplete, or $WORK is full"
    [ "$DRY_RUN" = yes ] || [ -d "$LINUX/rootfs/etc" ] || fail "$BASE is not a root file system: it contains no /etc"
    say "adding the board's packages (apply_binaries.sh)"
    (cd_there && run ./apply_binaries.sh) || fail 'apply_binaries.sh failed, see above'
}

# Some of NVIDIA's programs are Python 2. flash.sh may not need them; where it does, it ends with a SyntaxError.
check_python() {
    local unread
    [ "$DRY_RUN" = no ] || return 0
    unread=$(cd "$LINUX/bootloader" && find . -name '*.py' -printf '%P\n' | sort | while read -r program; do
        python -c 'import sys; compile(open(sys.argv[1], "rb").read(), sys.argv[1], "exec")' "$program" 2>/dev/null ||
            echo "$program"
    done)
    [ -z "$unread" ] || say "the python of this machine cannot read: ${unread//$'\n'/ }" \
        "if flash.sh ends with a SyntaxError: flash from a machine that has one of $PYTHONS, the first is best"
}

cd_there() { [ "$DRY_RUN" = yes ] || cd "$LINUX"; }

# Once an archive has made a board; a run that fails leaves nothing.
record_digest() {
    [ "$DRY_RUN" = no ] && [ -n "$RECORD" ] || return 0
    printf '%s  %s\n' "$RECORD" "$(basename "$BASE")" > "$BASE.sha256"
    say "recorded: $BASE.sha256"
}

# The first of the names that this package has.
find_name() {
    local name
    for name in "${BOARDS[@]}"; do
        if [ "$DRY_RUN" = yes ] || [ -e "$LINUX/$name.conf" ]; then
            BOARD=$name
            return
        fi
    done
    fail "the package supports none of ${BOARDS[*]}: it is for another board"
}

# -- one board -----------------------------------------------------------------------------------------------------

# What is written goes over the root file system, not into it: the next board starts from the same.
lay_over() {
    run mv "$LINUX/rootfs" "$LINUX/rootfs.all"
    run mkdir -p "$LINUX/rootfs" "$WORK/own/files" "$WORK/own/work"
    run mount -t overlay -o "lowerdir=$LINUX/rootfs.all,upperdir=$WORK/own/files,workdir=$WORK/own/work" overlay "$LINUX/rootfs"
}

take_off() {
    run umount "$LINUX/rootfs"
    run rmdir "$LINUX/rootfs"
    run mv "$LINUX/rootfs.all" "$LINUX/rootfs"
    run rm -rf "$WORK/own"
}

provision() {
    local host
    host=$(of_row host "$1")
    say "$host: the board's own files"
    lay_over
    ROOT=$LINUX/rootfs
    skip_questions
    name_host "$host"
    lock_everybody
    add_user "$(of_row user "$1")" "$(of_row ssh-key "$1")"
    [ -z "$(of_row network "$1")" ] || add_network "$(of_row network "$1")"
    add_program "$BUNDLE" "$(of_row config "$1")"
    ROOT=
    if [ "$IMAGE_ONLY" = yes ]; then make_image "$host"; else flash "$host"; fi
    take_off
}

make_image() {
    local raw=$LINUX/bootloader/system.img.raw
    say "$1: making the image"
    (cd_there && run_aloud env "${OFFLINE[@]}" ./flash.sh --no-flash "$BOARD" mmcblk0p1) || fail 'flash.sh failed, see above'
    [ "$DRY_RUN" = yes ] || [ -e "$raw" ] || raw=$LINUX/bootloader/system.img
    run cp --sparse=always "$raw" ".$1.img.edge-app-part"
    run mv ".$1.img.edge-app-part" "$1.img"
    say "$1: $PWD/$1.img"
}

flash() {
    wait_for_board "$1"
    say "$1: flashing; about a minute for a small root file system, 10 to 20 for the whole"
    (cd_there && run_aloud ./flash.sh "$BOARD" mmcblk0p1) ||
        fail "$1: flash.sh failed, see above; check the cable, enter recovery mode and run this again"
    say "$1: flashed; it starts, and installs edge-app: journalctl -fu edge-app-first-boot there"
    wait_until_gone "$1"
}

boards_in() { lsusb -d "$1" 2>/dev/null | wc -l; }

wait_for_board() {
    local left=$WAIT_S
    [ "$DRY_RUN" = no ] || { run lsusb -d "$RECOVERY"; return; }
    say "$1: waiting for one board in recovery mode ($RECOVERY): hold REC, tap RESET, release REC after 2 s"
    while [ "$(boards_in "$RECOVERY")" != 1 ]; do
        if [ "$left" -le 0 ]; then
            [ "$(boards_in "$RECOVERY")" = 0 ] || fail 'several boards in recovery mode: leave one connected'
            [ "$(boards_in "$RUNNING")" = 0 ] || fail "a board runs its system ($RUNNING): hold REC, tap RESET"
            fail "no board came within $WAIT_S s; its USB cable goes to the micro-B socket, and it needs its own power"
        fi
        left=$((left - 1))
        sleep 1
    done
}

# Or the next board's files would go onto this one.
wait_until_gone() {
    local left=60
    [ "$DRY_RUN" = no ] || return 0
    while [ "$(boards_in "$RECOVERY")" != 0 ]; do
        [ "$left" -gt 0 ] || fail "$1 is still in recovery mode: take it off, and flash it again"
        left=$((left - 1))
        sleep 1
    done
}

main() {
    local row
    read_arguments "$@"
    need_root
    if [ "$DRY_RUN" = no ] && [ -z "${EDGE_APP_IN_NAMESPACE:-}" ] && command -v unshare >/dev/null; then
        EDGE_APP_IN_NAMESPACE=yes exec unshare --mount --propagation private "$0" "$@"   # its mounts end with it
    fi
    open_log "$@"
    read_boards
    check_host
    check_archives
    make_work
    unpack
    find_name
    for row in "${ROWS[@]}"; do provision "$row"; done
    record_digest
    say "done: ${#ROWS[@]} $([ "$IMAGE_ONLY" = yes ] && echo images || echo boards)"
}

main "$@"
