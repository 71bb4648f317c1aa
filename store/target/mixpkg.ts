import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { MixosError } from '../../graph/error.ts'
import { FILES, METADATA, type MixpkgMetadata } from '../../graph/mixpkg.ts'
import {
  type PackageInfo,
  packageInfoPath,
  parseJson,
  parsePackageInfo,
} from '../../graph/package-info.ts'
import { escaped } from '../../graph/shown.ts'
import { digestOfPath, labelOfPath, type StorePath } from '../../graph/store-path.ts'
import type { TarLimits } from '../archives/tar-read.ts'
import { removeTree } from '../disk/remove.ts'
import type { Host } from '../host.ts'
import type { Store } from '../store.ts'
import { asStoreError } from '../store-error.ts'
import { refuser, unpackMixpkg } from './mixpkg-archive.ts'

/** A package from a file, checked and unpacked, but not in the store yet. */
export interface Mixpkg {
  readonly metadata: MixpkgMetadata
  /** What it refers to that is not in the store. */
  missing(): StorePath[]
  /** Puts it into the store, durably. Throws OBJECT_UNKNOWN where something is missing. */
  add(): Promise<StorePath>
  discard(): void
}

export interface MixpkgOptions {
  readonly signal: AbortSignal
  readonly limits?: TarLimits
}

const ENTRIES = 200_000
/** Programs do not become that much smaller; zeros do, a thousand times. */
const RATIO = 100
const SMALL = 64 << 20
const LARGEST = 4 * 2 ** 30

/**
 * Reads a `.mixpkg` file from anywhere into a private directory of the store. Throws PACKAGE_INVALID, naming what is
 * wrong, unless it is in every respect what `mixos realize NAME.mixpkg` makes: see `readTar`, and the format in
 * README.md. Nothing of it is then left.
 */
export async function openMixpkg(
  store: Store,
  file: string,
  { signal, limits }: MixpkgOptions,
): Promise<Mixpkg> {
  const { host } = store
  // What `mixos realize` links at artifacts/ is one too.
  const path = host.files.realPath(file) ?? file
  const size = sizeOf(host, file, path)
  const scratch = store.scratch()
  const discard = (): void => removeTree(host, scratch)
  try {
    const bytes = Math.min(LARGEST, Math.max(SMALL, size * RATIO))
    const directory = join(scratch, FILES)
    const metadata = await unpackMixpkg(host, path, {
      directory,
      limits: limits ?? { entries: ENTRIES, bytes },
      signal,
    })
    checkDescription(host, file, { directory, metadata })
    const { references } = metadata
    const missing = (): StorePath[] => references.filter(path => !store.has(path))
    return {
      metadata,
      missing,
      discard,
      add: async () => {
        const [absent] = missing()
        if (absent !== undefined) throw missingReferences(file, metadata.name, missing())
        return addTo(store, file, { directory, metadata })
      },
    }
  } catch (error) {
    discard()
    throw asStoreError(error, store.directory)
  }
}

function sizeOf({ files }: Host, file: string, path: string): number {
  const stats = files.lstat(path)
  if (stats?.isFile()) return stats.size
  throw new MixosError(
    'FILE_UNAVAILABLE',
    stats ? `${file} is not a file` : `there is no file ${file}`,
    { hint: 'name a file that mixos realize NAME.mixpkg made' },
  )
}

interface Unpacked {
  readonly directory: string
  readonly metadata: MixpkgMetadata
}

/** The metadata is what people see; its own description is what the package is installed by. */
function checkDescription(host: Host, file: string, { directory, metadata }: Unpacked): void {
  const path = packageInfoPath(metadata.name)
  const source = `${file}: ${FILES}/${path}`
  if (!metadata.files.includes(path)) throw refuser(file)(`${FILES}/${path} is missing`)
  const text = host.files.read(join(directory, path))?.toString() ?? ''
  const own = parsePackageInfo(parseJson(text, source), source)
  for (const field of Object.keys(own) as (keyof PackageInfo)[]) {
    if (!isDeepStrictEqual(own[field], metadata[field]))
      throw refuser(file)(
        `${field} is ${textOf(metadata[field])} in ${METADATA} and ${textOf(own[field])} in ${FILES}/${path}`,
      )
  }
  // Of a link, the user's copy would be of whatever it leads to.
  for (const config of own.config) {
    if (!host.files.lstat(join(directory, 'etc', config))?.isFile())
      throw refuser(file)(`config has ${config}, and there is no file ${FILES}/etc/${config}`)
  }
}

const textOf = (value: unknown): string => escaped(JSON.stringify(value) ?? 'nothing')

async function addTo(
  store: Store,
  file: string,
  { directory, metadata }: Unpacked,
): Promise<StorePath> {
  const { storePath, objectHash, references } = metadata
  const prepared = store.prepare({
    source: directory,
    label: labelOfPath(storePath),
    self: digestOfPath(storePath),
    candidates: new Map(references.map(path => [digestOfPath(path), path])),
    maker: file,
  })
  if (prepared.path === storePath && isDeepStrictEqual(prepared.references, references)) {
    await prepared.commit()
    return prepared.path
  }
  prepared.discard()
  throw refuser(file)(
    prepared.path === storePath
      ? `its files refer to ${prepared.references.join(', ') || 'nothing'}, its metadata says ${references.join(', ')}`
      : `its files are the object ${prepared.path}, its metadata says ${storePath} (objectHash ${objectHash})`,
  )
}

function missingReferences(file: string, name: string, missing: readonly StorePath[]): MixosError {
  return new MixosError(
    'OBJECT_UNKNOWN',
    `${file}: ${name} needs ${missing.join(', ')}, which ${missing.length === 1 ? 'is' : 'are'} neither in the package nor in the store`,
    {
      hint: 'install from a repository that has them, or install the packages that bring them first',
    },
  )
}
