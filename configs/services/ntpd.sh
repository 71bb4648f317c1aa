#!/bin/sh
# Keeps the clock right by the servers that /etc/ntp.conf names; nobody can ask it for the time.

exec 2>&1
export PATH=/bin
exec ntpd -n -N
