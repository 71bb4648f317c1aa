#!/bin/sh
# Runs once: notes for the boot loader that this generation reaches its login prompt. One that does not is started
# once, and the last one that did the next time.

export PATH=/bin

generation=
read -r words </proc/cmdline
for word in $words; do
  case $word in mixos.generation=*) generation=${word#*=} ;; esac
done
environment=/boot/grub/grubenv
[ -n "$generation" ] && [ -f $environment ] || exit 0

until pidof getty >/dev/null; do sleep 1; done

# In place, and of the size that it has: GRUB reads and writes the blocks, and knows nothing of a journal.
{
  printf '# GRUB Environment Block\ngood=%s\n' "$generation"
  head -c 1024 /dev/zero | tr '\0' '#'
} | head -c 1024 | dd of=$environment conv=notrunc,fsync 2>/dev/null
