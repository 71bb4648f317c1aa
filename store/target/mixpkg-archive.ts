import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { createGunzip } from 'node:zlib'
import { MixosError } from '../../graph/error.ts'
import {
  FILES,
  isLinkAllowed,
  METADATA,
  type MixpkgMetadata,
  parseMixpkgMetadata,
  SCRIPT_NAMES,
  SCRIPTS,
  scriptPath,
} from '../../graph/mixpkg.ts'
import { readTar, type TarHeader, type TarLimits, type TarReader } from '../archives/tar-read.ts'
import type { Host } from '../host.ts'

const METADATA_LIMIT = 16 << 20
const SCRIPT_LIMIT = 1 << 20
const AGAIN = 'get the file again from where it was made'

export interface Unpacking {
  readonly directory: string
  readonly limits: TarLimits
  readonly signal: AbortSignal
}

/**
 * Unpacks a `.mixpkg` file into a directory that does not exist yet. Throws PACKAGE_INVALID unless every
 * entry is in its place, and its checksum, the list of its files and its scripts are what its metadata says.
 */
export async function unpackMixpkg(
  host: Host,
  file: string,
  { directory, limits, signal }: Unpacking,
): Promise<MixpkgMetadata> {
  const refuse = refuser(file)
  const hasher = createHash('sha256')
  let isBehind = false
  const tar = readTar(decompressed(host, file, signal), {
    label: file,
    limits,
    onBytes: bytes => {
      if (isBehind) hasher.update(bytes)
    },
  })
  const first = await tar.next()
  if (first?.path !== METADATA || first.type !== 'file')
    throw refuse(
      `its first entry is ${first ? JSON.stringify(first.path) : 'missing'}, not ${METADATA}`,
    )
  const text = await textOf(tar, first, { limit: METADATA_LIMIT, refuse })
  isBehind = true
  const metadata = parseMixpkgMetadata(text.toString(), `${file}: ${METADATA}`)
  const scripts = await unpackRest(host, tar, { metadata, directory, refuse })
  const checksum = `sha256:${hasher.digest('hex')}`
  if (checksum !== metadata.checksum)
    throw refuse(`checksum is ${checksum}, its metadata says ${metadata.checksum}`)
  for (const script of SCRIPT_NAMES) {
    const path = scriptPath(metadata.name, script)
    const own = metadata.files.includes(path) ? host.files.read(join(directory, path)) : undefined
    const shown = scripts.get(`${SCRIPTS}/${script}`)
    if (own === undefined ? shown !== undefined : !shown?.equals(own))
      throw refuse(`${SCRIPTS}/${script} and ${FILES}/${path} are not the same`)
  }
  return metadata
}

export type Refuse = (what: string, hint?: string) => MixosError

/** Makes the error for a package from this file. */
export const refuser =
  (file: string): Refuse =>
  (what, hint = AGAIN) =>
    new MixosError('PACKAGE_INVALID', `${file}: ${what}`, { hint })

interface Rest {
  readonly metadata: MixpkgMetadata
  readonly directory: string
  readonly refuse: Refuse
}

/** Every entry in its place, and each that the metadata lists; returns the scripts. */
async function unpackRest(
  host: Host,
  tar: TarReader,
  { metadata, directory, refuse }: Rest,
): Promise<ReadonlyMap<string, Buffer>> {
  const { files } = host
  const objects = [metadata.storePath, ...metadata.references]
  const listed = metadata.files[Symbol.iterator]()
  const directories = new Set<string>()
  const scripts = new Map<string, Buffer>()
  for (;;) {
    const entry = await tar.next()
    if (!entry) break
    const { path, type, target } = entry
    const parent = path.slice(0, Math.max(0, path.lastIndexOf('/')))
    if (parent !== '' && !directories.has(parent))
      throw refuse(`entry ${JSON.stringify(path)} comes before its directory`)
    if (type === 'directory') directories.add(path)
    if (path.startsWith(`${FILES}/`)) {
      const inside = path.slice(FILES.length + 1)
      const expected = listed.next().value
      if (expected !== inside)
        throw refuse(
          expected === undefined
            ? `${path} is not among the files of its metadata`
            : `${path} is where its metadata has ${FILES}/${expected}`,
        )
      if (type === 'symlink' && !isLinkAllowed({ path: inside, target }, objects))
        throw refuse(
          `entry ${JSON.stringify(path)} links to ${JSON.stringify(target)}, out of the package`,
        )
    } else if (SCRIPT_NAMES.some(name => path === `${SCRIPTS}/${name}`) && type === 'file') {
      scripts.set(path, await textOf(tar, entry, { limit: SCRIPT_LIMIT, refuse }))
      continue
    } else if (!(type === 'directory' && (path === FILES || path === SCRIPTS)))
      throw refuse(`entry ${JSON.stringify(path)} does not belong in a package`)
    if (path === SCRIPTS) continue
    await place(tar, { entry, at: join(directory, path.slice(FILES.length)) })
  }
  if (!directories.has(FILES)) throw refuse(`it has no ${FILES}/`)
  const left = listed.next()
  if (!left.done) throw refuse(`${FILES}/${left.value} is missing, which its metadata lists`)
  return scripts

  async function place(
    from: TarReader,
    { entry, at }: { entry: TarHeader; at: string },
  ): Promise<void> {
    if (entry.type === 'directory') return files.makeDirectory(at)
    if (entry.type === 'symlink') return files.symlink(entry.target, at)
    const fd = files.open(at, 'create')
    try {
      for await (const bytes of from.content()) files.writeFrom(fd, bytes)
    } finally {
      files.close(fd)
    }
    files.changeMode(at, entry.executable ? 0o755 : 0o644)
  }
}

async function textOf(
  tar: TarReader,
  { path, size }: TarHeader,
  { limit, refuse }: { limit: number; refuse: Refuse },
): Promise<Buffer> {
  if (size > limit) throw refuse(`${path} has ${size} bytes, not at most ${limit}`)
  const chunks: Buffer[] = []
  for await (const bytes of tar.content()) chunks.push(Buffer.from(bytes))
  return Buffer.concat(chunks)
}

async function* decompressed(
  host: Host,
  file: string,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const source = Readable.from(chunksOf(host, file))
  const gunzip = createGunzip()
  source.on('error', error => gunzip.destroy(error))
  try {
    for await (const chunk of source.pipe(gunzip)) {
      signal.throwIfAborted()
      yield chunk
    }
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException
    if (!code.startsWith('Z_')) throw error
    throw refuser(file)('it is not a gzipped file, or it is damaged')
  } finally {
    source.destroy()
    gunzip.destroy()
  }
}

const CHUNK = 256 << 10

function* chunksOf({ files }: Host, file: string): Generator<Buffer> {
  const fd = files.open(file, 'read')
  try {
    for (;;) {
      const buffer = Buffer.allocUnsafe(CHUNK)
      const count = files.readInto(fd, buffer)
      if (count === 0) return
      yield buffer.subarray(0, count)
    }
  } finally {
    files.close(fd)
  }
}
