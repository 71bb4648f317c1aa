#!/bin/sh
# Runs once, after the last process was told to end.

export PATH=/bin
sync
swapoff -a 2>/dev/null
umount -a -r 2>/dev/null
exit 0
