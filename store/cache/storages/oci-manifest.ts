import { MixosError } from '../../../graph/error.ts'

/** The bytes of one file, as its manifest has them. */
export interface Layer {
  readonly digest: `sha256:${string}`
  readonly size: number
  /** Milliseconds since the epoch. */
  readonly modified: number
}

export const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json'
const FILE_TYPE = 'application/vnd.mixos.cache.v1'

/** The configuration of an artifact that has none, as the image specification 1.1 defines it. */
export const EMPTY = {
  data: Buffer.from('{}'),
  descriptor: {
    mediaType: 'application/vnd.oci.empty.v1+json',
    digest: 'sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a',
    size: 2,
  },
} as const

/** The path is part of it: one manifest for two files would be deleted for both. */
export function formatManifest(path: string, { digest, size, modified }: Layer): Buffer {
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    artifactType: FILE_TYPE,
    config: EMPTY.descriptor,
    layers: [{ mediaType: FILE_TYPE, digest, size }],
    annotations: {
      'org.opencontainers.image.title': path,
      'org.opencontainers.image.created': new Date(modified).toISOString(),
    },
  }
  return Buffer.from(JSON.stringify(manifest))
}

/** Throws CACHE_INVALID for what is no manifest of one file of a cache. */
export function parseManifest(data: Buffer, { name, path }: { name: string; path: string }): Layer {
  const { layers, annotations } = record(jsonOf(data))
  const [layer, ...others] = Array.isArray(layers) ? layers.map(record) : []
  const { mediaType, digest, size } = layer ?? {}
  const isLayer = mediaType === FILE_TYPE && others.length === 0
  if (!isLayer || !isDigest(digest) || !Number.isSafeInteger(size) || Number(size) < 0) {
    throw new MixosError('CACHE_INVALID', `${name}: the manifest of ${path} is of something else`)
  }
  const created = Date.parse(String(record(annotations)['org.opencontainers.image.created']))
  return { digest, size: Number(size), modified: Number.isNaN(created) ? 0 : created }
}

function isDigest(value: unknown): value is Layer['digest'] {
  return typeof value === 'string' && /^sha256:[0-9a-f]{64}$/.test(value)
}

/** Undefined for what is no JSON. */
export function jsonOf(data: Buffer): unknown {
  try {
    return JSON.parse(data.toString('utf8'))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

/** Without properties where it is no object. */
export function record(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
