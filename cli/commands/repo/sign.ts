import { join } from 'node:path'
import { array, command, flag, multioption } from 'cmd-ts'
import type { Derivation } from '../../../graph/derivation.ts'
import { MixosError } from '../../../graph/error.ts'
import type { PackageSet } from '../../../graph/package-set.ts'
import { absolute as absoluteInStore, type StorePath } from '../../../graph/store-path.ts'
import { TIMESTAMP } from '../../../store/repository/layout.ts'
import { schemeOf } from '../../../store/scheme.ts'
import type { Store } from '../../../store/store.ts'
import {
  badArgument,
  countType,
  fileOption,
  jsonFlag,
  MOST_DAYS,
  names,
  optional,
  Path,
  pathOption,
  required,
} from '../../args.ts'
import { absolute, type Context, openHome } from '../../context.ts'
import { bytes, plural } from '../../format.ts'
import { loadPackages, namedPackages, realizeCommand } from '../../recipes.ts'
import type { Answer } from '../../report.ts'
import { repositoryKeysDirectory } from '../../repository-keys.ts'

export function sign(context: Context) {
  return command({
    name: 'sign',
    description: 'put realized packages into a repository, and sign its index anew',
    args: {
      names: names('the packages; none: sign again what it offers'),
      all: flag({ long: 'all', description: 'all packages for running systems' }),
      to: required({
        long: 'to',
        type: { ...Path, displayName: 'directory' },
        description: "the repository's directory",
      }),
      only: flag({
        long: 'only',
        description: 'offer nothing else any more (default: add to what it offers)',
      }),
      days: optional({
        long: 'days',
        type: countType('n', { most: MOST_DAYS }),
        description: 'how long clients accept the index, such as 3650 for a medium (default: 14)',
      }),
      keys: pathOption('keys', 'the directory of the keys (default: among the settings)'),
      oldRootKeys: multioption({
        long: 'old-root-key',
        type: array({ ...Path, displayName: 'file' }),
        description: 'also sign with this root key, which clients still believe; can be repeated',
      }),
      file: fileOption,
      json: jsonFlag,
    },
    examples: [
      { description: 'offer a package', command: 'mixos repo sign openssh --to /srv/packages' },
      {
        description: 'offer all packages, and nothing else',
        command: 'mixos repo sign --all --only --to /srv/packages',
      },
      {
        description: 'keep clients from taking it for stale: once a week',
        command: 'mixos repo sign --to /srv/packages',
      },
      {
        description: 'for an installation medium',
        command: 'mixos repo sign openssh --to medium/packages --days 3650',
      },
    ],
    handler: args => run(context, args),
  })
}

interface Args {
  readonly names: string[]
  readonly all: boolean
  readonly to: string
  readonly only: boolean
  readonly days: number | undefined
  readonly keys: string | undefined
  readonly oldRootKeys: string[]
  readonly file: string | undefined
}

async function run(context: Context, args: Args): Promise<Answer> {
  const { signal, report } = context
  const [{ publish }, { readRepositoryKeys }, { readSecretKey }, { usingStore }] =
    await Promise.all([
      import('../../../store/repository/publish.ts'),
      import('../../../store/repository/keys.ts'),
      import('../../../store/cache/keys.ts'),
      import('../../../store/using-store.ts'),
    ])
  checkArguments(args)
  const named = await chosen(context, args)
  const store = await openHome(context)
  const { host } = store
  const directory = absolute(args.to, context.directory)
  if (named.size === 0) checkSomething(store, directory)
  const keys = readKeys()
  const sign = async (): Promise<Answer> => {
    const {
      index,
      versions,
      expires,
      objects,
      bytes: written,
    } = await publish(store, {
      directory,
      packages: await objectsOf(store, named, args),
      keep: !args.only,
      keys,
      now: host.now(),
      ...(args.days !== undefined && { lifetimes: lifetimesOf(args.days) }),
      signal,
      report,
    })
    const until = new Date(expires).toISOString().slice(0, 10)
    const text = `${directory} offers ${plural(index.packages.length, 'package')}, version ${versions.timestamp} of the index, until ${until}; wrote ${bytes(written)}`
    const packages = index.packages.map(({ name, version, path }) => ({
      name,
      version,
      path: absoluteInStore(path),
    }))
    return { text, record: { directory, packages, versions, expires, objects, bytes: written } }
  }
  return usingStore(store, context, sign)

  function readKeys() {
    const from = repositoryKeysDirectory(context, args.keys)
    if (!host.files.lstat(from))
      throw new MixosError('KEY_INVALID', `there are no keys in ${from}`, {
        hint: 'make them: mixos repo keygen',
      })
    const keys = readRepositoryKeys(host, from)
    const old = args.oldRootKeys.map(path => readSecretKey(host, absolute(path, context.directory)))
    return { ...keys, root: [...keys.root, ...old] }
  }
}

function checkArguments(args: Args): void {
  if (schemeOf(args.to) !== undefined)
    throw badArgument(
      `--to is a directory of this machine, got ${args.to}`,
      'sign there, and copy the directory to where it is served from',
    )
  if (args.all && args.names.length > 0) throw badArgument('--all and names exclude each other')
  if (args.only && !args.all && args.names.length === 0)
    throw badArgument(
      '--only needs the names of what to offer',
      `name a package: mixos repo sign openssh --only --to ${args.to}`,
    )
}

/** The root's stays: it is replaced by whoever ships the system. */
function lifetimesOf(days: number) {
  return { targets: days, snapshot: days, timestamp: days, root: Math.max(days, 365) }
}

async function chosen(context: Context, args: Args): Promise<ReadonlyMap<string, Derivation>> {
  if (!args.all && args.names.length === 0) return new Map()
  const packages = await loadPackages(context, args)
  if (!args.all) return namedPackages(packages, args.names)
  return namedPackages(packages, await targetPackages(packages))
}

async function targetPackages(packages: PackageSet): Promise<string[]> {
  const { isTargetPackage } = await import('../../../derivations/build-support/target-package.ts')
  const found = packages.names.filter(name => isTargetPackage(packages.get(name)))
  if (found.length > 0) return found
  throw new MixosError('NAME_UNKNOWN', 'no recipe defines a package for running systems')
}

function checkSomething({ host }: Store, directory: string): void {
  if (host.files.lstat(join(directory, TIMESTAMP))) return
  throw new MixosError('REPOSITORY_INVALID', `nothing to sign: ${directory} offers nothing yet`, {
    hint: `name a package: mixos repo sign openssh --to ${directory}`,
  })
}

/** All that are missing are named at once. Realizes nothing: that can take hours. */
async function objectsOf(
  store: Store,
  named: ReadonlyMap<string, Derivation>,
  args: Args,
): Promise<StorePath[]> {
  const { hashDerivation } = await import('../../../graph/hash.ts')
  const missing: string[] = []
  const paths = [...named].flatMap(([name, drv]) => {
    const path = store.trace(hashDerivation(drv))?.outputs[drv.outputs[0] as string]
    if (!path) missing.push(name)
    return path ?? []
  })
  if (missing.length === 0) return paths
  throw new MixosError(
    'OBJECT_UNKNOWN',
    `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not realized`,
    { hint: `first run: ${realizeCommand(missing, args)}` },
  )
}
