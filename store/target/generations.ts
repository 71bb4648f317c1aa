import { basename, join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import { parseStorePath, type StorePath } from '../../graph/store-path.ts'
import type { Store } from '../store.ts'
import { flush, writeDurably } from '../write.ts'

/** One numbered state of a profile: the link `<number>` beside the link `current`. */
export interface Generation {
  readonly number: number
  readonly path: StorePath
  /** Undefined for one that an image came with. */
  readonly made: Made | undefined
}

/** How a generation came to be. */
export interface Made {
  /** Milliseconds since the epoch. */
  readonly at: number
  readonly user: string
  /** What the user typed, without the program. */
  readonly command: readonly string[]
}

const directoryOf = ({ layout }: Store): string => join(layout.profiles, 'system')

/** The link that keeps a generation. */
export const generationLink = (store: Store, number: number): string =>
  join(directoryOf(store), String(number))

/** Oldest first. */
export function generations(store: Store): Generation[] {
  const { files } = store.host
  const directory = directoryOf(store)
  if (!files.lstat(directory)) return []
  return files
    .list(directory)
    .filter(isNumber)
    .map(name => generationAt(store, name))
    .sort((a, b) => a.number - b.number)
}

export const isNumber = (name: string): boolean => /^[1-9][0-9]*$/.test(name)

function generationAt(store: Store, name: string): Generation {
  const path = objectAt(store, join(directoryOf(store), name))
  return { number: Number(name), path, made: madeOf(store, name) }
}

/** Throws PACKAGE_INVALID where there is no profile, which an image always has. */
export function currentGeneration(store: Store): Generation {
  const { files } = store.host
  const link = join(directoryOf(store), 'current')
  const name = files.lstat(link) ? files.readLink(link) : ''
  // Whoever only asks what is installed does not wait for the history to be read.
  if (isNumber(name) && files.lstat(join(directoryOf(store), name)))
    return generationAt(store, name)
  throw new MixosError('PACKAGE_INVALID', `${link} leads to no generation`, {
    hint: 'choose one with: mix rollback N',
  })
}

export function nextNumber(store: Store): number {
  return Math.max(0, ...generations(store).map(({ number }) => number)) + 1
}

/** Adds one that is not current. Durable when it resolves. */
export async function addGeneration(
  store: Store,
  { number, path, made }: Generation & { made: Made },
): Promise<void> {
  const at = generationLink(store, number)
  await writeDurably(store.host, {
    path: `${at}.json`,
    data: `${JSON.stringify(made)}\n`,
    scratch: store.layout.scratch,
  })
  placeLink(store, store.hostPath(path), at)
  await flush(store.host, [directoryOf(store)])
}

/** No-op for one that is not there. It must not be current. */
export async function removeGeneration(store: Store, number: number): Promise<void> {
  const { files } = store.host
  const at = generationLink(store, number)
  files.unlink(at)
  files.unlink(`${at}.json`)
  await flush(store.host, [directoryOf(store)])
}

/** The one change that everybody sees: one link is replaced by another. Durable when it resolves. */
export async function switchTo(
  store: Store,
  { number }: { readonly number: number },
): Promise<void> {
  placeLink(store, String(number), join(directoryOf(store), 'current'))
  await flush(store.host, [directoryOf(store)])
}

/** Makes a link of a profile lead elsewhere, in one step; who calls it flushes the directory. */
export function placeLink(store: Store, target: string, at: string): void {
  const temp = store.scratchPath()
  store.host.files.symlink(target, temp)
  store.host.files.rename(temp, at)
}

/** Where a link of a profile leads. Throws PACKAGE_INVALID where that is no object. */
export function objectAt(store: Store, link: string): StorePath {
  const target = store.host.files.readLink(link)
  const path = parseStorePath(basename(target))
  if (path && store.has(path)) return path
  throw new MixosError('PACKAGE_INVALID', `${link} leads to ${target}, which is no object`, {
    hint: 'look for damage with: mix verify',
  })
}

function madeOf(store: Store, name: string): Made | undefined {
  const at = join(directoryOf(store), `${name}.json`)
  const text = store.host.files.read(at)
  if (!text) return undefined
  try {
    const { at: time, user, command } = JSON.parse(text.toString())
    if (typeof time === 'number' && typeof user === 'string' && Array.isArray(command)) {
      return { at: time, user, command: command.map(String) }
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new MixosError('PACKAGE_INVALID', `${at} was not written by this version of mix`, {
    hint: `delete it; the generation itself is ${basename(at, '.json')}`,
  })
}
