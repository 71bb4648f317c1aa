import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, upstreamVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export interface RsyncTools extends TargetTools {
  readonly popt: Derivation
  readonly zlib: Derivation
}

export function rsync(lock: Lock, { popt, zlib, ...tools }: RsyncTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'rsync',
    version: upstreamVersion(lock, 'rsync'),
    description: 'Copies files, also to and from other machines, and only what changed',
    license: 'GPL-3.0-or-later',
    homepage: 'https://rsync.samba.org/',
    libraries: { popt, zlib },
    inputs: { source: pinned(lock, 'rsync') },
    script: build,
  })
}

// Debian takes both libraries' directories out of the source, which configure still looks into.
const build = `
tar -xf "$source" --strip-components=1
mkdir -p popt zlib
touch popt/dummy.in zlib/dummy.in
./configure --build=$host --host=$host --prefix="$out" --with-rsyncd-conf=/etc/rsyncd.conf --without-included-popt --without-included-zlib \\
  --disable-openssl --disable-xxhash --disable-zstd --disable-lz4 --disable-acl-support --disable-md2man --disable-iconv >/dev/null
make -s -j"$BUILD_CORES" >/dev/null
make -s install >/dev/null
`
