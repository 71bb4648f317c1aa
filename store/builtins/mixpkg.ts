import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { createGzip } from 'node:zlib'
import { MixosError } from '../../graph/error.ts'
import { type Entry, SELF_PLACEHOLDER } from '../../graph/manifest.ts'
import {
  FILES,
  formatMixpkgMetadata,
  isLinkAllowed,
  METADATA,
  MIXPKG_FORMAT,
  SCRIPT_NAMES,
  SCRIPTS,
  scriptPath,
} from '../../graph/mixpkg.ts'
import { digestOfPath } from '../../graph/store-path.ts'
import { type TarEntry, tarOf } from '../archives/tar-write.ts'
import type { Host } from '../host.ts'
import type { ObjectRecord } from '../records.ts'
import { packageInfoOf } from '../repository/entries.ts'
import type { Store } from '../store.ts'
import type { Builtin } from './builtin.ts'

/** The input `package` as a gzipped archive: what it is, its files, its scripts. */
export const writeMixpkg: Builtin = async ({ store, inputs, target }) => {
  const record = inputs.package && store.record(inputs.package)
  if (!record)
    throw new MixosError('DERIVATION_INVALID', 'builtin:mixpkg needs an input named package')
  const info = packageInfoOf(store, record.path)
  const entries = [...entriesOf(store, record, info.name)]
  const rest = tarOf(entries)
  const hasher = createHash('sha256')
  for (const chunk of rest) hasher.update(chunk)
  const metadata = Buffer.from(
    formatMixpkgMetadata({
      ...info,
      format: MIXPKG_FORMAT,
      storePath: record.path,
      objectHash: record.hash,
      references: record.manifest.references,
      checksum: `sha256:${hasher.digest('hex')}`,
      files: record.manifest.entries.map(({ path }) => path).filter(path => path !== ''),
    }),
  )
  const { files } = store.host
  const fd = files.open(target, 'create')
  try {
    // Its header holds neither a name nor a time.
    const gzip = createGzip({ level: 9 })
    const archive = Readable.from(concatenated(metadata, tarOf(entries)))
    archive.on('error', error => gzip.destroy(error))
    for await (const chunk of archive.pipe(gzip)) files.writeFrom(fd, chunk)
  } finally {
    files.close(fd)
  }
}

function* concatenated(metadata: Buffer, rest: Iterable<Uint8Array>): Generator<Uint8Array> {
  const content = [metadata]
  const size = metadata.length
  const first = tarOf([{ path: METADATA, type: 'file', executable: false, size, content }])
  const archive = Buffer.concat([...first])
  // Without its end: there is more.
  yield archive.subarray(0, -1024)
  yield* rest
}

function* entriesOf(store: Store, record: ObjectRecord, name: string): Generator<TarEntry> {
  const { host } = store
  const top = store.hostPath(record.path)
  yield { path: FILES, type: 'directory' }
  for (const entry of record.manifest.entries) {
    if (entry.path === '') continue
    const path = `${FILES}/${entry.path}`
    if (entry.type === 'directory') yield { path, type: 'directory' }
    else if (entry.type === 'symlink')
      yield { path, type: 'symlink', target: linkOf(record, entry) }
    else yield { ...fileAt(host, join(top, entry.path), entry), path }
  }
  const scripts = SCRIPT_NAMES.flatMap(script => {
    const entry = record.manifest.entries.find(({ path }) => path === scriptPath(name, script))
    return entry?.type === 'file' ? [{ script, entry }] : []
  })
  if (scripts.length > 0) yield { path: SCRIPTS, type: 'directory' }
  for (const { script, entry } of scripts)
    yield { ...fileAt(host, join(top, entry.path), entry), path: `${SCRIPTS}/${script}` }
}

function linkOf(record: ObjectRecord, entry: Extract<Entry, { readonly type: 'symlink' }>): string {
  const { path, manifest } = record
  const target = entry.target.replaceAll(SELF_PLACEHOLDER, digestOfPath(path))
  if (isLinkAllowed({ path: entry.path, target }, [path, ...manifest.references])) return target
  throw new MixosError(
    'PACKAGE_INVALID',
    `${path}: ${entry.path} links to ${target}, which is not in the package or what it refers to`,
    {
      hint: 'let it link within the package, or make what it links to when the package is installed',
    },
  )
}

const CHUNK = 1 << 20

function fileAt(
  { files }: Host,
  at: string,
  { size, executable }: Extract<Entry, { readonly type: 'file' }>,
): Extract<TarEntry, { type: 'file' }> {
  const content = {
    *[Symbol.iterator]() {
      const fd = files.open(at, 'read')
      try {
        for (;;) {
          const buffer = Buffer.allocUnsafe(Math.min(CHUNK, size + 1))
          const count = files.readInto(fd, buffer)
          if (count === 0) return
          yield buffer.subarray(0, count)
        }
      } finally {
        files.close(fd)
      }
    },
  }
  return { path: at, type: 'file', executable, size, content }
}
