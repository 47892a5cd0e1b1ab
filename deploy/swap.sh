#!/usr/bin/env bash
# A swap file of the right size, on, and in /etc/fstab, whatever was there before. A second run changes nothing.
#   deploy/swap.sh [--size 6G] [--file /mnt/swapfile] [--swappiness 10] [--zram keep|off|on] [--reserve 2G]
#                  [--remove] [--dry-run]
#   --size        whole megabytes; 6G lets a TX2 build engines for 4 cameras
#   --file        where; its folder must be on a disk (ext4 best)
#   --swappiness  how readily the kernel swaps; 10 spares the eMMC
#   --zram        NVIDIA's compressed swap in memory: off frees memory for building engines, keep leaves it as it is
#   --reserve     what must stay free on that disk, or the file is refused
#   --remove      everything as it was before the first run, /etc/fstab byte for byte
#   --dry-run     say each command, change nothing
# If interrupted, run it again. Log: /var/log/edge-app/swap.log
set -euo pipefail
# shellcheck source=deploy/steps.sh
. "$(dirname "${BASH_SOURCE[0]}")/steps.sh"
NAME=swap
MB=1048576

FILE=/mnt/swapfile
SIZE=6G
SWAPPINESS=10
ZRAM=keep
RESERVE=2G
REMOVE=no
SYSCTL=/etc/sysctl.d/99-edge-app-swap.conf
SERVICE=nvzramconfig   # NVIDIA's unit on every Jetson

read_arguments() {
    while [ $# -gt 0 ]; do
        case $1 in
            --size | --file | --swappiness | --zram | --reserve)
                [ $# -ge 2 ] || misuse "$1 needs a value"
                read_value "$1" "$2"
                shift
                ;;
            --remove) REMOVE=yes ;;
            --dry-run) DRY_RUN=yes ;;
            -h | --help) print_help "$0"; exit 0 ;;
            *) misuse "'$1' is no option" ;;
        esac
        shift
    done
    SIZE=$(bytes_of "$SIZE")
    RESERVE=$(bytes_of "$RESERVE")
    if [ "$SIZE" -lt "$MB" ] || [ $((SIZE % MB)) != 0 ]; then misuse '--size is at least 1M, in whole megabytes'; fi
}

read_value() {
    case $1 in
        --size) SIZE=$2 ;;
        --file)
            [[ $2 =~ ^/[A-Za-z0-9/._-]+$ && $2 != */ ]] ||
                misuse "--file '$2': a path from the root, of letters, digits and . _ - only, for it stands in /etc/fstab"
            FILE=$2
            ;;
        --swappiness)
            [[ $2 =~ ^([0-9]|[1-9][0-9]|100)$ ]] || misuse "--swappiness '$2': a number from 0 to 100"
            SWAPPINESS=$2
            ;;
        --zram)
            [[ $2 =~ ^(keep|off|on)$ ]] || misuse "--zram '$2': keep, off or on"
            ZRAM=$2
            ;;
        --reserve) RESERVE=$2 ;;
    esac
}

# -- how things stand -----------------------------------------------------------------------------------------------

is_active() { swapon --show=NAME --noheadings --raw | grep -qxF -- "$FILE"; }

# What is wrong with the file, one word per line; nothing when it is right.
faults() {
    [ -e "$FILE" ] || { echo absent; return; }
    [ "$(stat -c %s "$FILE")" = "$SIZE" ] || echo size
    [ "$(stored)" -ge "$(stat -c %s "$FILE")" ] || echo sparse
    has_signature || echo signature
    [ "$(stat -c '%a %u:%g' "$FILE")" = '600 0:0' ] || echo mode
}

# Bytes the file really takes: less than its size where it has holes, which the kernel refuses in swap.
stored() {
    local blocks=0 bytes=0   # reckoned in bash: the awk of Ubuntu 18.04 ends at 2 GB
    [ ! -e "${1:-$FILE}" ] || read -r blocks bytes < <(stat -c '%b %B' "${1:-$FILE}")
    echo $((blocks * bytes))
}

# A signature, and one that covers the whole file: mkswap may have run before the file grew.
has_signature() {
    [ "$(blkid -p -s TYPE -o value "$FILE" 2>/dev/null || true)" = swap ] || return 1
    local last_page
    last_page=$(od -An -t u4 -j 1028 -N 4 "$FILE" | tr -d ' ')
    [ $(((last_page + 1) * $(getconf PAGESIZE))) = "$(stat -c %s "$FILE")" ]
}

fstab_line() { echo "$FILE none swap sw 0 0"; }
fstab_lines() { if [ -e /etc/fstab ]; then awk -v file="$FILE" '$1 == file && $3 == "swap"' /etc/fstab; fi; }

# A slip in --file must not overwrite data with a swap file.
check_file() {
    [ ! -L "$FILE" ] || refuse "$FILE is a link; name the file itself: --file $(readlink -f "$FILE")"
    [ ! -e "$FILE" ] || [ -f "$FILE" ] || refuse "$FILE is not a regular file"
    [ ! -e "$FILE" ] || [[ ${FILE##*/} == *swap* ]] || [ -n "$(fstab_lines)" ] || is_active || has_signature ||
        refuse "$FILE exists and is not a swap file; choose another --file"
}

check_disk() {
    local folder type
    folder=$(dirname "$FILE")
    [ -d "$folder" ] || refuse "there is no folder $folder"
    type=$(file_system)
    case $type in
        tmpfs | ramfs | overlay | aufs | squashfs | nfs* | cifs | 9p | fuse* | vfat | exfat | zfs)
            refuse "$folder is on $type, which cannot hold swap; choose a --file on a disk" ;;
    esac
}

file_system() { df --output=fstype "$(dirname "$FILE")" | tail -n 1; }

check_space() {
    local free old
    old=$(($(stored) + $(stored "$FILE.part")))
    free=$(($(df --output=avail -B1 "$(dirname "$FILE")" | tail -n 1) + old))
    [ "$SIZE" -gt "$old" ] || return 0   # it only gets smaller
    [ "$free" -ge $((SIZE + RESERVE)) ] || refuse \
        "$(dirname "$FILE") has $(megabytes "$free") free; $(megabytes "$SIZE") of swap and a reserve of $(megabytes "$RESERVE") need $(megabytes $((SIZE + RESERVE)))" \
        "free $(megabytes $((SIZE + RESERVE - free))) there, or give a smaller --size or --reserve, or a --file on another disk"
}

# What is swapped out must fit somewhere else before swap is turned off.
check_memory() {
    local needed available
    needed=$(awk -v name="$1" '$1 == name {print $4}' /proc/swaps)
    available=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
    available=$((available + $(awk -v name="$1" 'NR > 1 && $1 != name {free += $3 - $4} END {print free + 0}' /proc/swaps)))
    [ $((${needed:-0} + 65536)) -le "$available" ] || refuse \
        "$1 holds $((needed / 1024)) MB of programs and only $((available / 1024)) MB are free to take them" \
        'stop what uses the memory (systemctl stop edge-app), or restart the machine, and run this again'
}

refuse() { fail "refused: $1" "${@:2}" 'nothing was changed'; }

# -- making it ------------------------------------------------------------------------------------------------------

# The file is written under another name: under its own it is whole, or not there.
make_file() {
    local part=$FILE.part type
    say "making $FILE, $(megabytes "$SIZE")"
    turn_off
    run rm -f "$FILE" "$part"
    type=$(file_system)
    run install -m 600 -o 0 -g 0 /dev/null "$part"
    [ "$type" != btrfs ] || run chattr +C "$part"   # btrfs copies on write, and swap must stay where it is
    # elsewhere the space fallocate reserves may count as holes (XFS before kernel 4.18)
    if ! { [[ $type =~ ^(ext4|btrfs)$ ]] && run fallocate -l "$SIZE" "$part"; }; then write_zeros "$part"; fi
    run mkswap "$part"
    run sync "$part"
    run mv "$part" "$FILE"
}

write_zeros() {
    local tenth first count megabytes=$((SIZE / MB))
    say "this file system cannot reserve space: writing $megabytes MB, which takes a while"
    for tenth in 0 1 2 3 4 5 6 7 8 9; do
        first=$((megabytes * tenth / 10))
        count=$((megabytes * (tenth + 1) / 10 - first))
        [ "$count" -gt 0 ] || continue
        run dd if=/dev/zero of="$1" bs=$MB seek="$first" count="$count" conv=notrunc,fsync status=none
        [ "$DRY_RUN" = yes ] || say "  $(((tenth + 1) * 10)) %"
    done
}

turn_off() {
    is_active || return 0
    say "turning $FILE off"
    run swapoff "$FILE"
}

turn_on() {
    if [ "$DRY_RUN" = no ] && is_active; then return 0; fi
    run swapon "$FILE"
}

fix_file() {
    local faults=$1
    if [[ $faults =~ absent|size|sparse ]]; then
        make_file
        return
    fi
    if [[ $faults == *mode* ]]; then
        say "$FILE is readable by root only"
        run chown 0:0 "$FILE"
        run chmod 600 "$FILE"
    fi
    if [[ $faults == *signature* ]]; then
        say "writing the signature of $FILE"
        turn_off
        run mkswap "$FILE"
    fi
}

# A file with a hole that its size does not betray is created again, once.
bring_up() {
    is_active && [ -z "$FAULTS" ] && return
    turn_on && return
    [[ ! $FAULTS =~ absent|size|sparse ]] || give_up
    make_file
    turn_on || give_up
}

give_up() {
    run rm -f "$FILE"
    fail "the kernel does not take $FILE as swap: see its message above (a container cannot turn swap on; the machine itself can)"
}

# -- the files in /etc ----------------------------------------------------------------------------------------------

fix_fstab() {
    local lines
    lines=$(fstab_lines)
    [ "$lines" != "$(fstab_line)" ] || return 0
    say "/etc/fstab: one line for $FILE"
    { [ ! -e /etc/fstab ] || cat /etc/fstab; } | awk -v file="$FILE" -v line="$(fstab_line)" '
        $1 == file && $3 == "swap" { if (!done) print line; done = 1; next }
        { print }
        END { if (!done) print line }' | put_file /etc/fstab 644
    reload_systemd
}

reload_systemd() { ! has_systemd || run systemctl daemon-reload; }   # it reads /etc/fstab

fix_swappiness() {
    printf 'vm.swappiness = %d\n' "$SWAPPINESS" | put_file "$SYSCTL" 644
    if grep -qsE '^ *vm\.swappiness' /etc/sysctl.conf; then
        say "/etc/sysctl.conf sets vm.swappiness too and is read last: remove that line, or it takes precedence at the next boot"
    fi
    set_swappiness "$SWAPPINESS"
}

set_swappiness() {
    local now remembered=$BEFORE/vm.swappiness
    now=$(cat /proc/sys/vm/swappiness)
    [ "$now" != "$1" ] || return 0
    if [ "$DRY_RUN" = no ] && [ "$REMOVE" = no ] && [ ! -e "$remembered" ]; then echo "$now" > "$remembered"; fi
    say "swappiness $now is now $1"
    run sysctl -q -w "vm.swappiness=$1" || say 'it could not be set now; it takes effect at the next boot'
}

# -- zram -----------------------------------------------------------------------------------------------------------

zram_devices() { swapon --show=NAME --noheadings --raw | grep -x '/dev/zram[0-9]*' || true; }
has_zram_service() { systemctl cat "$SERVICE.service" >/dev/null 2>&1; }

fix_zram() {
    local remembered=$BEFORE/zram state
    if [ "$ZRAM" = keep ]; then
        [ -z "$(zram_devices)" ] || say 'zram is on and stays on; --zram off frees its memory for building engines'
        return 0
    fi
    if ! has_zram_service; then
        say "zram: there is no $SERVICE.service here, so it is not a Jetson's; not changed"
        return 0
    fi
    state=$(systemctl is-enabled "$SERVICE.service" 2>/dev/null || true)
    if [ "$DRY_RUN" = no ] && [ ! -e "$remembered" ]; then echo "$state" > "$remembered"; fi
    "turn_zram_$ZRAM" "$state"
}

turn_zram_off() {
    local device
    [ "$1" != enabled ] || run systemctl disable --now "$SERVICE.service"
    for device in $(zram_devices); do   # the unit has nothing that turns them off again
        say "turning $device off"
        run swapoff "$device"
    done
}

turn_zram_on() {
    if [ "$1" = enabled ] && [ -n "$(zram_devices)" ]; then return 0; fi
    run systemctl enable --now "$SERVICE.service"
}

restore_zram() {
    local remembered=$BEFORE/zram state
    [ -e "$remembered" ] || return 0
    state=$(cat "$remembered")
    if [ "$state" = enabled ]; then turn_zram_on unknown; else turn_zram_off enabled; fi
    [ "$DRY_RUN" = yes ] || rm -f "$remembered"
}

# -- the two jobs ---------------------------------------------------------------------------------------------------

make_swap() {
    local device
    FAULTS=$(faults | tr '\n' ' ')
    if [[ $FAULTS =~ absent|size|sparse ]]; then
        check_disk
        check_space
    fi
    if is_active && [[ $FAULTS =~ size|sparse|signature ]]; then check_memory "$FILE"; fi
    if [ "$ZRAM" = off ]; then for device in $(zram_devices); do check_memory "$device"; done; fi
    if [ "$DRY_RUN" = no ]; then
        mkdir -p "$BEFORE"
        chmod 700 "$BEFORE"
        keep /etc/fstab
        rm -f "$FILE.part"
    fi
    fix_file "$FAULTS"
    bring_up
    fix_fstab
    fix_swappiness
    fix_zram
    [ "$DRY_RUN" = yes ] || say "$FILE: $(megabytes "$SIZE"), on, in /etc/fstab; swappiness $(cat /proc/sys/vm/swappiness)"
}

# What is left to do can be seen at each point: what is kept of a file is forgotten when that file is done.
remove_swap() {
    ! is_active || check_memory "$FILE"
    if [ "$DRY_RUN" = no ] && [ -e "$FILE" ] && ! is_kept /etc/fstab; then   # not made by this script
        mkdir -p "$BEFORE"
        touch "$(kept /etc/fstab).edited"
    fi
    turn_off
    if [ -e "$FILE" ] || [ -e "$FILE.part" ]; then run rm -f "$FILE" "$FILE.part"; fi
    restore_fstab
    take_back "$SYSCTL" || { [ ! -e "$SYSCTL" ] || run rm -f "$SYSCTL"; forget "$SYSCTL"; }
    restore_swappiness
    restore_zram
    [ "$DRY_RUN" = yes ] || say "$FILE is removed, everything else is restored"
}

restore_fstab() {
    if ! take_back /etc/fstab && { is_kept /etc/fstab || [ -e "$(kept /etc/fstab).edited" ] || [ -e "$FILE" ]; }; then
        say "/etc/fstab was changed since: only the lines for $FILE are removed"
        [ "$DRY_RUN" = yes ] || touch "$(kept /etc/fstab).edited"   # never to be put back whole
        [ -z "$(fstab_lines)" ] ||
            awk -v file="$FILE" '!($1 == file && $3 == "swap")' /etc/fstab | put_file /etc/fstab 644
        forget /etc/fstab
    fi
    reload_systemd
    [ "$DRY_RUN" = yes ] || [ -z "$(fstab_lines)" ] ||
        say "/etc/fstab named $FILE before the first run and does so again; the system will not find it at the next boot"
}

restore_swappiness() {
    local remembered=$BEFORE/vm.swappiness
    [ -e "$remembered" ] || return 0
    set_swappiness "$(cat "$remembered")"
    [ "$DRY_RUN" = yes ] || rm -f "$remembered"
}

main() {
    read_arguments "$@"
    need_root
    check_file
    if [ "$DRY_RUN" = no ]; then
        open_log "$@"
        exec 9> /run/edge-app-swap.lock
        flock -n 9 || fail 'another swap.sh is running; wait for it'
        trap 'rm -f "$FILE.part"' EXIT   # kill -9 leaves it to the next run
        trap 'say "interrupted; run it again to finish"; exit 130' INT TERM
    fi
    if [ "$REMOVE" = yes ]; then remove_swap; else make_swap; fi
}

main "$@"
