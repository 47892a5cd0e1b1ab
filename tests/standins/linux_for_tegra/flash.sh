#!/bin/bash
# flash.sh [--no-flash] BOARD mmcblk0p1: bootloader/system.img.raw from rootfs/, and onto the board.
set -e
# shellcheck source=tests/standins/linux_for_tegra/common.sh
. "$(dirname "$0")/common.sh"
in_its_folder
FLASH=yes
if [ "$1" = --no-flash ]; then
    FLASH=no
    shift
fi
[ $# = 2 ] || refuse 'usage: flash.sh [options] <target_board> <rootdev>'
[ -e "$1.conf" ] || refuse "$1 is no target board"
[ "$2" = mmcblk0p1 ] || refuse "$2 is no root device"
[ -e rootfs/etc/nv_boot_control.conf ] || refuse 'apply_binaries.sh has not been run'
if [ "$FLASH" = yes ]; then
    [ "$(lsusb -d 0955:7c18 | wc -l)" = 1 ] || refuse 'probing the target board failed'
else
    [ "$BOARDID $BOARDSKU $FAB $FUSELEVEL" = '3310 1000 B02 fuselevel_production' ] || refuse 'which board? set BOARDID and so on'
fi
rm -f bootloader/system.img.raw
truncate -s "${STANDIN_APP_MB:-64}M" bootloader/system.img.raw
mkfs.ext4 -q -F bootloader/system.img.raw
mkdir -p mnt
mount -o loop bootloader/system.img.raw mnt
cp -a rootfs/. mnt/
stop_at image
umount mnt
[ "$FLASH" = yes ] || exit 0
stop_at flash
[ "$(lsusb -d 0955:7c18 | wc -l)" = 1 ] || refuse 'Return value 3: the board does not answer'
cp --sparse=always bootloader/system.img.raw "$STANDIN_EMMC/$(cat rootfs/etc/hostname).img"
sed -i 's/0955:7c18/0955:7020/' "$STANDIN_USB"   # it restarts
echo '*** The target t186ref has been flashed successfully. ***'
