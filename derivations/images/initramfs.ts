import { type Derivation, derivation } from '../../graph/derivation.ts'
import { script } from '../build-support/script.ts'
import { textFiles } from '../build-support/text-files.ts'

export interface InitramfsSpec {
  readonly version: string
  readonly seeds: Derivation
  readonly busybox: Derivation
  /** The static program. */
  readonly e2fsck: Derivation
  /** The text of its first program. */
  readonly init: string
}

/**
 * What the kernel starts with: BusyBox, a script that finds the root file system, and what checks it; a zstd-packed
 * archive.
 */
export function initramfs({ version, seeds, busybox, e2fsck, init }: InitramfsSpec): Derivation {
  const tree = script({
    name: 'initramfs-tree',
    version,
    root: seeds,
    inputs: {
      busybox,
      e2fsck,
      init: textFiles({
        name: 'initramfs-init',
        version,
        files: { init: { executable: init }, ...tables },
      }),
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
  ...[
    'blkid',
    'ln',
    'mkdir',
    'mount',
    'mv',
    'readlink',
    'rm',
    'setsid',
    'sh',
    'switch_root',
    'sync',
  ],
  ...['umount', 'usleep'],
  ...['cat', 'dmesg', 'ls', 'lspci', 'lsusb', 'more', 'poweroff', 'reboot', 'vi'],
]

/** What is mounted, in turn: first of all, once the medium is found, and just before its init starts. */
const tables = {
  'etc/early.fstab': `\
devtmpfs  /dev   devtmpfs  nosuid,noexec,mode=0755            0 0
proc      /proc  proc      nosuid,nodev,noexec,hidepid=2      0 0
sysfs     /sys   sysfs     nosuid,nodev,noexec                0 0
run       /run   tmpfs     nosuid,nodev,mode=0755,size=40%    0 0
`,
  'etc/root.fstab': `\
/run/mixos/medium/mixos/rootfs.squashfs /run/mixos/rootfs squashfs loop,ro,nosuid,nodev 0 0
root /root overlay nosuid,nodev,lowerdir=/run/mixos/rootfs,upperdir=/run/mixos/upper,workdir=/run/mixos/work 0 0
`,
  'etc/move.fstab': `\
/dev   /root/dev   none  move  0 0
/sys   /root/sys   none  move  0 0
/run   /root/run   none  move  0 0
/proc  /root/proc  none  move  0 0
`,
}

const collect = `
mkdir -p "$out/bin" "$out/dev" "$out/proc" "$out/root" "$out/run" "$out/sys"
cp "$busybox/bin/busybox" "$out/bin/busybox"
install -m 755 "$e2fsck" "$out/bin/e2fsck"
for applet in $applets; do ln -s busybox "$out/bin/$applet"; done
cp -r "$init/." "$out/"
`

const pack = `
zstd -q -19 -T1 --no-check "$archive" -o "$out"
`
