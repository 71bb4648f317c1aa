#!/bin/sh
# First program of the initramfs: mounts the root, and starts the init of that root. On an installed system, that is a
# file system on a disk; on a live one, it is on the medium that this came from, with a writable layer in memory on top.
#
# Kernel command line:
#   mixos.root=UUID     the root is the ext4 file system with this UUID,
#   mixos.generation=N  which is to be in this state
#   mixos.medium=HASH   the medium is the one that holds the file /mixos/HASH.medium
#   mixos.wait=SECONDS  how long to look for either, 30 unless said
#   mixos.rescue        stop in a shell before the root is mounted

export PATH=/bin
set -f

# First of all: without devtmpfs there is no console but the one the kernel opened. Each table is one process,
# since starting one is what takes time here.
mount -a -T /etc/early.fstab
mkdir /dev/pts /dev/shm /run/mixos /run/mixos/medium /run/mixos/rootfs /run/mixos/upper /run/mixos/work

root=
generation=
medium=
wait=30
rescue=
read -r words </proc/cmdline
for word in $words; do
  case $word in
    mixos.root=*) root=${word#*=} ;;
    mixos.generation=*) generation=${word#*=} ;;
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

# A shell on every console, until someone leaves one. To ask for a password would keep nobody out: who sits at the
# machine can have the boot menu start any program instead of this one.
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

# Mounts the medium, if this device is it; else says in $not what it is.
attach_medium() {
  not=not-iso9660
  mount -t iso9660 -o ro,nosuid,nodev,noexec "$1" $run/medium 2>/dev/null || return 1
  [ ! -f "$run/medium$marker" ] || return 0
  umount $run/medium
  not=without-the-file
  return 1
}

# Mends what can be mended without a question. For the rest it takes a person, whose last word is to mount it.
check_root() {
  found=$(e2fsck -p "$1" 2>&1)
  case $? in
    0) ;;
    [123]) say "mixos: mended the root file system: $found" ;;
    *)
      say "$found" "mixos: the root file system needs you: run e2fsck $1, then leave this shell (exit) to go on"
      shells
      ;;
  esac
}

# The same for the root of an installed system. No other file system is touched: checking or mounting one repairs it.
attach_root() {
  not=another-file-system
  case $(blkid "$1") in
    *" UUID=\"$root\""*) ;;
    *) return 1 ;;
  esac
  check_root "$1"
  not=damaged
  mount -t ext4 -o nosuid,nodev "$1" /root 2>/dev/null
}

# Leaves it mounted, or says in $seen what was there instead.
look() {
  seen=
  set +f
  for path in /sys/class/block/*; do
    name=${path##*/}
    case $name in '*' | loop* | ram* | zram* | dm-* | md*) continue ;; esac
    read -r sectors <"$path/size"
    if [ "$sectors" = 0 ]; then
      seen="$seen $name:empty"
    elif $attach "/dev/$name"; then
      set -f
      return 0
    else
      seen="$seen $name:$not"
    fi
  done
  set -f
  return 1
}

find_device() {
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

mount_layers() {
  mount -a -T /etc/root.fstab && return
  umount /root 2>/dev/null
  umount $run/rootfs 2>/dev/null
  return 1
}

# Makes the chosen state the current one, in the way of `mix rollback`, which completes it once the system has started.
# Where another change was interrupted, the journal says so too, and files below /etc are first brought to where this one
# begins: what does not start must not keep the last good state from starting. A change that came from the chosen state
# is undone.
choose_generation() {
  profiles=/root/mix/profiles/system
  scratch=/root/mix/tmp/chosen
  current=$(readlink $profiles/current)
  [ "$generation" != "$current" ] || return 0
  if [ ! -L "$profiles/$generation" ]; then
    say "mixos: there is no generation $generation; starting $current"
    return 0
  fi
  journal=
  [ ! -f $profiles/journal ] || read -r journal <$profiles/journal
  case $journal in
    "{\"from\":$generation,\"to\":$current,"*) ;;
    *)
      case $journal in
        {*}) after=",\"after\":$journal" ;;
        *) after= ;;
      esac
      # What a power cut left there is perhaps a link.
      rm -f $scratch
      entry="{\"from\":$current,\"to\":$generation,\"isNew\":false$after}"
      printf '%s\n' "$entry" >$scratch
      # On a full disk there may be a part of it. None at all tells mix that there was a choice of which no more is known.
      written=
      read -r written <$scratch
      [ "$written" = "$entry" ] || : >$scratch
      sync
      mv $scratch $profiles/journal
      ;;
  esac
  sync
  rm -f $scratch
  ln -s "$generation" $scratch
  mv -T $scratch $profiles/current
  sync
  say "mixos: starting generation $generation, not $current"
}

if [ -n "$root" ]; then
  attach=attach_root
  wanted="the ext4 file system $root"
else
  attach=attach_medium
  wanted="a file system with the file $marker"
fi

if [ -n "$rescue" ]; then
  say 'mixos: stopped by mixos.rescue; leave a shell to go on'
  shells
fi

until find_device; do
  say '' \
    "mixos: no root: looked $wait s for $wanted" \
    "mixos: seen: ${seen:-no disk or drive at all}" \
    'mixos: attach it and leave this shell (exit) to look again, or give mixos.wait=SECONDS at the boot menu'
  shells
done
until [ -n "$root" ] || mount_layers; do
  say "mixos: found $marker, but its root file system cannot be mounted" \
    'mixos: the medium may be damaged: write it again; leave this shell (exit) to try once more'
  shells
done

if [ -n "$generation" ]; then choose_generation; fi
mount -a -T /etc/move.fstab
exec switch_root /root /sbin/init
