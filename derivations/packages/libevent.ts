import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, upstreamVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

/** The event loop alone, without HTTP, DNS and buffers that threads share. */
export function libevent(lock: Lock, tools: TargetTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'libevent',
    version: upstreamVersion(lock, 'libevent'),
    description: 'Library that waits for files, timers and signals',
    license: 'BSD-3-Clause',
    homepage: 'https://libevent.org/',
    inputs: { source: pinned(lock, 'libevent') },
    outputs: ['out', 'dev'],
    script: build,
  })
}

const build = `
tar -xf "$source" --strip-components=1
./configure --build=$host --host=$host --prefix="$out" --disable-static --disable-openssl --disable-samples \\
  --disable-libevent-regress --disable-debug-mode >/dev/null
make -s -j"$BUILD_CORES" >/dev/null
make -s install >/dev/null
rm -r "$out/bin"
cd "$out/lib"
rm -f libevent.so libevent-* libevent_extra* libevent_pthreads*
`
