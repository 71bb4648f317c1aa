#!/bin/sh
# Gives each wired interface an address: one DHCP client for each. Should one end, all do, and are started again.

exec 2>&1
export PATH=/bin

clients=
trap 'trap "" TERM; kill $clients; wait; exit' TERM
read -r hostname </proc/sys/kernel/hostname
for path in /sys/class/net/*; do
  # Bridges, tunnels and the like are no devices.
  if [ -e "$path/device" ] && [ ! -e "$path/wireless" ]; then
    udhcpc -f -R -t 5 -T 2 -A 10 -i "${path##*/}" -x "hostname:$hostname" &
    clients="$clients $!"
  fi
done
if [ -z "$clients" ]; then
  echo 'no wired interface'
  exec tail -f /dev/null
fi
wait -n
kill $clients
wait
