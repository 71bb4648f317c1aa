import { MixosError } from '../../graph/error.ts'
import { writeProfile } from '../target/profile-tree.ts'
import type { Builtin } from './builtin.ts'

/** The profile of all inputs, each of which was asked for. */
export const makeProfile: Builtin = async ({ store, derivation, inputs, target }) => {
  const requested = derivation.env.requested
  if (requested === undefined) {
    throw new MixosError('DERIVATION_INVALID', 'the variable requested is missing')
  }
  writeProfile(
    store,
    {
      label: `${derivation.name}-${derivation.version}`,
      packages: Object.values(inputs).sort(),
      requested: requested.split(' ').filter(Boolean),
    },
    target,
  )
}
