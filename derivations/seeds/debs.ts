import type { Derivation } from '../../graph/derivation.ts'
import { MixosError } from '../../graph/error.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned } from '../build-support/pinned.ts'

/** The packages of a seed as inputs, named so that their order is the order of unpacking. */
export function debs(lock: Lock, seed: string): Record<string, Derivation> {
  const names = lock.seeds[seed]
  if (!names || names.length === 0) {
    throw new MixosError('LOCK_OUTDATED', `flake-free.lock has no seed ${JSON.stringify(seed)}`, {
      hint: 'resolve the seeds with: mixos lock update',
    })
  }
  return Object.fromEntries(
    names.map((name, index) => [`deb${String(index).padStart(3, '0')}`, pinned(lock, name)]),
  )
}
