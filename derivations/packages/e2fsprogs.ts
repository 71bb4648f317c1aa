import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export function e2fsprogs(lock: Lock, tools: TargetTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'e2fsprogs',
    version: pinnedVersion(lock, 'e2fsprogs'),
    description: 'Makes, checks, tunes and resizes ext4 file systems',
    license: 'GPL-2.0-only AND LGPL-2.0-only AND BSD-3-Clause AND MIT',
    homepage: 'https://e2fsprogs.sourceforge.net/',
    config: ['mke2fs.conf'],
    inputs: { source: pinned(lock, 'e2fsprogs') },
    script: build,
  })
}

const build = `
tar -xf "$source" --strip-components=1
./configure --build=$host --host=$host --prefix="$out" --sbindir="$out/bin" --sysconfdir=/etc --disable-nls \\
  --enable-libuuid --enable-libblkid --enable-elf-shlibs --enable-symlink-install --enable-relative-symlinks \\
  --disable-imager --disable-defrag --disable-uuidd --disable-fuse2fs --disable-tdb \\
  --without-libarchive --without-udev-rules-dir --without-crond-dir --without-systemd-unit-dir \\
  LDFLAGS="$LDFLAGS -Wl,-rpath,$out/lib" >/dev/null
make -s -j"$BUILD_CORES" >/dev/null
make -s install root_sysconfdir="$PWD/etc" >/dev/null
install -D -m 644 misc/mke2fs.conf "$out/etc/mke2fs.conf"
cd "$out"
for program in bin/*; do
  case "\${program#bin/}" in
    e2fsck | mke2fs | debugfs | resize2fs | tune2fs | dumpe2fs | fsck.* | mkfs.* | e2label) ;;
    *) rm -r "$program" ;;
  esac
done
rm -rf sbin include share libexec lib/e2initrd_helper lib/pkgconfig lib/*.a lib/lib*.so
`
