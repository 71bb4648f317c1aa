import { join } from 'node:path'
import { command } from 'cmd-ts'
import { pins as wanted } from '../../configs/pins.ts'
import type { Pin } from '../../graph/lock.ts'
import type { Change, SeedChange } from '../../store/pins/lock-changes.ts'
import type { Update } from '../../store/pins/lock-update.ts'
import { problemsOf } from '../../store/pins/lock-wanted.ts'
import { jsonFlag, names } from '../args.ts'
import { type Context, openHome } from '../context.ts'
import { plural } from '../format.ts'
import { group } from '../group.ts'
import { readLock } from '../recipes.ts'
import type { Answer } from '../report.ts'

export function lock(context: Context) {
  return group({
    name: 'lock',
    description: 'look after flake-free.lock, the hashes of everything from outside',
    cmds: { check: check(context), update: update(context) },
    examples: [
      { description: 'does it match configs/pins.ts?', command: 'mixos lock check' },
      { description: 'take what upstream has now', command: 'mixos lock update' },
      { description: 'the same for one source', command: 'mixos lock update linux' },
    ],
  })
}

function check(context: Context) {
  return command({
    name: 'check',
    description: 'compare flake-free.lock with configs/pins.ts, without the network',
    args: { json: jsonFlag },
    examples: [{ description: 'is anything missing?', command: 'mixos lock check' }],
    handler: async (): Promise<Answer> => {
      const lock = readLock(context)
      const problems = problemsOf(lock, wanted).map(({ text }) => text)
      const result =
        problems.length === 0
          ? `${plural(Object.keys(lock.pins).length, 'pin')}: all is as wanted`
          : `${plural(problems.length, 'difference')}; bring it up to date with: mixos lock update`
      return {
        text: [...problems, result].join('\n'),
        record: { problems },
        isFailure: problems.length > 0,
      }
    },
  })
}

function update(context: Context) {
  return command({
    name: 'update',
    description: 'resolve pins anew and write flake-free.lock',
    args: {
      names: names('sources, seeds or packages (default: everything)'),
      json: jsonFlag,
    },
    examples: [
      { description: 'everything', command: 'mixos lock update' },
      { description: 'one source and one seed', command: 'mixos lock update linux qemu' },
    ],
    handler: async ({ names }): Promise<Answer> => {
      const { changes, seedChanges } = await writeUpdated(context, names)
      const lines = [...changes.map(lineOf), ...seedChanges.map(lineOfSeed)]
      const result = lines.length === 0 ? 'nothing changed' : plural(lines.length, 'change')
      return {
        text: [...lines, result].join('\n'),
        record: {
          changes: Object.fromEntries(changes.map(recordOf)),
          seeds: Object.fromEntries(seedChanges.map(recordOfSeed)),
        },
      }
    },
  })
}

async function writeUpdated(context: Context, names: readonly string[]): Promise<Update> {
  const { signal, report, project } = context
  const [store, { updateLock }, { machineMirrors }, { writeDurably }, { usingStore }] =
    await Promise.all([
      openHome(context),
      import('../../store/pins/lock-update.ts'),
      import('../../store/fetch/mirrors.ts'),
      import('../../store/disk/write.ts'),
      import('../../store/using-store.ts'),
    ])
  const { host, layout } = store
  const path = join(project, 'flake-free.lock')
  return usingStore(store, context, async () => {
    const lockText = host.files.read(path)?.toString()
    const updated = await updateLock({
      host,
      lockText,
      wanted,
      names,
      mirrors: machineMirrors(host, context.environment, report),
      scratch: layout.scratch,
      signal,
      report,
    })
    if (updated.text !== lockText) {
      await writeDurably(host, { path, data: updated.text, scratch: project })
    }
    return updated
  })
}

/** `+ new 1.0`, `- old 1.0` or `  changed 1.0 -> 1.1`. */
function lineOf({ name, before, after }: Change): string {
  if (!before) return `+ ${name} ${after?.version}`
  if (!after) return `- ${name} ${before.version}`
  if (before.version !== after.version) return `  ${name} ${before.version} -> ${after.version}`
  return `  ${name} ${before.version}, with another ${differing(before, after).join(' and ')}`
}

function differing(before: Pin, after: Pin): string[] {
  const [sameHash, sameUrls] = [before.hash === after.hash, `${before.urls}` === `${after.urls}`]
  return [...(sameHash ? [] : ['hash']), ...(sameUrls ? [] : ['address'])]
}

function recordOf({ name, before, after }: Change) {
  return [name, { before: before?.version ?? null, after: after?.version ?? null }] as const
}

/** `+ seed new`, `- seed old` or `  seed changed: + debian/came - debian/went`. */
function lineOfSeed(change: SeedChange): string {
  if (!change.before) return `+ seed ${change.name}`
  if (!change.after) return `- seed ${change.name}`
  const { added, removed } = movedBy(change)
  const moved = [...added.map(pin => `+ ${pin}`), ...removed.map(pin => `- ${pin}`)]
  return `  seed ${change.name}: ${moved.length === 0 ? 'in another order' : moved.join(' ')}`
}

function recordOfSeed(change: SeedChange) {
  return [change.name, movedBy(change)] as const
}

function movedBy({ before = [], after = [] }: SeedChange) {
  return {
    added: after.filter(pin => !before.includes(pin)),
    removed: before.filter(pin => !after.includes(pin)),
  }
}
