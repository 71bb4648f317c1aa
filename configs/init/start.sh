#!/bin/sh
# Runs once, before anyone can log in.

export PATH=/bin

# What the initramfs has mounted is kept; on a machine that started without one, it is mounted here.
[ -c /dev/null ] || mount -t devtmpfs -o nosuid,noexec,mode=0755 devtmpfs /dev
[ -d /dev/pts ] || mkdir /dev/pts /dev/shm
mount -a -T /etc/init.d/fstab

# Objects never change: whoever adds one takes this mount away, for itself alone.
mount -o remount,bind,ro,nosuid,nodev /mix/store

# What the user wants mounted. A failure is told on the console and keeps nobody from logging in.
if [ -s /etc/fstab ]; then
  mount -a
  swapon -a
fi

# A clock whose battery is empty starts years ago, when no certificate is valid yet.
read -r released </etc/init.d/released
[ "$EPOCHSECONDS" -ge "$released" ] || date -s "@$released" >/dev/null

read -r hostname </etc/hostname
echo "$hostname" >/proc/sys/kernel/hostname
ip link set lo up
# Of IPv6, `default` reaches only interfaces to come: those that are here get it by hand, before what names one of them.
while IFS='= ' read -r key value; do
  case $key in net.ipv6.conf.default.*) ;; *) continue ;; esac
  for interface in /proc/sys/net/ipv6/conf/*; do
    [ "${interface##*/}" = all ] || echo "$value" >"$interface/${key##*.}"
  done
done </etc/sysctl.conf
sysctl -q -p /etc/sysctl.conf

# A change of the system that was interrupted, or another generation that was chosen at the boot menu.
[ ! -f /mix/profiles/system/journal ] || mix recover
