import { type Derivation, derivation } from '../../graph/derivation.ts'
import { script } from '../build-support/script.ts'
import { textFiles } from '../build-support/text-files.ts'

export interface InitramfsSpec {
  readonly version: string
  readonly seeds: Derivation
  readonly busybox: Derivation
  /** The text of its first program. */
  readonly init: string
}

/** What the kernel starts with: BusyBox and a script that finds the root file system; a zstd-packed archive. */
export function initramfs({ version, seeds, busybox, init }: InitramfsSpec): Derivation {
  const tree = script({
    name: 'initramfs-tree',
    version,
    root: seeds,
    inputs: {
      busybox,
      init: textFiles({ name: 'initramfs-init', version, files: { init: { executable: init } } }),
    },
    env: { applets: applets.join(' ') },
    script: collect,
  })
  const archive = derivation({
    name: 'initramfs-archive',
    version,
    builder: ['builtin:newc'],
    // The kernel opens the console before any program could make one.
    env: { devices: 'dev/console c 5 1 600\n' },
    inputs: { tree },
  })
  return script({ name: 'initramfs', version, root: seeds, inputs: { archive }, script: pack })
}

/** The commands that the script uses, and some for a person whose medium was not found. */
const applets = [
  ...['mkdir', 'mount', 'setsid', 'sh', 'switch_root', 'umount', 'usleep'],
  ...['blkid', 'cat', 'dmesg', 'ls', 'lspci', 'lsusb', 'more', 'poweroff', 'reboot', 'vi'],
]

const collect = `
mkdir -p "$out/bin" "$out/dev" "$out/proc" "$out/root" "$out/run" "$out/sys"
cp "$busybox/bin/busybox" "$out/bin/busybox"
for applet in $applets; do ln -s busybox "$out/bin/$applet"; done
cp "$init/init" "$out/init"
`

const pack = `
zstd -q -19 -T1 --no-check "$archive" -o "$out"
`
