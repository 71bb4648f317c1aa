#!/bin/sh
# services           supervises the services that are enabled; run by init, at low priority, since someone may be
#                    waiting for a login; what it starts has the usual one
# services NAME...   lets the running supervisor know of these too
#
# A service is enabled by a link to its directory: /etc/service/NAME. That directory is mostly in the profile, and read-only,
# while its supervisor needs one to write to. So that one is /run/service/NAME, with links to what is in the
# other, through the link in /etc: after an upgrade, a restart runs the new program.

export PATH=/bin

# No half-made directory has a name that the supervisor sees.
prepare() {
  from=/etc/service/$1
  to=/run/service/$1
  new=/run/service/.$1
  [ ! -d "$to" ] || return 0
  if [ ! -x "$from/run" ]; then
    echo "services: $from has no program run" >&2
    return 1
  fi
  mkdir -p "$new/log"
  for file in "$from"/*; do
    case ${file##*/} in
      log | supervise) ;;
      *) ln -sf "$file" "$new/" ;;
    esac
  done
  if [ -x "$from/log/run" ]; then
    ln -sf "$from/log/run" "$new/log/run"
  else
    ln -sf /etc/init.d/log "$new/log/run"
  fi
  mv "$new" "$to"
}

if [ $# -gt 0 ]; then
  failed=0
  for name; do
    prepare "$name" || failed=1
  done
  exit $failed
fi

# Not onto the consoles: people are logging in there.
exec >/dev/kmsg 2>&1
mkdir -p /run/service
for path in /etc/service/*; do
  # One whose package is not installed now stays enabled, and leads to nothing.
  if [ -L "$path" ] && [ -e "$path" ]; then prepare "${path##*/}"; fi
done
exec nice -n -19 runsvdir -P /run/service
