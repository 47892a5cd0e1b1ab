#!/bin/bash
# What the board needs, into rootfs/: here the files that others look at.
set -e
# shellcheck source=tests/standins/linux_for_tegra/common.sh
. "$(dirname "$0")/common.sh"
in_its_folder
[ $# = 0 ] || refuse "unknown option $1"
[ -e rootfs/etc/passwd ] || refuse 'rootfs is empty'
[ ! -e rootfs/etc/nv_boot_control.conf ] || refuse 'applied already'
stop_at apply
if [ -z "${STANDIN_PC:-}" ]; then
    echo '# R32 (release), REVISION: 7.6, GCID: 1, BOARD: t186ref, EABI: aarch64, DATE: Tue Nov  5 07:46:14 UTC 2024' \
        > rootfs/etc/nv_tegra_release
    mkdir -p rootfs/etc/apt/sources.list.d
    printf 'deb https://repo.download.nvidia.com/jetson/%s r32.7 main\n' common '<SOC>' \
        > rootfs/etc/apt/sources.list.d/nvidia-l4t-apt-source.list
fi
touch rootfs/etc/nv_boot_control.conf
mkdir -p rootfs/etc/systemd/system/nv-oem-config.target.wants
if [ ! -e rootfs/etc/systemd/system/default.target ] && [ -d rootfs/etc/gdm3 ]; then
    ln -s /lib/systemd/system/nv-oem-config.target rootfs/etc/systemd/system/nv-oem-config.target
    ln -s nv-oem-config.target rootfs/etc/systemd/system/default.target
fi
echo 'Success!'
