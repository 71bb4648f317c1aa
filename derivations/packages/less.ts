import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export interface LessTools extends TargetTools {
  readonly ncurses: Derivation
}

export function less(lock: Lock, { ncurses, ...tools }: LessTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'less',
    version: pinnedVersion(lock, 'less'),
    description: 'Shows a text one screen at a time, forwards and backwards',
    license: 'GPL-3.0-or-later OR BSD-2-Clause',
    homepage: 'https://www.greenwoodsoftware.com/less/',
    libraries: { ncurses },
    inputs: { source: pinned(lock, 'less') },
    script: build,
  })
}

const build = `
tar -xf "$source" --strip-components=1
./configure --build=$host --host=$host --prefix="$out" --sysconfdir=/etc --with-regex=posix >/dev/null
make -s -j"$BUILD_CORES"
make -s install >/dev/null
`
