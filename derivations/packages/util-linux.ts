import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export function utilLinux(lock: Lock, tools: TargetTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'util-linux',
    version: pinnedVersion(lock, 'util-linux'),
    description: 'Partitions disks and finds what is on them',
    license: 'GPL-2.0-or-later AND LGPL-2.1-or-later AND BSD-3-Clause',
    homepage: 'https://github.com/util-linux/util-linux',
    inputs: { source: pinned(lock, 'util-linux') },
    script: build,
  })
}

// findmnt and cfdisk have no options of their own; the latter would need ncurses.
const build = `
tar -xf "$source" --strip-components=1
sed -i -e 's/build_findmnt=no/build_findmnt=yes/' -e 's/^enable_cfdisk=.*/enable_cfdisk=no/' configure
./configure --build=$host --host=$host --prefix="$out" --sbindir="$out/bin" --sysconfdir=/etc --localstatedir=/var --runstatedir=/run \\
  --disable-all-programs --enable-libuuid --enable-libblkid --enable-libmount --enable-libsmartcols --enable-libfdisk \\
  --enable-fdisks --enable-wipefs --enable-blkid --enable-lsblk --enable-partx \\
  --disable-static --disable-nls --disable-asciidoc --disable-poman --disable-bash-completion \\
  --disable-makeinstall-chown --disable-makeinstall-setuid \\
  --without-ncursesw --without-tinfo --without-readline --without-python --without-systemd --without-udev \\
  --without-libmagic --without-cap-ng --without-libz --without-btrfs --without-econf >/dev/null
make -s -j"$BUILD_CORES" >/dev/null
make -s install >/dev/null
rm -rf "$out/include" "$out/lib/pkgconfig" "$out"/lib/*.so "$out/sbin"
`
