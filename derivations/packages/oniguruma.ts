import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export interface OnigurumaTools extends TargetTools {
  readonly autotools: Derivation
}

export function oniguruma(lock: Lock, { autotools, ...tools }: OnigurumaTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'oniguruma',
    version: pinnedVersion(lock, 'oniguruma'),
    description: 'Library of regular expressions for many encodings',
    license: 'BSD-2-Clause',
    homepage: 'https://github.com/kkos/oniguruma',
    inputs: { source: pinned(lock, 'oniguruma'), autotools },
    outputs: ['out', 'dev'],
    script: build,
  })
}

const build = `
export PATH="$autotools/bin:$PATH"
tar -xf "$source" --strip-components=1
autoreconf -fi
./configure --build=$host --host=$host --prefix="$out" --disable-static >/dev/null
make -s -j"$BUILD_CORES" -C src
make -s -C src install >/dev/null
rm -f "$out/bin/onig-config"
`
