import type { Source, Wanted } from '../graph/wanted.ts'

const npm = (name: string, version: string): Source => ({
  version,
  urls: [`mirror://npm/${name}/-/${name.replace(/^.*\//, '')}-${version}.tgz`],
})

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

    // What makes a configure script where a source comes without one.
    autoconf: { debian: 'autoconf', file: '.orig.tar.xz' },
    automake: { debian: 'automake-1.17', file: '.orig.tar.xz' },
    libtool: { debian: 'libtool', file: '.orig.tar.xz' },

    // For the compiler of time zones alone, which Debian does not pack with their sources.
    glibc: { debian: 'glibc', file: '.orig.tar.xz' },

    // What can be installed. The patches are Debian's, for what was fixed after the release.
    audit: {
      version: '4.1.2',
      urls: ['mirror://debian/pool/main/a/audit/audit_4.1.2.orig.tar.gz'],
    },
    'ca-certificates': {
      version: '20250419',
      urls: ['mirror://debian/pool/main/c/ca-certificates/ca-certificates_20250419.tar.xz'],
    },
    curl: { debian: 'curl', file: '.orig.tar.gz' },
    'curl-patches': {
      version: '8.14.1-2+deb13u5',
      urls: ['mirror://debian/pool/main/c/curl/curl_8.14.1-2+deb13u5.debian.tar.xz'],
    },
    dosfstools: { debian: 'dosfstools', file: '.orig.tar.gz' },
    e2fsprogs: { debian: 'e2fsprogs', file: '.orig.tar.gz' },
    git: { debian: 'git', file: '.orig.tar.xz' },
    htop: { debian: 'htop', file: '.orig.tar.gz' },
    iptables: { debian: 'iptables', file: '.orig.tar.xz' },
    jq: { debian: 'jq', file: '.orig.tar.gz' },
    'jq-patches': {
      version: '1.7.1-6+deb13u3',
      urls: ['mirror://debian/pool/main/j/jq/jq_1.7.1-6+deb13u3.debian.tar.xz'],
    },
    less: { debian: 'less', file: '.orig.tar.gz' },
    libevent: { debian: 'libevent', file: '.orig.tar.gz' },
    lua: { debian: 'lua5.4', file: '.orig.tar.gz' },
    nano: { debian: 'nano', file: '.orig.tar.xz' },
    ncurses: { debian: 'ncurses', file: '.orig.tar.gz' },
    nginx: { debian: 'nginx', file: '.orig.tar.gz' },
    'nginx-patches': {
      version: '1.26.3-3+deb13u7',
      urls: ['mirror://debian/pool/main/n/nginx/nginx_1.26.3-3+deb13u7.debian.tar.xz'],
    },
    oniguruma: { debian: 'libonig', file: '.orig.tar.gz' },
    openssh: { debian: 'openssh', file: '.orig.tar.gz' },
    'openssh-patches': { debian: 'openssh', file: '.debian.tar.xz' },
    openssl: {
      version: '3.5.7',
      urls: ['mirror://debian/pool/main/o/openssl/openssl_3.5.7.orig.tar.gz'],
    },
    'openssl-patches': {
      version: '3.5.7-1~deb13u2',
      urls: ['mirror://debian/pool/main/o/openssl/openssl_3.5.7-1~deb13u2.debian.tar.xz'],
    },
    pcre2: { debian: 'pcre2', file: '.orig.tar.gz' },
    popt: { debian: 'popt', file: '.orig.tar.xz' },
    rsync: { debian: 'rsync', file: '.orig.tar.xz' },
    strace: {
      version: '6.1',
      urls: ['mirror://debian/pool/main/s/strace/strace_6.1.orig.tar.xz'],
    },
    tmux: { debian: 'tmux', file: '.orig.tar.gz' },
    tzdata: {
      version: '2026c',
      urls: ['mirror://debian/pool/main/t/tzdata/tzdata_2026c.orig.tar.gz'],
    },
    'util-linux': { debian: 'util-linux', file: '.orig.tar.xz' },
    zlib: { debian: 'zlib', file: '.orig.tar.gz' },

    // `mix`: its runtime, and what it imports, in the versions of package-lock.json.
    bun: npm('@oven/bun-linux-x64-musl-baseline', '1.4.5'),
    'npm/blake-hash-linux-x64-musl': npm('@napi-rs/blake-hash-linux-x64-musl', '1.3.4'),
    'npm/ansi-regex': npm('ansi-regex', '6.6.0'),
    'npm/chalk': npm('chalk', '5.6.2'),
    'npm/cmd-ts': npm('cmd-ts', '0.15.0'),
    'npm/debug': npm('debug', '4.4.3'),
    'npm/didyoumean': npm('didyoumean', '1.2.2'),
    'npm/fastest-levenshtein': npm('fastest-levenshtein', '1.0.16'),
    'npm/ms': npm('ms', '2.1.3'),
    'npm/balanced-match': npm('balanced-match', '4.0.4'),
    'npm/brace-expansion': npm('brace-expansion', '5.0.13'),
    'npm/gar-promise-retry': npm('@gar/promise-retry', '1.0.3'),
    'npm/minimatch': npm('minimatch', '10.2.6'),
    'npm/strip-ansi': npm('strip-ansi', '7.2.0'),
    'npm/tuf-js': npm('tuf-js', '6.0.2'),
    'npm/tufjs-canonical-json': npm('@tufjs/canonical-json', '2.0.0'),
    'npm/tufjs-models': npm('@tufjs/models', '5.0.2'),
  },
}
