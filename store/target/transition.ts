import { MixosError } from '../../graph/error.ts'
import type { StorePath } from '../../graph/store-path.ts'
import { type Report, warningOf } from '../event.ts'
import { recordOf } from '../object-closure.ts'
import type { Store } from '../store.ts'
import { storeLock } from '../store-lock.ts'
import { lastGood, writeBootMenu } from './boot-menu.ts'
import { applyEtcChanges, removeNews, withoutNews } from './etc-apply.ts'
import { type EtcChange, etcChanges, noticeOf } from './etc-files.ts'
import {
  addGeneration,
  currentGeneration,
  currentNumber,
  forgetGeneration,
  forgetOrigins,
  type Generation,
  generationAt,
  generationNumbers,
  type Made,
  nextNumber,
  originOf,
  removeGeneration,
  switchTo,
  targetOf,
} from './generations.ts'
import { runInstallScripts, type ScriptsOptions, type When } from './install-scripts.ts'
import { installedIn } from './installed.ts'
import { type Journal, readJournal, removeJournal, writeJournal } from './journal.ts'
import type { Machine } from './machine.ts'
import { packageChanges } from './package-changes.ts'
import { noteRollback } from './rollbacks.ts'

/** A change that its journal stands for. */
interface Move extends Omit<Journal, 'from' | 'to' | 'after'> {
  readonly from: End
  readonly to: End
}

/** A generation, as far as a change needs it; without a path, it is damaged, and nothing is known of it. */
type End = Pick<Generation, 'number'> & { readonly path: StorePath | undefined }

export interface TransitionOptions {
  readonly report: Report
  readonly signal: AbortSignal
}

/**
 * Makes a profile the system's: a new generation, pre-install scripts, the switch, files below `/etc`, post-install
 * scripts. A failing script undoes all of it. A power cut leaves the old generation or the new one current, and
 * `recover` does the rest. The profile, and all it refers to, has to be in the store. Throws SYSTEM_CHANGED where
 * another generation than `onto` is current by now: the profile would undo what somebody else has done.
 */
export async function transition(
  machine: Machine,
  profile: StorePath,
  { made, onto, ...options }: TransitionOptions & { made: Made; onto?: number },
): Promise<Generation> {
  return changing(machine, options, async () => {
    const from = currentGeneration(machine.store)
    if (onto !== undefined && onto !== from.number) {
      throw new MixosError(
        'SYSTEM_CHANGED',
        `this was planned for generation ${onto}, and now generation ${from.number} is current`,
        { hint: 'plan again' },
      )
    }
    const changes = packageChanges(
      installedIn(machine.store, from.path),
      installedIn(machine.store, profile),
    )
    const to = {
      number: nextNumber(machine.store),
      path: profile,
      made: { ...made, from: from.number, changes },
    }
    await move(machine, { from, to, isNew: true }, options)
    return to
  })
}

/**
 * Makes an older or newer generation current again, by default the one that the current one was made from, with its
 * files below `/etc`; also where the current one is damaged. Throws NAME_UNKNOWN for none of them.
 */
export async function rollBack(
  machine: Machine,
  number: number | undefined,
  { made, ...options }: TransitionOptions & { made: Made },
): Promise<Generation> {
  return changing(machine, options, async () => {
    const { store } = machine
    const current = currentNumber(store)
    const to = generationAt(store, numberOf(store, number, current))
    // Where none is current, nothing is to be undone.
    const from =
      current === undefined ? { number: to.number, path: undefined } : endOf(store, current)
    if (to.number !== current) await move(machine, { from, to, isNew: false, made }, options)
    return to
  })
}

function numberOf(store: Store, wanted: number | undefined, current: number | undefined): number {
  const numbers = generationNumbers(store)
  const origin =
    wanted === undefined && current !== undefined ? originOf(store, current)?.from : undefined
  const number = wanted ?? origin
  if (number !== undefined && numbers.includes(number)) return number
  const name = number ?? (current === undefined ? 'current' : `before ${current}`)
  const why = origin === undefined ? '' : `, from which ${current} was made`
  throw new MixosError('NAME_UNKNOWN', `there is no generation ${name}${why}`, {
    hint: `there are ${numbers.join(', ')}`,
  })
}

/** A generation that may be damaged. */
function endOf(store: Store, number: number): End {
  const path = targetOf(store, number)
  return { number, path: path && isWhole(store, path) ? path : undefined }
}

/** True where it can be told what is installed, and which files that has. */
function isWhole(store: Store, profile: StorePath): boolean {
  try {
    for (const { path } of installedIn(store, profile)) recordOf(store, path)
    return true
  } catch (error) {
    if (!(error instanceof MixosError)) throw error
    return false
  }
}

/**
 * Forgets all generations but the newest `keep`, the current one, and the one that a boot loader returns to. It needs no
 * free space; `noteForgotten` is to follow, once there is some.
 */
export async function forgetGenerations(
  machine: Machine,
  keep: number,
  options: TransitionOptions,
): Promise<void> {
  await changing(machine, options, async () => {
    for (const number of oldGenerations(machine, keep)) {
      await forgetGeneration(machine.store, number)
    }
  })
}

/** Lets the menu of the boot loader name no generation that is gone. The history stays, as far as it is not too long. */
export async function noteForgotten(machine: Machine, options: TransitionOptions): Promise<void> {
  await changing(machine, options, async () => {
    await forgetOrigins(machine.store)
    await writeBootMenu(machine)
  })
}

/** The numbers of those that it would forget. */
export function oldGenerations(machine: Machine, keep: number): number[] {
  const kept = [currentNumber(machine.store), lastGood(machine)]
  const numbers = generationNumbers(machine.store)
  return numbers.slice(0, Math.max(0, numbers.length - keep)).filter(one => !kept.includes(one))
}

/**
 * Completes or undoes what a power cut interrupted. Every change begins with it, and so does the start of the machine.
 */
export function recover(machine: Machine, options: TransitionOptions): Promise<void> {
  return changing(machine, options, async () => undefined)
}

async function changing<T>(
  machine: Machine,
  options: TransitionOptions,
  action: () => Promise<T>,
): Promise<T> {
  const { store } = machine
  const onWait = (): void =>
    options.report({ type: 'warning', message: 'waiting for another mix that changes the system' })
  const lock = await storeLock(store, 'system', {
    signal: options.signal,
    onWait,
  })
  try {
    await complete(machine, options)
    return await action()
  } finally {
    lock.release()
  }
}

async function move(
  machine: Machine,
  change: Move & { readonly to: Generation },
  options: TransitionOptions,
): Promise<void> {
  const { store } = machine
  const { from, to } = change
  await writeJournal(store, { ...change, from: from.number, to: to.number })
  try {
    if (change.isNew) await addGeneration(store, to)
    await runScripts(machine, 'pre-install', change, options)
    await switchTo(store, to)
    await settle(machine, change, options)
  } catch (error) {
    await undo(machine, change)
    throw error
  }
  await removeJournal(machine.store)
}

/** What follows the switch. Doing it again changes nothing more. */
async function settle(machine: Machine, change: Move, options: ScriptsOptions): Promise<void> {
  const { from, to, isNew, made } = change
  const files = changesBetween(machine, from, to)
  await applyEtcChanges(machine, files)
  for (const message of files.flatMap(change => noticeOf(change) ?? [])) {
    options.report({ type: 'warning', message })
  }
  await runScripts(machine, 'post-install', change, options)
  await writeBootMenu(machine)
  if (isNew) return
  const { store } = machine
  const who = made ?? { at: store.host.now(), user: 'the boot menu', command: [] }
  const newest = Math.max(...generationNumbers(store))
  const changes =
    from.path && to.path
      ? packageChanges(installedIn(store, from.path), installedIn(store, to.path))
      : undefined
  await noteRollback(store, { ...who, from: from.number, to: to.number, newest, changes })
}

/** None where the end is damaged: it has to be mended first. */
function changesBetween(machine: Machine, from: End, to: End): EtcChange[] {
  return to.path ? etcChanges(machine, from.path, to.path) : []
}

async function undo(machine: Machine, change: Move): Promise<void> {
  const { from, to } = change
  if (currentNumber(machine.store) === to.number) await switchTo(machine.store, from)
  await restore(machine, change)
}

/** The rest of undoing a change, once its beginning is current. Doing it again changes nothing more. */
async function restore(machine: Machine, { from, to, isNew }: Move): Promise<void> {
  await removeNews(machine, changesBetween(machine, from, to))
  await applyEtcChanges(machine, withoutNews(changesBetween(machine, to, from)))
  await writeBootMenu(machine, isNew ? to.number : undefined)
  if (isNew) await removeGeneration(machine.store, to.number)
  await removeJournal(machine.store)
}

/**
 * Brings files below `/etc` to generation `number`, at which a change was interrupted before or after its switch, so that
 * they can be changed from there. Doing it again changes nothing more.
 */
async function bringFilesTo(
  machine: Machine,
  number: number,
  interrupted: Journal | undefined,
): Promise<void> {
  if (!interrupted) return
  const { from, to, after } = interrupted
  await bringFilesTo(machine, from, after)
  const numbers = generationNumbers(machine.store)
  if (![from, to].every(one => numbers.includes(one)) || ![from, to].includes(number)) return
  const ends = { from: endOf(machine.store, from), to: endOf(machine.store, to) }
  if (number === from) await removeNews(machine, changesBetween(machine, ends.from, ends.to))
  const [one, other] = number === to ? [ends.from, ends.to] : [ends.to, ends.from]
  await applyEtcChanges(machine, withoutNews(changesBetween(machine, one, other)))
}

async function complete(machine: Machine, options: TransitionOptions): Promise<void> {
  const { store } = machine
  const journal = readJournal(store)
  if (!journal) return
  const { from, to } = journal
  const numbers = generationNumbers(store)
  const current = currentNumber(store)
  const isKnown = numbers.includes(from) && numbers.includes(to)
  if (!isKnown || (current !== from && current !== to)) {
    // How it was to come to be may be there, and no more of it.
    if (journal.isNew && !numbers.includes(to)) await removeGeneration(store, to)
    return removeJournal(store)
  }
  await bringFilesTo(machine, from, journal.after)
  const change = { ...journal, from: endOf(store, from), to: endOf(store, to) }
  if (current === from) return restore(machine, change)
  options.report({
    type: 'warning',
    message: `completing the interrupted change to generation ${to}`,
  })
  if (!change.isNew) return goBack(machine, change, options)
  try {
    await settle(machine, change, options)
  } catch (error) {
    await undo(machine, change)
    throw error
  }
  await removeJournal(machine.store)
}

/** Completes it with whatever scripts fail, and undoes nothing: what was left may be what does not start. */
async function goBack(machine: Machine, change: Move, options: TransitionOptions): Promise<void> {
  const onFailure = (error: MixosError): void => options.report(warningOf(error))
  await settle(machine, change, { ...options, onFailure })
  await removeJournal(machine.store)
}

/** None where it cannot be told which packages are new. */
async function runScripts(
  machine: Machine,
  when: When,
  { from, to }: Move,
  options: ScriptsOptions,
): Promise<void> {
  if (!from.path || !to.path) return
  const before = new Set(installedIn(machine.store, from.path).map(({ path }) => path))
  const added = installedIn(machine.store, to.path).filter(({ path }) => !before.has(path))
  await runInstallScripts(machine, when, { packages: added, ...options })
}
