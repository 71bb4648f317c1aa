import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'
import { readAr } from './ar.ts'
import { type Compression, decompress } from './decompress.ts'
import { unpackTar } from './tar.ts'

/** More than any package unpacks to; in bytes. */
const LIMIT = 2 ** 30

const DATA: Readonly<Record<string, Compression>> = {
  'data.tar': 'none',
  'data.tar.gz': 'gz',
  'data.tar.xz': 'xz',
  'data.tar.zst': 'zst',
}

/**
 * Unpacks the files of Debian packages into a directory, in order; their scripts do not run. Throws
 * OBJECT_INVALID, naming the package, for anything that a hostile one could hold (see `unpackTar`).
 */
export async function unpackDeb(
  host: Host,
  debPaths: readonly string[],
  into: string,
): Promise<void> {
  for (const path of debPaths) {
    const bytes = host.files.read(path)
    if (!bytes) throw new MixosError('OBJECT_INVALID', `${path}: there is no such file`)
    const tar = await dataOfDeb(bytes, path)
    await unpackTar(host, tar, { into, label: path, limit: LIMIT })
  }
}

/** The tar archive in a package. A `.deb` is an `ar` archive that holds it compressed. */
export async function dataOfDeb(
  bytes: Buffer,
  label: string,
  limit: number = LIMIT,
): Promise<Buffer> {
  const members = membersOf(bytes, label)
  for (const [name, compression] of Object.entries(DATA)) {
    const member = members.get(name)
    if (member) return await decompress(member, { compression, limit, label: `${label}: ${name}` })
  }
  throw new MixosError('OBJECT_INVALID', `${label}: it holds no data.tar that can be read`, {
    hint: `it holds ${[...members.keys()].join(', ')}`,
  })
}

function membersOf(bytes: Buffer, label: string): Map<string, Buffer> {
  try {
    return readAr(bytes)
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    throw new MixosError('OBJECT_INVALID', `${label}: ${problem}`, { cause: error })
  }
}
