#!/bin/sh
# Runs once, before anyone can log in.

export PATH=/bin

# What the initramfs has mounted is kept; on a machine that started without one, it is mounted here.
[ -e /proc/self ] || mount -t proc -o nosuid,nodev,noexec,hidepid=2 proc /proc
[ -d /sys/kernel ] || mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
[ -c /dev/null ] || mount -t devtmpfs -o nosuid,noexec,mode=0755 devtmpfs /dev
[ -d /run/mixos ] || { mount -t tmpfs -o nosuid,nodev,mode=0755 run /run && mkdir /run/mixos; }

mkdir -p /dev/pts /dev/shm
mount -t devpts -o nosuid,noexec,gid=5,mode=0620,ptmxmode=0666 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev,noexec,mode=1777 shm /dev/shm
mount -t tmpfs -o nosuid,nodev,mode=1777 tmp /tmp
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup

# Objects never change: whoever adds one remounts the store for itself.
mount -o bind /mix/store /mix/store
mount -o remount,bind,ro,nosuid,nodev /mix/store

read -r hostname </etc/hostname
echo "$hostname" >/proc/sys/kernel/hostname
ip link set lo up
sysctl -q -p /etc/sysctl.conf
