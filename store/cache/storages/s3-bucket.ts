import type { Host } from '../../host.ts'
import type { AwsCredentialSource, AwsCredentials } from './aws-credentials.ts'
import type { S3Address } from './s3-address.ts'
import { sha256 } from './sha256.ts'
import { type WebAnswer, type WebOptions, type WebRequest, webClient } from './web-client.ts'

export interface S3Options extends WebOptions {
  readonly host: Pick<Host, 'files' | 'now' | 'processes'>
  /** Keys in one answer of a listing; servers give at most 1,000. */
  readonly pageSize?: number
}

/** Requests to one bucket, signed where there are credentials. */
export interface Bucket {
  /** For a key, or for the bucket itself where it is empty. */
  send(key: string, request: WebRequest & { query?: Record<string, string> }): Promise<WebAnswer>
  close(): Promise<void>
}

export function openBucket(
  address: S3Address,
  credentials: AwsCredentialSource | undefined,
  options: S3Options,
): Bucket {
  const client = webClient(options)
  // Keys that were derived from the secret, for the day.
  const cache = new Map<string, ArrayBuffer>()
  return {
    send: async (key, request) => {
      const url = new URL(address.base)
      url.pathname += key.split('/').map(encodeURIComponent).join('/')
      for (const [name, value] of Object.entries(request.query ?? {})) {
        url.searchParams.set(name, value)
      }
      const headers = credentials
        ? await signed(url, request, await credentials())
        : request.headers
      return client.send(url, { ...request, ...(headers && { headers }) })
    },
    close: () => client.close(),
  }

  async function signed(
    url: URL,
    request: WebRequest,
    keys: AwsCredentials,
  ): Promise<Record<string, string>> {
    // Loaded when first used, like the client.
    const { AwsV4Signer } = await import('aws4fetch')
    const { method, body, headers } = request
    // The server compares it with what it got.
    const hash = await sha256(body ?? new Uint8Array())
    const signer = new AwsV4Signer({
      ...keys,
      method,
      url: url.href,
      headers: { ...headers, 'x-amz-content-sha256': hash },
      service: 's3',
      region: address.region,
      datetime: new Date(options.host.now()).toISOString().replace(/[:-]|\.\d{3}/g, ''),
      cache,
    })
    return Object.fromEntries((await signer.sign()).headers)
  }
}
