#!/bin/sh
# First program of the initramfs: finds the medium it came from, mounts its root file system with a
# writable layer in memory on top, and starts the init of that root.
#
# Kernel command line:
#   mixos.medium=HASH   the medium is the one that holds the file /mixos/HASH.medium
#   mixos.wait=SECONDS  how long to look for it, 30 unless said
#   mixos.rescue        stop in a shell before the root is mounted

export PATH=/bin
set -f

# First of all: without devtmpfs there is no console but the one the kernel opened. Each table is one process,
# since starting one is what takes time here.
mount -a -T /etc/early.fstab
mkdir /dev/pts /dev/shm /run/mixos /run/mixos/medium /run/mixos/rootfs /run/mixos/upper /run/mixos/work

medium=
wait=30
rescue=
read -r words </proc/cmdline
for word in $words; do
  case $word in
    mixos.medium=*) medium=${word#*=} ;;
    mixos.wait=*) wait=${word#*=} ;;
    mixos.rescue) rescue=1 ;;
  esac
done
marker=/mixos/$medium.medium
run=/run/mixos

# Every console that messages go to, by the name of its device.
consoles() {
  read -r active </sys/class/tty/console/active
  for console in $active; do
    case $console in
      tty0) echo tty1 ;;
      *) echo "$console" ;;
    esac
  done
}

say() {
  for console in $(consoles); do
    printf '%s\r\n' "$@" >"/dev/$console"
  done
}

# A shell on every console, until someone leaves one. The medium gives root away without a password anyway,
# to whoever sits at the machine.
shells() {
  for console in $(consoles); do
    setsid sh -c "exec sh <>/dev/$console >&0 2>&1" &
  done
  wait -n
}

uptime() {
  read -r now rest </proc/uptime
  echo "${now%.*}"
}

# Leaves the medium mounted, or says in $seen what was there instead.
look() {
  seen=
  set +f
  for path in /sys/class/block/*; do
    name=${path##*/}
    case $name in '*' | loop* | ram* | zram* | dm-* | md*) continue ;; esac
    read -r sectors <"$path/size"
    if [ "$sectors" = 0 ]; then
      seen="$seen $name:empty"
    elif ! mount -t iso9660 -o ro,nosuid,nodev,noexec "/dev/$name" $run/medium 2>/dev/null; then
      seen="$seen $name:not-iso9660"
    elif [ -f "$run/medium$marker" ]; then
      set -f
      return 0
    else
      umount $run/medium
      seen="$seen $name:without-the-file"
    fi
  done
  set -f
  return 1
}

find_medium() {
  tries=0
  deadline=$(($(uptime) + wait))
  until look; do
    # Quick at first, for what is only just being detected; then patiently, for a slow USB stick.
    tries=$((tries + 1))
    if [ $tries -lt 100 ]; then
      usleep 20000
    else
      [ "$(uptime)" -lt "$deadline" ] || return 1
      usleep 500000
    fi
  done
}

mount_root() {
  mount -a -T /etc/root.fstab && return
  umount /root 2>/dev/null
  umount $run/rootfs 2>/dev/null
  return 1
}

if [ -n "$rescue" ]; then
  say 'mixos: stopped by mixos.rescue; leave a shell to go on'
  shells
fi

until find_medium; do
  say '' \
    "mixos: no boot medium: looked $wait s for a file system with the file $marker" \
    "mixos: seen: ${seen:-no disk or drive at all}" \
    'mixos: attach the medium and leave this shell (exit) to look again, or give mixos.wait=SECONDS at the boot menu'
  shells
done
until mount_root; do
  say "mixos: found $marker, but its root file system cannot be mounted" \
    'mixos: the medium may be damaged: write it again; leave this shell (exit) to try once more'
  shells
done

mount -a -T /etc/move.fstab
exec switch_root /root /sbin/init
