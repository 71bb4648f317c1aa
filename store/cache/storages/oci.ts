import { MixosError } from '../../../graph/error.ts'
import { FileTooLarge, type StoredFile, type WritableStorage } from '../storage.ts'
import { parseOciAddress } from './oci-address.ts'
import { formatManifest, type Layer, MANIFEST_TYPE, parseManifest } from './oci-manifest.ts'
import { codeOf, openRepository, type RepositoryOptions, refusal } from './oci-repository.ts'
import { pathOfTag, tagOf } from './oci-tag.ts'
import { listTags } from './oci-tags.ts'
import { blobUploader } from './oci-upload.ts'
import { checkPath, checkPrefix, isPath } from './path.ts'
import { bytesOfRange } from './range.ts'
import { sha256 } from './sha256.ts'
import type { WebAnswer } from './web-client.ts'

/**
 * A repository of an OCI registry: each file is an artifact of one layer, tagged with its path. Nothing is
 * asked of it before the first use. What a path stands for is remembered for its parts, as long as its bytes are there.
 * Throws BAD_ARGUMENT for an address of another form.
 */
export async function ociStorage(url: URL, options: RepositoryOptions): Promise<WritableStorage> {
  const address = parseOciAddress(url)
  const { name } = address
  const repository = openRepository(address, options)
  const upload = blobUploader(address, repository)
  const layers = new Map<string, Layer>()

  return {
    name,
    read: async (path, { signal, limit, range }) => {
      // Whoever reads all of it reads it once; and somebody may have renewed it.
      const known = range && layers.get(path)
      const found = known && (await contentOf(known))
      if (found) return found
      const layer = await findLayer(path, signal)
      if (!layer) return undefined
      const content = await contentOf(layer)
      if (content) return content
      throw invalid(`the bytes of ${path} are gone: ${layer.digest}`)

      async function contentOf({ digest, size }: Layer): Promise<Uint8Array | undefined> {
        const { offset, length } = range ?? { offset: 0, length: size }
        if (length > limit)
          throw new FileTooLarge(`${name}: ${path} has ${length} bytes, not at most ${limit}`)
        if (offset + length > size) {
          throw invalid(`${path} has ${size} bytes, none up to ${offset + length}`)
        }
        // HTTP has no empty ranges.
        if (range?.length === 0) return new Uint8Array()
        const answer = await repository.send(`blobs/${digest}`, {
          method: 'GET',
          right: 'pull',
          signal,
          limit: length,
          ...(range && { range }),
        })
        if (answer.status === 404) return undefined
        if (range && RANGE_ANSWERS.includes(answer.status)) {
          return bytesOfRange(answer, { name, path, range })
        }
        if (answer.status !== 200) throw refused(answer, path)
        const got = `sha256:${await sha256(answer.data)}`
        if (got !== digest) throw invalid(`${path}: expected ${digest} got ${got}`)
        return answer.data
      }
    },
    has: async (path, { signal }) => {
      signal.throwIfAborted()
      // Also where it was there before: a collection may have taken it.
      return (await findLayer(path, signal)) !== undefined
    },
    write: async (path, data, { signal }) => {
      const tag = tagOfPath(path)
      const digest = `sha256:${await sha256(data)}` as const
      await upload.empty(signal)
      await upload.blob(data, { digest, signal })
      const layer = { digest, size: data.length, modified: options.host.now() }
      layers.delete(path)
      const answer = await repository.send(`manifests/${tag}`, {
        method: 'PUT',
        right: 'push',
        headers: { 'content-type': MANIFEST_TYPE },
        body: formatManifest(path, layer),
        signal,
        limit: MANIFEST_LIMIT,
      })
      if (answer.status !== 201) throw refused(answer, path)
      layers.set(path, layer)
    },
    list: (prefix, { signal }) => list(prefix, signal),
    remove: async (path, { signal }) => {
      const manifest = await findManifest(path, signal)
      layers.delete(path)
      if (!manifest) return
      const answer = await repository.send(`manifests/sha256:${await sha256(manifest)}`, {
        method: 'DELETE',
        right: 'delete',
        signal,
        limit: MANIFEST_LIMIT,
      })
      if (answer.status === 405) throw keeps(path)
      if (answer.status !== 202 && answer.status !== 404) throw refused(answer, path)
    },
    close: () => repository.close(),
  }

  async function findLayer(path: string, signal: AbortSignal): Promise<Layer | undefined> {
    layers.delete(path)
    const manifest = await findManifest(path, signal)
    const layer = manifest && parseManifest(manifest, { name, path })
    if (layer) layers.set(path, layer)
    return layer
  }

  async function findManifest(path: string, signal: AbortSignal): Promise<Buffer | undefined> {
    const answer = await repository.send(`manifests/${tagOfPath(path)}`, {
      method: 'GET',
      right: 'pull',
      headers: { accept: MANIFEST_TYPE },
      signal,
      limit: MANIFEST_LIMIT,
    })
    if (answer.status === 404) return absent(answer)
    if (answer.status !== 200) throw refused(answer, path)
    return answer.data
  }

  /** Only a registry can tell. A repository that nothing was pushed to is absent as well. */
  function absent(answer: WebAnswer): undefined {
    if (codeOf(answer) !== undefined) return
    throw new MixosError('CACHE_UNAVAILABLE', `${name}: there is no registry at ${address.base}`, {
      hint: 'correct the address: oci://HOST/NAME',
    })
  }

  async function* list(prefix: string, signal: AbortSignal): AsyncGenerator<StoredFile> {
    checkPrefix(prefix)
    for await (const tags of listTags(address, repository, signal)) {
      const paths = tags.flatMap(tag => pathOfTag(tag) ?? [])
      const wanted = paths.filter(path => isPath(path) && path.startsWith(prefix))
      // A tag does not tell how large the file is.
      for (let at = 0; at < wanted.length; at += WIDTH) {
        const some = wanted.slice(at, at + WIDTH)
        const found = await Promise.all(some.map(path => findLayer(path, signal)))
        for (const [index, layer] of found.entries()) {
          const path = some[index] as string
          if (layer) yield { path, size: layer.size, modified: layer.modified }
        }
      }
    }
  }

  function tagOfPath(path: string): string {
    checkPath(path)
    return tagOf(path)
  }

  function refused(answer: WebAnswer, what: string): MixosError {
    return refusal(answer, address, what)
  }

  function invalid(why: string): MixosError {
    return new MixosError('CACHE_INVALID', `${name}: ${why}`)
  }

  function keeps(path: string): MixosError {
    return new MixosError(
      'CACHE_READ_ONLY',
      `${name}: the registry deletes nothing, also not ${path}`,
      {
        hint: 'have it allow deletion: in the settings of docker-registry, storage.delete.enabled',
      },
    )
  }
}

const RANGE_ANSWERS = [200, 206, 416]
const MANIFEST_LIMIT = 64 * 1024
/** Manifests asked for at once. */
const WIDTH = 32
