import type { OciAddress } from './oci-address.ts'
import { EMPTY } from './oci-manifest.ts'
import { type Repository, refusal } from './oci-repository.ts'

export interface BlobUploader {
  /** No-op where the registry has it. */
  blob(data: Uint8Array, options: { digest: string; signal: AbortSignal }): Promise<void>
  /** The configuration that all manifests refer to. */
  empty(signal: AbortSignal): Promise<void>
}

/** Less than this is sent without asking: an answer that it is there would save nothing. */
const SMALL = 64 * 1024
const ANSWER_LIMIT = 64 * 1024

export function blobUploader(address: OciAddress, repository: Repository): BlobUploader {
  let hasEmpty = false
  return {
    blob: async (data, { digest, signal }) => {
      if (data.length >= SMALL && (await isThere(digest, signal))) return
      await upload(data, { digest, signal })
    },
    empty: async signal => {
      if (hasEmpty) return
      const { digest } = EMPTY.descriptor
      if (!(await isThere(digest, signal))) await upload(EMPTY.data, { digest, signal })
      hasEmpty = true
    },
  }

  async function isThere(digest: string, signal: AbortSignal): Promise<boolean> {
    const answer = await repository.send(`blobs/${digest}`, {
      method: 'HEAD',
      right: 'pull',
      signal,
      limit: 0,
    })
    return answer.status === 200
  }

  async function upload(
    body: Uint8Array,
    { digest, signal }: { digest: string; signal: AbortSignal },
  ): Promise<void> {
    const request = { right: 'push', signal, limit: ANSWER_LIMIT } as const
    const begun = await repository.send('blobs/uploads/', { ...request, method: 'POST' })
    if (begun.status !== 202) throw refusal(begun, address, 'upload')
    const url = repository.locate(begun.headers.location)
    // As text: parsing might write anew what the registry wants back as it was.
    url.search += `${url.search === '' ? '?' : '&'}digest=${encodeURIComponent(digest)}`
    const headers = { 'content-type': 'application/octet-stream' }
    const done = await repository.send(url, { ...request, method: 'PUT', headers, body })
    if (done.status === 201) return
    // What was sent twice over a broken connection is there after the first time.
    if (done.status === 404 && (await isThere(digest, signal))) return
    throw refusal(done, address, 'upload')
  }
}
