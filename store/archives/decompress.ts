import { promisify } from 'node:util'
import { MixosError } from '../../graph/error.ts'
import { sizeOfXz } from './xz-size.ts'

export type Compression = 'none' | 'gz' | 'xz' | 'zst'

/** Unpacks whole files in memory. Throws OBJECT_INVALID for damage and for more than `limit` bytes. */
export async function decompress(
  bytes: Buffer,
  { compression, limit, label }: { compression: Compression; limit: number; label: string },
): Promise<Buffer> {
  const refuse = (problem: string, cause?: unknown): never => {
    throw new MixosError('OBJECT_INVALID', `${label}: ${problem}`, { cause })
  }
  try {
    const result = await decoders[compression](bytes, limit)
    if (result.length > limit) throw new RangeError('the result is too big')
    return result
  } catch (error) {
    if (error instanceof RangeError) refuse(`it unpacks to more than ${limit} bytes`, error)
    return refuse(`it is not valid ${compression} data`, error)
  }
}

/** Each throws RangeError before it holds more than the limit. */
const decoders: Readonly<Record<Compression, (bytes: Buffer, limit: number) => Promise<Buffer>>> = {
  none: async bytes => bytes,
  gz: async (bytes, limit) => {
    const { gunzip } = await import('node:zlib')
    return promisify(gunzip)(bytes, { maxOutputLength: limit })
  },
  zst: async (bytes, limit) => {
    const { zstdDecompress } = await import('node:zlib')
    return promisify(zstdDecompress)(bytes, { maxOutputLength: limit })
  },
  // The one import of this package. It decodes without a limit, so the size is found out beforehand.
  xz: async (bytes, limit) => {
    const size = sizeOfXz(bytes)
    if (size > limit) throw new RangeError(`${size} bytes`)
    const { xz } = await import('@napi-rs/lzma')
    const result = await xz.decompress(bytes)
    if (result.length !== size) throw new Error(`it has ${result.length} bytes, announced ${size}`)
    return result
  },
}
