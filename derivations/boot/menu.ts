/**
 * The beginning and the end of a menu of GRUB, as they stand in a document that the shell expands: what is between them
 * says how to `start`, with the variables `variant` and `tuning`. `$qemuCommandLine` is the shell's.
 *
 * On BIOS, linux16 leaves the kernel where it was read to; linux moves all the memory that the kernel will ever unpack
 * into, byte by byte.
 */
export const menu = {
  begin: `\
# Starts at once. Shift, held down while the machine starts, shows the menu.
set default=0
set timeout=0
if serial --unit=0 --speed=115200; then
  terminal_input console serial
  terminal_output console serial
fi
if keystatus --shift; then set timeout=-1; fi

set variant=
if [ \\$grub_platform = pc ]; then set variant=16; fi
set tuning=
if smbios --type 1 --get-string 4 --set maker; then
  if [ "\\$maker" = QEMU ]; then set tuning='$qemuCommandLine'; fi
fi`,
  end: `\
menuentry 'Restart' { reboot }
menuentry 'Power off' { halt }`,
} as const

/**
 * What is added in a QEMU machine. Its software emulation says that it is fast at copying strings of bytes,
 * and is an order of magnitude slower at that than at copying words: a second of start-up.
 */
export const qemuCommandLine = 'clearcpuid=erms,fsrm no_timer_check'
