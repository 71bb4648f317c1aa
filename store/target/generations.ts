import { basename, join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import { parseStorePath, type StorePath } from '../../graph/store-path.ts'
import { flush, writeDurably } from '../disk/write.ts'
import type { Store } from '../store.ts'
import { type PackageChanges, packageChangesIn } from './package-changes.ts'

/** One numbered state of a profile: the link `<number>` beside the link `current`. */
export interface Generation {
  readonly number: number
  readonly path: StorePath
  /** Undefined for one that an image came with. */
  readonly made: Origin | undefined
}

/** The same where it may be damaged: then its link leads to no object. */
export interface Listed extends Omit<Generation, 'path'> {
  readonly path: StorePath | undefined
}

/** How a generation came to be. */
export interface Origin extends Made {
  /** The number of the generation that was current. */
  readonly from: number
  /** What it has that the other had not, and the reverse. */
  readonly changes: PackageChanges
}

/** Who changed the system, how and when. */
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

/** Oldest first, also those that are damaged. */
export function generations(store: Store): Listed[] {
  return generationNumbers(store).map(number => {
    const target = targetOf(store, number)
    const path = target && store.has(target) ? target : undefined
    return { number, path, made: originOf(store, number) }
  })
}

/** The same without looking at what they are. */
export function generationNumbers(store: Store): number[] {
  return numbersOf(store, /^[1-9][0-9]*$/)
}

/** The numbers of those, also forgotten ones, of which it is known how they came to be. Oldest first. */
export function originNumbers(store: Store): number[] {
  return numbersOf(store, /^[1-9][0-9]*\.json$/)
}

function numbersOf(store: Store, pattern: RegExp): number[] {
  const { files } = store.host
  const directory = directoryOf(store)
  if (!files.lstat(directory)) return []
  return files
    .list(directory)
    .filter(name => pattern.test(name))
    .map(name => Number.parseInt(name, 10))
    .sort((a, b) => a - b)
}

export const isNumber = (name: string): boolean => /^[1-9][0-9]*$/.test(name)

/** Throws PACKAGE_INVALID where its link leads to no object. */
export function generationAt(store: Store, number: number): Generation {
  const path = objectAt(store, generationLink(store, number))
  return { number, path, made: originOf(store, number) }
}

/** The object that a generation's link leads to, if there is one; undefined where it leads elsewhere. */
export function targetOf(store: Store, number: number): StorePath | undefined {
  return parseStorePath(basename(store.host.files.readLink(generationLink(store, number))))
}

/** The number of the current generation, whatever its state; undefined where none is. */
export function currentNumber(store: Store): number | undefined {
  const { files } = store.host
  const link = join(directoryOf(store), 'current')
  const name = files.lstat(link)?.isSymbolicLink() ? files.readLink(link) : ''
  return isNumber(name) && files.lstat(join(directoryOf(store), name)) ? Number(name) : undefined
}

/** Throws PACKAGE_INVALID where there is none, or a damaged one. */
export function currentGeneration(store: Store): Generation {
  const number = currentNumber(store)
  // Whoever only asks what is installed does not wait for the history to be read.
  if (number !== undefined) return generationAt(store, number)
  const link = join(directoryOf(store), 'current')
  throw new MixosError('PACKAGE_INVALID', `${link} leads to no generation`, {
    hint: 'choose one with: mix rollback N',
  })
}

export function nextNumber(store: Store): number {
  return Math.max(0, ...generationNumbers(store), ...originNumbers(store)) + 1
}

/** Adds one that is not current. Durable when it resolves. */
export async function addGeneration(
  store: Store,
  { number, path, made }: Generation,
): Promise<void> {
  const at = generationLink(store, number)
  if (made) {
    await writeDurably(store.host, {
      path: `${at}.json`,
      data: `${JSON.stringify(made)}\n`,
      scratch: store.layout.scratch,
    })
  }
  placeLink(store, store.hostPath(path), at)
  await flush(store.host, [directoryOf(store)])
}

/** As if it had never been. No-op for one that is not there. It must not be current. */
export async function removeGeneration(store: Store, number: number): Promise<void> {
  const { files } = store.host
  const at = generationLink(store, number)
  files.unlink(`${at}.json`)
  files.unlink(at)
  await flush(store.host, [directoryOf(store)])
}

/** Keeps it no more; how it came to be stays known. It must not be current. */
export async function forgetGeneration(store: Store, number: number): Promise<void> {
  store.host.files.unlink(generationLink(store, number))
  await flush(store.host, [directoryOf(store)])
}

// Of those that are there no more; each is a small file.
const REMEMBERED = 1000

/** Forgets also how the oldest of many forgotten ones came to be. */
export async function forgetOrigins(store: Store): Promise<void> {
  const there = new Set(generationNumbers(store))
  const gone = originNumbers(store).filter(number => !there.has(number))
  for (const number of gone.slice(0, -REMEMBERED))
    store.host.files.unlink(`${generationLink(store, number)}.json`)
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
    hint: 'bring it back with: mix verify --repair; a generation can also be left, with: mix rollback N',
  })
}

/** Undefined for a generation that an image came with. Throws PACKAGE_INVALID. */
export function originOf(store: Store, number: number): Origin | undefined {
  const at = `${generationLink(store, number)}.json`
  const text = store.host.files.read(at)
  if (!text) return undefined
  try {
    const value = JSON.parse(text.toString())
    const made = madeIn(value)
    const changes = packageChangesIn(value?.changes)
    if (made && changes && Number.isInteger(value.from))
      return { ...made, from: value.from, changes }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new MixosError('PACKAGE_INVALID', `${at} was not written by this version of mix`, {
    hint: `delete it; the generation itself is ${basename(at, '.json')}`,
  })
}

/** Who changed the system, where parsed JSON says it. */
export function madeIn(value: unknown): Made | undefined {
  const { at, user, command } = (value ?? {}) as Record<string, unknown>
  const isMade = typeof at === 'number' && typeof user === 'string' && Array.isArray(command)
  return isMade ? { at, user, command: command.map(String) } : undefined
}
