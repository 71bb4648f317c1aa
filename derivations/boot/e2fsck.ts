import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { script } from '../build-support/script.ts'
import type { TargetTools } from '../build-support/target-package.ts'

/** One static program that checks and mends an ext4 file system: it runs before there is a root with libraries. */
export function e2fsck(lock: Lock, { seeds, toolchain }: TargetTools): Derivation {
  return script({
    name: 'e2fsck',
    version: pinnedVersion(lock, 'e2fsprogs'),
    root: seeds,
    inputs: { toolchain, source: pinned(lock, 'e2fsprogs') },
    script: build,
  })
}

const build = `
host=x86_64-linux-musl
export PATH="$toolchain/bin:$PATH" CC=$host-gcc AR=$host-ar RANLIB=$host-ranlib
export CFLAGS="-Os -fstack-protector-strong -ffunction-sections -fdata-sections"
tar -xf "$source" --strip-components=1
./configure --build=$host --host=$host --disable-nls --disable-tdb --disable-debugfs --disable-imager \\
  --disable-resizer --disable-defrag --disable-uuidd --disable-fuse2fs --disable-e2initrd-helper \\
  --enable-libuuid --enable-libblkid --without-libarchive LDFLAGS='-static -Wl,--gc-sections' >/dev/null
make -s -j"$BUILD_CORES" libs >/dev/null
make -s -j"$BUILD_CORES" -C e2fsck e2fsck >/dev/null
$host-strip -o "$out" e2fsck/e2fsck
`
