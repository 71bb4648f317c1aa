import { dirname, join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import type { StorePath } from '../../graph/store-path.ts'
import type { Report } from '../event.ts'
import { storeLock } from '../store-lock.ts'
import { writeDurably } from '../write.ts'
import { lastGood, writeBootMenu } from './boot-menu.ts'
import { applyEtcChanges, etcChanges, type Machine } from './etc-files.ts'
import {
  addGeneration,
  currentGeneration,
  type Generation,
  generations,
  type Made,
  nextNumber,
  removeGeneration,
  switchTo,
} from './generations.ts'
import { runInstallScript, type When } from './install-scripts.ts'
import { type InstalledPackage, installedIn } from './installed.ts'

/**
 * What a power cut leaves of a change of the system, written before the first step that others see. `from` and `to` are
 * numbers of generations; `isNew` says that `to` goes where the change is undone.
 */
interface Journal {
  readonly from: number
  readonly to: number
  readonly isNew: boolean
}

interface Move {
  readonly from: Generation
  readonly to: Generation
  readonly isNew: boolean
}

export interface TransitionOptions {
  readonly report: Report
  readonly signal: AbortSignal
}

/**
 * Makes a profile the system's: a new generation, pre-install scripts, the switch, files below `/etc`, post-install
 * scripts. A failing script undoes all of it. A power cut leaves the old generation or the new one current, and
 * `recover` does the rest. The profile, and all it refers to, has to be in the store. Throws SYSTEM_CHANGED where another
 * generation than `onto` is current by now: the profile would undo what somebody else has done.
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
    const to = { number: nextNumber(machine.store), path: profile, made }
    await move(machine, { from, to, isNew: true }, options)
    return to
  })
}

/** Makes an older or newer generation current again, with its files below `/etc`. Throws BAD_ARGUMENT for none of them. */
export async function rollBack(
  machine: Machine,
  number: number | undefined,
  options: TransitionOptions,
): Promise<Generation> {
  return changing(machine, options, async () => {
    const all = generations(machine.store)
    const from = currentGeneration(machine.store)
    const to =
      number === undefined
        ? all.findLast(generation => generation.number < from.number)
        : all.find(generation => generation.number === number)
    if (!to) {
      const wanted = number === undefined ? `one before ${from.number}` : number
      throw new MixosError('BAD_ARGUMENT', `there is no generation ${wanted}`, {
        hint: `there are ${all.map(generation => generation.number).join(', ')}`,
      })
    }
    if (to.number !== from.number) await move(machine, { from, to, isNew: false }, options)
    return to
  })
}

/** Forgets all generations but the newest `keep`, the current one, and the one that a boot loader returns to. */
export async function forgetGenerations(
  machine: Machine,
  keep: number,
  options: TransitionOptions,
): Promise<void> {
  await changing(machine, options, async () => {
    const old = oldGenerations(machine, keep)
    for (const number of old) await removeGeneration(machine.store, number)
    if (old.length > 0) await writeBootMenu(machine)
  })
}

/** The numbers of those that it would forget. */
export function oldGenerations(machine: Machine, keep: number): number[] {
  const kept = [currentGeneration(machine.store).number, lastGood(machine)]
  const numbers = generations(machine.store).map(({ number }) => number)
  return numbers.slice(0, Math.max(0, numbers.length - keep)).filter(one => !kept.includes(one))
}

/** Completes or undoes what a power cut interrupted. Every change begins with it, and so does the start of the machine. */
export function recover(machine: Machine, options: TransitionOptions): Promise<void> {
  return changing(machine, options, async () => undefined)
}

const journalOf = ({ store }: Machine): string => join(store.layout.profiles, 'system', 'journal')

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
  { from, to, isNew }: Move,
  options: TransitionOptions,
): Promise<void> {
  const { store } = machine
  const journal: Journal = { from: from.number, to: to.number, isNew }
  await writeDurably(store.host, {
    path: journalOf(machine),
    data: `${JSON.stringify(journal)}\n`,
    scratch: store.layout.scratch,
  })
  try {
    if (isNew && to.made) await addGeneration(store, { ...to, made: to.made })
    await runScripts(machine, 'pre-install', { from, to }, options)
    await switchTo(store, to)
    await settle(machine, { from, to }, options)
  } catch (error) {
    await undo(machine, { from, to, isNew })
    throw error
  }
  await forget(machine)
}

/** What follows the switch. Doing it again changes nothing more. */
async function settle(
  machine: Machine,
  { from, to }: { from: Generation; to: Generation },
  options: TransitionOptions,
): Promise<void> {
  const changes = etcChanges(machine, from.path, to.path)
  await applyEtcChanges(machine, changes)
  for (const { action, path } of changes) {
    if (action !== 'copy-beside') continue
    const message = `/etc/${path} was changed here and is kept; the new one is /etc/${path}.mixnew`
    options.report({ type: 'warning', message })
  }
  await runScripts(machine, 'post-install', { from, to }, options)
  await writeBootMenu(machine)
}

async function undo(machine: Machine, { from, to, isNew }: Move): Promise<void> {
  if (currentGeneration(machine.store).number === to.number) await switchTo(machine.store, from)
  await restore(machine, { from, to, isNew })
}

/** The rest of undoing a change, once its beginning is current. Doing it again changes nothing more. */
async function restore(machine: Machine, { from, to, isNew }: Move): Promise<void> {
  const changes = etcChanges(machine, to.path, from.path)
  await applyEtcChanges(
    machine,
    changes.filter(({ action }) => action !== 'copy-beside'),
  )
  await writeBootMenu(machine)
  if (isNew) await removeGeneration(machine.store, to.number)
  await forget(machine)
}

async function complete(machine: Machine, options: TransitionOptions): Promise<void> {
  const { store } = machine
  const text = store.host.files.read(journalOf(machine))
  if (!text) return
  const journal = parseJournal(text.toString(), journalOf(machine))
  const all = generations(store)
  const [from, to] = [journal.from, journal.to].map(wanted =>
    all.find(({ number }) => number === wanted),
  )
  const current = currentGeneration(store).number
  if (!from || !to || (current !== from.number && current !== to.number)) return forget(machine)
  const { isNew } = journal
  if (current === from.number) return restore(machine, { from, to, isNew })
  options.report({
    type: 'warning',
    message: `completing the interrupted change to generation ${to.number}`,
  })
  try {
    await settle(machine, { from, to }, options)
  } catch (error) {
    await undo(machine, { from, to, isNew })
    throw error
  }
  await forget(machine)
}

async function forget(machine: Machine): Promise<void> {
  const { files } = machine.store.host
  files.unlink(journalOf(machine))
  await files.sync(dirname(journalOf(machine)))
}

/** Of packages that are new in the generation, in their order there. */
async function runScripts(
  machine: Machine,
  when: When,
  { from, to }: { from: Generation; to: Generation },
  { report }: TransitionOptions,
): Promise<void> {
  const before = new Set(installedIn(machine.store, from.path).map(({ path }) => path))
  const isNew = ({ path }: InstalledPackage): boolean => !before.has(path)
  for (const found of installedIn(machine.store, to.path).filter(isNew)) {
    const onLine = (line: string): void =>
      report({ type: 'warning', message: `${found.name}: ${line}` })
    await runInstallScript(machine, when, { package: found, onLine })
  }
}

function parseJournal(text: string, at: string): Journal {
  try {
    const { from, to, isNew } = JSON.parse(text)
    if (Number.isInteger(from) && Number.isInteger(to) && typeof isNew === 'boolean') {
      return { from, to, isNew }
    }
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
  }
  throw new MixosError('PACKAGE_INVALID', `${at} was not written by this version of mix`, {
    hint: 'nothing was changed; the program that wrote it completes the change',
  })
}
