import { type Derivation, derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { debs } from './debs.ts'

/**
 * What the first sandbox is made of, unpacked by the tool itself since nothing is there yet to do it:
 * a static BusyBox, and bubblewrap with its libraries.
 */
export function bootstrap(lock: Lock): {
  readonly busybox: Derivation
  readonly bubblewrap: Derivation
} {
  return { busybox: unpacked(lock, 'busybox'), bubblewrap: unpacked(lock, 'bubblewrap') }
}

function unpacked(lock: Lock, seed: string): Derivation {
  return derivation({
    name: `seeds-${seed}`,
    version: '13',
    builder: ['builtin:unpack-deb'],
    inputs: debs(lock, seed),
  })
}
