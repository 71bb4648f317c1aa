import { type FileHandle, open, rename } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { isTargetPackage } from '../derivations/build-support/target-package.ts'
import type { Derivation } from '../graph/derivation.ts'
import { MixosError } from '../graph/error.ts'
import type { Host } from '../store/host.ts'
import type { Image } from './qemu.ts'

interface Wanted {
  /** What the user calls it. */
  readonly name: string
  /** Host path of the object. */
  readonly path: string
  /** A file of the user's, which becomes a copy of it where it is not there. */
  readonly keep: string | undefined
}

/** What a machine can start from. Throws OBJECT_INVALID for anything else. */
export async function imageFrom(host: Host, { name, path, keep }: Wanted): Promise<Image> {
  const file = imageAt(host, { name, path })
  const medium = mediumOf(host, file)
  if (!medium) throw notAnImage(name, `${file} is no CD and no disk`)
  if (keep === undefined) return { path: file, medium, isKept: false }
  if (medium === 'cd') throw keptCd(name)
  if (!host.files.lstat(keep)) {
    const copy = `${keep}.${host.randomHex(8)}`
    try {
      await copySparsely(file, copy)
      await rename(copy, keep)
    } catch (error) {
      host.files.unlink(copy)
      throw error
    }
  }
  return { path: keep, medium, isKept: true }
}

/** Throws OBJECT_INVALID or FILE_UNAVAILABLE for what can be told before anything is realized: an image may take an hour. */
export function refuseHopeless(
  host: Host,
  drv: Derivation,
  { name, keep }: Omit<Wanted, 'path'>,
): void {
  if (isTargetPackage(drv)) throw notAnImage(name, 'it is a package to be installed on one')
  if (keep === undefined) return
  if (drv.name.endsWith('.iso')) throw keptCd(name)
  const parent = dirname(keep)
  if (host.files.lstat(host.files.realPath(parent) ?? parent)?.isDirectory()) return
  throw new MixosError('FILE_UNAVAILABLE', `--keep ${keep}: there is no directory ${parent}`, {
    hint: `make it: mkdir -p ${parent}`,
  })
}

const keptCd = (name: string) =>
  new MixosError('OBJECT_INVALID', `--keep is for a disk, and ${name} is a CD`, {
    hint: 'try: mixos boot disk --keep FILE',
  })

const CHUNK = 1 << 20

/** Most of a disk is empty: what is zero is not written, so it takes no space. */
async function copySparsely(from: string, to: string): Promise<void> {
  await using source = await open(from, 'r')
  await using target = await open(to, 'wx', 0o600)
  const { size } = await source.stat()
  const [chunk, zeros] = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)]
  for (let position = 0; position < size; ) {
    const { bytesRead } = await source.read(chunk, 0, CHUNK, position)
    const bytes = chunk.subarray(0, bytesRead)
    if (bytesRead === 0) throw new Error(`${from} has ${position} bytes, expected ${size}`)
    if (!bytes.equals(zeros.subarray(0, bytesRead))) await writeAll(target, bytes, position)
    position += bytesRead
  }
  await target.truncate(size)
  await target.sync()
}

async function writeAll(target: FileHandle, bytes: Buffer, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    done += (await target.write(bytes, done, bytes.length - done, position + done)).bytesWritten
  }
}

/** The object, or the only image in it. */
function imageAt({ files }: Host, { name, path }: Pick<Wanted, 'name' | 'path'>): string {
  if (files.lstat(path)?.isFile()) return path
  const images = files.lstat(path)?.isDirectory()
    ? files.list(path).filter(entry => entry.endsWith('.iso'))
    : []
  const [image] = images
  if (image !== undefined && images.length === 1) return join(path, image)
  throw notAnImage(name, `${path} is not a file and holds no single .iso`)
}

// ECMA-119, section 8.1: the first volume descriptor. UEFI,
// section 5.3.2: the header of a GPT, which an ISO may have too.
const SIGNATURES = [
  ['cd', 0x8001, 'CD001'],
  ['disk', 0x200, 'EFI PART'],
] as const

function mediumOf({ files }: Host, path: string): Image['medium'] | undefined {
  const fd = files.open(path, 'read')
  try {
    const found = SIGNATURES.find(([, position, text]) => {
      const bytes = Buffer.alloc(text.length)
      files.readAt(fd, bytes, position)
      return bytes.toString('latin1') === text
    })
    return found?.[0]
  } finally {
    files.close(fd)
  }
}

const notAnImage = (name: string, why: string) =>
  new MixosError('OBJECT_INVALID', `${name} is not an image: ${why}`, {
    hint: 'try: mixos boot iso',
  })
