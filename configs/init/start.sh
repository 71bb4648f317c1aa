#!/bin/sh
# Runs once, before anyone can log in.

export PATH=/bin

# What the initramfs has mounted is kept; on a machine that started without one, it is mounted here.
[ -c /dev/null ] || mount -t devtmpfs -o nosuid,noexec,mode=0755 devtmpfs /dev
[ -d /dev/pts ] || mkdir /dev/pts /dev/shm
mount -a -T /etc/init.d/fstab

# Objects never change: whoever adds one takes this mount away, for itself alone.
mount -o remount,bind,ro,nosuid,nodev /mix/store

# A clock whose battery is empty starts years ago, when no certificate is valid yet.
read -r released </etc/init.d/released
[ "$EPOCHSECONDS" -ge "$released" ] || date -s "@$released" >/dev/null

read -r hostname </etc/hostname
echo "$hostname" >/proc/sys/kernel/hostname
ip link set lo up
sysctl -q -p /etc/sysctl.conf

# A change of the system that was interrupted, or another generation that was chosen at the boot menu.
[ ! -f /mix/profiles/system/journal ] || mix recover
