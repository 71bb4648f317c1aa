#!/bin/sh
# Keeps what one service says in /var/log/NAME. Its supervisor starts it in /run/service/NAME/log.

export PATH=/bin
service=${PWD%/log}
directory=/var/log/${service##*/}
if [ ! -f "$directory/config" ]; then
  mkdir -p "$directory"
  chown log:log "$directory"
  chmod 0750 "$directory"
  # At most five files of 200 kB, since on a live medium they are in memory.
  printf 's200000\nn4\n' >"$directory/config"
fi
exec chpst -u log:log svlogd -tt "$directory"
