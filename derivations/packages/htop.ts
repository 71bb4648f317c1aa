import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export interface HtopTools extends TargetTools {
  readonly autotools: Derivation
  readonly ncurses: Derivation
}

export function htop(lock: Lock, { autotools, ncurses, ...tools }: HtopTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'htop',
    version: pinnedVersion(lock, 'htop'),
    description: 'Shows processes, memory and processors, and how they change',
    license: 'GPL-2.0-or-later',
    homepage: 'https://htop.dev/',
    libraries: { ncurses },
    inputs: { source: pinned(lock, 'htop'), autotools },
    script: build,
  })
}

const build = `
export PATH="$autotools/bin:$PATH"
tar -xf "$source" --strip-components=1
autoreconf -fi
./configure --build=$host --host=$host --prefix="$out" --sysconfdir=/etc --enable-unicode \\
  --disable-capabilities --disable-delayacct --disable-sensors --disable-unwind >/dev/null
make -s -j"$BUILD_CORES" >/dev/null
make -s install >/dev/null
rm -rf "$out/share/applications" "$out/share/icons" "$out/share/pixmaps"
`
