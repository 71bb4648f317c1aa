import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { xz } from '@napi-rs/lzma'
import { createCleartextMessage, generateKey, type PrivateKey, readPrivateKey, sign } from 'openpgp'
import { debOf } from './deb.ts'

export interface Key {
  readonly fingerprint: string
  readonly key: PrivateKey
}

/** A key that signs with a subkey, as Debian's do. */
export async function makeKey(): Promise<Key> {
  const { privateKey } = await generateKey({
    userIDs: [{ name: 'Test', email: 'test@archive.example' }],
    subkeys: [{ sign: true }],
    date: new Date(MADE - 86_400_000),
    format: 'armored',
  })
  const key = await readPrivateKey({ armoredKey: privateKey })
  return { key, fingerprint: key.getFingerprint().toUpperCase() }
}

/** When the archives of these tests are made. */
export const MADE = Date.parse('2026-03-04T05:06:07Z')

export interface ArchiveSpec {
  readonly signers: readonly Key[]
  /** In the key ring; the signers by default. */
  readonly keys?: readonly Key[]
  /** Fields by package. Its content is made up. */
  readonly packages: Readonly<Record<string, Readonly<Record<string, string>>>>
  readonly sources?: Readonly<
    Record<string, { version: string; files: Readonly<Record<string, string>> }>
  >
  readonly date?: number
  readonly release?: Readonly<Record<string, string>>
  /** Changes the signed text after signing. */
  readonly tamper?: (text: string) => string
}

/** Writes a Debian archive of suite `trixie` into a directory and returns its URL. */
export async function writeArchive(directory: string, spec: ArchiveSpec): Promise<string> {
  const { signers, keys = signers, sources = {}, date = MADE, tamper = text => text } = spec
  const write = (path: string, bytes: Buffer): void => {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), bytes)
  }
  const ring = Buffer.concat(keys.map(({ key }) => Buffer.from(key.toPublic().write())))
  const keyRing = await debOf([{ name: `./usr/share/keyrings/${KEY_RING}.pgp`, content: ring }])
  const debs = [
    ...Object.entries(spec.packages).map(([name, fields]) => ({
      name,
      fields,
      bytes: Buffer.from(name),
    })),
    { name: KEY_RING, fields: {}, bytes: keyRing },
  ]
  for (const deb of debs) write(debPath(deb), deb.bytes)
  const origs = Object.entries(sources).flatMap(([name, { files }]) =>
    Object.entries(files).map(([file, text]) => ({ path: `${poolOf(name)}/${file}`, text })),
  )
  for (const { path, text } of origs) write(path, Buffer.from(text))
  const indices = {
    'main/binary-amd64/Packages.xz': xz.compressSync(debs.map(packageStanza).join('\n')),
    'main/source/Sources.xz': xz.compressSync(Object.entries(sources).map(sourceStanza).join('\n')),
  }
  for (const [path, bytes] of Object.entries(indices)) write(`dists/trixie/${path}`, bytes)
  const fields = { Codename: 'trixie', Date: new Date(date).toUTCString(), ...spec.release }
  const text = `${lines(fields)}SHA256:\n${Object.entries(indices).map(checksumLine).join('')}`
  write('dists/trixie/InRelease', Buffer.from(tamper(await signed(text, { signers, date }))))
  return pathToFileURL(directory).href
}

const KEY_RING = 'debian-archive-keyring'

/** Where Debian has what is made from a source: by the first letter of its name. */
const poolOf = (source: string): string =>
  `pool/main/${source.slice(0, source.startsWith('lib') ? 4 : 1)}/${source}`

const debPath = ({ name, fields: { Version = '1' } }: Deb): string =>
  `${poolOf(name)}/${name}_${Version.replace(/^\d+:/, '')}_all.deb`

async function signed(
  text: string,
  { signers, date }: { signers: readonly Key[]; date: number },
): Promise<string> {
  const message = await createCleartextMessage({ text })
  return (await sign({
    message,
    signingKeys: signers.map(({ key }) => key),
    date: new Date(date),
  })) as string
}

interface Deb {
  readonly name: string
  readonly fields: Readonly<Record<string, string>>
  readonly bytes: Buffer
}

function packageStanza(deb: Deb): string {
  const { name, fields, bytes } = deb
  const own = { Filename: debPath(deb), Size: String(bytes.length), SHA256: digest(bytes) }
  return lines({ Package: name, Version: '1', ...fields, ...own })
}

type SourceSpec = NonNullable<ArchiveSpec['sources']>[string]

function sourceStanza([name, { version, files }]: [string, SourceSpec]): string {
  const sums = Object.entries(files).map(([file, text]) => checksumLine([file, Buffer.from(text)]))
  const fields = { Package: name, Version: version, Directory: poolOf(name) }
  return `${lines(fields)}Checksums-Sha256:\n${sums.join('')}`
}

const checksumLine = ([name, bytes]: [string, Buffer]): string =>
  ` ${digest(bytes)} ${bytes.length} ${name}\n`

const lines = (fields: Readonly<Record<string, string>>): string =>
  Object.entries(fields)
    .map(([name, value]) => `${name}: ${value}\n`)
    .join('')

const digest = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
