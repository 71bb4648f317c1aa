import type { Derivation } from '../../graph/derivation.ts'
import { MixosError } from '../../graph/error.ts'
import type { Builtin } from './builtin.ts'

// Each is loaded when first used: a run with nothing to do loads none. No hash covers what they
// do, so one that comes to write something else gets another name, such as builtin:profile-2.
const loaders: Readonly<Record<string, () => Promise<Builtin>>> = {
  'builtin:closure-info': async () => (await import('./closure-info.ts')).closureInfo,
  'builtin:fetch-url': async () => (await import('./fetch-url.ts')).fetchUrl,
  'builtin:files': async () => (await import('./files.ts')).writeFiles,
  'builtin:mixpkg': async () => (await import('./mixpkg.ts')).writeMixpkg,
  'builtin:newc': async () => (await import('./newc.ts')).writeNewc,
  'builtin:profile': async () => (await import('./profile.ts')).makeProfile,
  'builtin:repository-2': async () => (await import('./repository.ts')).makeRepository,
  'builtin:unpack-deb': async () => (await import('./unpack-deb.ts')).unpack,
}

/** True for a step that the tool takes itself, without a sandbox. */
export function isBuiltin({ builder }: Pick<Derivation, 'builder'>): boolean {
  return builder[0]?.startsWith('builtin:') ?? false
}

/** Throws DERIVATION_INVALID for a name that no builtin has. */
export function builtin(builder: string): Promise<Builtin> {
  const load = Object.hasOwn(loaders, builder) ? loaders[builder] : undefined
  if (load) return load()
  throw new MixosError('DERIVATION_INVALID', `there is no ${builder}`, {
    hint: `the builtins are ${Object.keys(loaders).join(', ')}`,
  })
}
