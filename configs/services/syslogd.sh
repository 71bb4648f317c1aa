#!/bin/sh
# Keeps what programs tell the system's log, such as logins: its own log, in /var/log/syslogd, is that log.

exec 2>&1
export PATH=/bin
exec syslogd -n -O -
