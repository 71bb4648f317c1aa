import { createHash } from 'node:crypto'

const LARGE = 64 * 1024

/** In hexadecimal digits. Off the main thread where that is worth it: a pack is tens of megabytes. */
export async function sha256(data: Uint8Array): Promise<string> {
  if (data.length < LARGE) return createHash('sha256').update(data).digest('hex')
  const digest = await crypto.subtle.digest('SHA-256', data as Uint8Array<ArrayBuffer>)
  return Buffer.from(digest).toString('hex')
}
