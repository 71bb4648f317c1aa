/** What `mixos lock update` pins, and whom it believes. Data only. */
export const pins: Pins = {
  suite: 'trixie',

  // The archive key, the security archive's key and the release key of Debian 13. Each signs with
  // its primary key or with a subkey of it.
  keyFingerprints: [
    '04B54C3CDCA79751B16BC6B5225629DF75B188BD',
    '5E04A1E3223A19A20706E20F9904613D4CCE68C6',
    '41587F7DB8C774BCCF131416762F67A0B2C39DE4',
  ],

  seeds: {
    // Unpacked by the tool itself, before there is a sandbox.
    busybox: ['busybox-static'],
    bubblewrap: ['bubblewrap'],

    // The file system that everything is compiled in.
    build: [
      'bash',
      'bc',
      'bison',
      'bzip2',
      'coreutils',
      'cpio',
      'diffutils',
      'file',
      'findutils',
      'flex',
      'g++',
      'gawk',
      'gcc',
      'grep',
      'gzip',
      'kmod',
      'libelf-dev',
      'libgmp-dev',
      'libmpc-dev',
      'libmpfr-dev',
      'libssl-dev',
      'lz4',
      'm4',
      'make',
      'patch',
      'perl',
      'python3-minimal',
      'rsync',
      'sed',
      'tar',
      'xz-utils',
      'zstd',
    ],

    // Makes file systems and the ISO.
    image: [
      'bash',
      'coreutils',
      'cpio',
      'dosfstools',
      'findutils',
      'gawk',
      'grep',
      'gzip',
      'mtools',
      'sed',
      'squashfs-tools',
      'tar',
      'xorriso',
      'xz-utils',
      'zstd',
    ],

    // Boots images: for `mixos boot` and the tests.
    qemu: ['bash', 'coreutils', 'ipxe-qemu', 'ovmf', 'qemu-system-x86', 'seabios'],
  },

  // Upstream's own address comes first where the bytes are the same. Debian packs Linux and GCC anew,
  // so for those there is only the mirror.
  sources: {
    busybox: {
      version: '1.37.0',
      urls: [
        'https://busybox.net/downloads/busybox-1.37.0.tar.bz2',
        'mirror://debian/pool/main/b/busybox/busybox_1.37.0.orig.tar.bz2',
      ],
    },
    gcc: {
      version: '14.2.0',
      urls: ['mirror://debian/pool/main/g/gcc-14/gcc-14_14.2.0.orig.tar.gz'],
    },
    grub: {
      version: '2.12',
      urls: [
        'https://ftp.gnu.org/gnu/grub/grub-2.12.tar.xz',
        'mirror://debian/pool/main/g/grub2/grub2_2.12.orig.tar.xz',
      ],
    },
    linux: {
      version: '6.12.107',
      urls: ['mirror://debian/pool/main/l/linux/linux_6.12.107.orig.tar.xz'],
    },
    musl: {
      version: '1.2.5',
      urls: [
        'https://musl.libc.org/releases/musl-1.2.5.tar.gz',
        'mirror://debian/pool/main/m/musl/musl_1.2.5.orig.tar.gz',
      ],
    },
    // What upstream fixed after the release, as Debian carries it.
    'musl-patches': {
      version: '1.2.5-3.1',
      urls: ['mirror://debian/pool/main/m/musl/musl_1.2.5-3.1~deb13u1.debian.tar.xz'],
    },
  },
}

export interface Pins {
  /** The release's main suite: it stays put between point releases. */
  readonly suite: string
  /** The package index must carry a good signature by one of these keys. */
  readonly keyFingerprints: readonly string[]
  /** The packages wanted in each seed; what they depend on comes along, what they recommend does not. */
  readonly seeds: Readonly<Record<string, readonly string[]>>
  readonly sources: Readonly<
    Record<string, { readonly version: string; readonly urls: readonly string[] }>
  >
}
