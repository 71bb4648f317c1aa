import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, upstreamVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export function popt(lock: Lock, tools: TargetTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'popt',
    version: upstreamVersion(lock, 'popt'),
    description: 'Library that reads command lines',
    license: 'MIT',
    homepage: 'https://github.com/rpm-software-management/popt',
    inputs: { source: pinned(lock, 'popt') },
    outputs: ['out', 'dev'],
    script: build,
  })
}

const build = `
tar -xf "$source" --strip-components=1
./configure --build=$host --host=$host --prefix="$out" --disable-static --disable-nls >/dev/null
make -s -j"$BUILD_CORES" >/dev/null
make -s install >/dev/null
`
