#!/bin/sh
# Runs once, as init's first step of going down: services end in their own way, then everything else, then the disks.

export PATH=/bin

# The one that would start them again goes first.
killall -q runsvdir
for service in /run/service/*; do
  [ -d "$service" ] && set -- "$@" "$service"
done
[ $# = 0 ] || sv -w 10 force-shutdown "$@" >/dev/null 2>&1

killall5 -15
usleep 200000
killall5 -9

sync
swapoff -a 2>/dev/null
umount -a -r 2>/dev/null
exit 0
