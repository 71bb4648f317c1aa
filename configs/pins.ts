import type { Wanted } from '../graph/wanted.ts'

/** What `mixos lock update` pins, and whom it believes. Data only. */
export const pins: Wanted = {
  suite: 'trixie',

  // The archive key and the release key of Debian 13. Each signs with its primary key or with a
  // subkey of it.
  keyFingerprints: [
    '04B54C3CDCA79751B16BC6B5225629DF75B188BD',
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

    // What caches are tested against.
    servers: ['docker-registry', 'nginx', 'python3-swift'],
  },

  // The versions are those of the suite, which gets nothing but fixes. Another one is pinned with
  // `{ version, urls }`. Debian packs Linux and GCC anew, so for those there is no address of upstream's.
  sources: {
    busybox: {
      debian: 'busybox',
      file: '.orig.tar.bz2',
      urls: ['https://busybox.net/downloads/busybox-{version}.tar.bz2'],
    },
    gcc: { debian: 'gcc-14', file: '.orig.tar.gz' },
    grub: {
      debian: 'grub2',
      file: '.orig.tar.xz',
      urls: ['https://ftp.gnu.org/gnu/grub/grub-{version}.tar.xz'],
    },
    linux: { debian: 'linux', file: '.orig.tar.xz' },
    musl: {
      debian: 'musl',
      file: '.orig.tar.gz',
      urls: ['https://musl.libc.org/releases/musl-{version}.tar.gz'],
    },
    // What upstream fixed after the release, as Debian carries it.
    'musl-patches': { debian: 'musl', file: '.debian.tar.xz' },
  },
}
