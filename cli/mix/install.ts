import { resolve } from 'node:path'
import { command, restPositionals } from 'cmd-ts'
import { digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { parseRequirement } from '../../graph/version-range.ts'
import { openMixpkg } from '../../store/target/mixpkg.ts'
import { fetchMissing } from '../../store/target/perform-change.ts'
import { type Candidate, candidateOf } from '../../store/target/plan-change.ts'
import { badArgument, PackageName, readArgument } from '../args.ts'
import { change, changeFlags } from './changing.ts'
import type { MixContext } from './context.ts'
import { openMachine } from './machine.ts'
import { objectsOf, offeredBy, storagesOf } from './offered.ts'

export function install(context: MixContext) {
  return command({
    name: 'install',
    description: 'install packages, with all that they need',
    args: {
      ...changeFlags,
      wanted: restPositionals({
        displayName: 'name',
        type: PackageName,
        description:
          'packages, perhaps with versions, as in nginx~1.26, or files, as in ./x.mixpkg',
      }),
    },
    examples: [
      { description: 'a server to log in to', command: 'mix install openssh' },
      { description: 'a file from anywhere', command: 'mix install ./hello.mixpkg' },
      { description: 'what would be installed', command: "mix install --dry-run 'nginx>=1.26'" },
    ],
    handler: async ({ wanted, ...flags }) => {
      if (wanted.length === 0) {
        throw badArgument('nothing to install', 'find packages with: mix search TEXT')
      }
      const isFile = (text: string): boolean => text.endsWith('.mixpkg')
      const names = wanted.filter(text => !isFile(text))
      const named = readArgument(() => names.map(parseRequirement))
      const want = async () => {
        const local = await fromFiles(context, wanted.filter(isFile), flags)
        const those = local.map(({ name, version }) => parseRequirement(`${name}=${version}`))
        return { wish: { install: [...named, ...those] }, local }
      }
      return change(context, want, { ...flags, hasFiles: wanted.some(isFile) })
    },
  })
}

/** Puts the packages of files into the store, where nothing else sees them yet, and what they refer to. */
async function fromFiles(
  context: MixContext,
  paths: readonly string[],
  { dryRun }: { readonly dryRun: boolean },
): Promise<Candidate[]> {
  const { store } = openMachine(context)
  const found: Candidate[] = []
  for (const path of paths) {
    const mixpkg = await openMixpkg(store, resolve(context.directory, path), context)
    try {
      const { metadata, missing } = mixpkg
      const { storePath, references } = metadata
      if (!dryRun) {
        await fetchOffered(context, missing())
        await mixpkg.add()
      }
      const closure = [storePath, ...references]
      found.push(candidateOf({ ...metadata, path: storePath, closure }))
    } finally {
      mixpkg.discard()
    }
  }
  return found
}

/** Fetches those of the objects that a repository offers as a part of some package. */
async function fetchOffered(context: MixContext, paths: readonly StorePath[]): Promise<void> {
  if (paths.length === 0) return
  const offers = await offeredBy(context)
  const objects = objectsOf(offers)
  const known = paths.flatMap(path => objects.get(digestOfPath(path)) ?? [])
  const storages = storagesOf(context, offers)
  try {
    await fetchMissing(openMachine(context).store, known, {
      signal: context.signal,
      storageOf: ({ offer }) => storages.of(offer),
      onBytes: () => undefined,
    })
  } finally {
    await storages.close()
  }
}
