import { flag } from 'cmd-ts'
import { MixosError } from '../../graph/error.ts'
import { currentGeneration } from '../../store/target/generations.ts'
import { installedIn } from '../../store/target/installed.ts'
import { ownPackage } from '../../store/target/mix-itself.ts'
import { missingOf, perform, refuseSharedFiles } from '../../store/target/perform-change.ts'
import {
  type Candidate,
  type Change,
  describeChange,
  isEmpty,
  planChange,
  type Wish,
} from '../../store/target/plan-change.ts'
import { followServices } from '../../store/target/service-changes.ts'
import { usingStore } from '../../store/using-store.ts'
import { jsonFlag } from '../args.ts'
import { bytes, plural, sum } from '../format.ts'
import type { Answer } from '../report.ts'
import type { MixContext } from './context.ts'
import { madeBy, openMachine, systemNow } from './machine.ts'
import { offeredBy, sizesOf, storagesOf } from './offered.ts'

/** The flags of every command that changes the system. */
export const changeFlags = {
  dryRun: flag({ long: 'dry-run', description: 'print what would be done, and do nothing' }),
  yes: flag({ long: 'yes', short: 'y', description: 'do not ask' }),
  json: jsonFlag,
}

export interface ChangeOptions {
  readonly dryRun: boolean
  readonly yes: boolean
  /** Packages come from files, which are unpacked in the store even for a dry run. */
  readonly hasFiles?: boolean
}

export interface Wanted {
  readonly wish: Wish
  /** Packages from files. */
  readonly local?: readonly Candidate[]
}

/**
 * Plans, shows the plan, asks, and does it; all of it again where somebody else has changed the system meanwhile. What
 * `want` puts into the store is safe from collection until then, as is what is fetched.
 */
export async function change(
  context: MixContext,
  want: () => Promise<Wanted>,
  flags: ChangeOptions,
): Promise<Answer> {
  const { store } = openMachine(context)
  const changeIt = async (): Promise<Answer> => {
    const wanted = await want()
    for (;;) {
      try {
        return await changeOnce(context, wanted, flags)
      } catch (error) {
        if (!(error instanceof MixosError && error.code === 'SYSTEM_CHANGED')) throw error
        context.report({ type: 'warning', message: `${error.message}: planning again` })
      }
    }
  }
  // To look is for everybody, and nobody has to wait for it.
  const isLook = flags.dryRun && !flags.hasFiles
  return isLook ? changeIt() : usingStore(store, context, changeIt)
}

async function changeOnce(
  context: MixContext,
  { wish, local = [] }: Wanted,
  flags: ChangeOptions,
): Promise<Answer> {
  const { report, signal } = context
  const machine = openMachine(context)
  const { number: onto, path } = currentGeneration(machine.store)
  const now = installedIn(machine.store, path)
  const offered = await offeredBy(context)
  const planned = planChange(wish, {
    installed: now,
    own: ownPackage(machine.store),
    offered,
    local,
  })
  const before = now.filter(({ isRequested }) => isRequested)
  const isRecorded = planned.requested.every(name => before.some(one => one.name === name))
  if (isEmpty(planned) && isRecorded && planned.requested.length === before.length) {
    return { text: 'nothing to do', record: recordOf(planned) }
  }
  refuseSharedFiles(machine.store, planned)
  const missing = missingOf(machine.store, planned)
  const sizes = sizesOf(offered)
  const size = sum(missing.map(path => sizes.get(path)?.download ?? 0))
  const space = sum(missing.map(path => sizes.get(path)?.size ?? 0))
  const objects = plural(missing.length, 'object')
  const summary = `${objects} to fetch: at most ${bytes(size)}, ${bytes(space)} on disk`
  const lines = describeChange(planned)
  const shown = missing.length > 0 ? [...lines, summary] : lines
  const toFetch = { objects: missing.length, download: size, size: space }
  if (flags.dryRun) return { text: shown.join('\n'), record: { ...recordOf(planned), toFetch } }
  if (!flags.yes) await context.confirm(shown)
  const storages = storagesOf(context, offered)
  let came = 0
  if (size > 0) report({ type: 'fetched', bytes: 0, total: size })
  try {
    const generation = await perform(machine, planned, {
      report,
      signal,
      made: madeBy(context),
      onto,
      storageOf: storages.of,
      onBytes: count => {
        came += count
        report({ type: 'fetched', bytes: came, total: size })
      },
      onFetched: () => report({ type: 'switching' }),
    })
    await followServices(machine, { before: now, after: systemNow(machine), report, signal })
    return {
      text: [...lines, `generation ${generation.number} is current; fetched ${bytes(came)}`].join(
        '\n',
      ),
      record: { ...recordOf(planned), generation: generation.number, bytes: came },
    }
  } finally {
    await storages.close()
  }
}

function recordOf({ added, removed, replaced }: Change): object {
  const named = ({ name, version }: { readonly name: string; readonly version: string }) => ({
    name,
    version,
  })
  return {
    added: added.map(named),
    removed: removed.map(named),
    replaced: replaced.map(({ from, to }) => ({
      name: to.name,
      from: from.version,
      to: to.version,
    })),
  }
}
