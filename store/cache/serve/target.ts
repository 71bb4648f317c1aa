import { INFO_PATH } from '../layout.ts'

/** A file of a cache, by its path in it. */
export type Target =
  | UploadTarget
  /** Of the signed index that makes a repository of it; it is made beside the server, never sent to it. */
  | { readonly kind: 'index'; readonly path: string }

export type UploadTarget =
  | { readonly kind: 'info'; readonly path: string }
  | {
      readonly kind: 'trace'
      readonly path: string
      readonly hash: string
      readonly keyId: string
    }
  | { readonly kind: 'object'; readonly path: string; readonly digest: string }
  | { readonly kind: 'pack'; readonly path: string; readonly hash: string }

const TRACE = /^\/trace\/([0-9a-f]{64})\/([0-9a-f]{32})\.json$/
const OBJECT = /^\/object\/([0-9abcdfghijklmnpqrsvwxyz]{32})\.json$/
const INDEX =
  /^\/tuf\/(?:[1-9][0-9]{0,15}\.(?:root|snapshot|targets)\.json|(?:root|timestamp)\.json|targets\/[0-9a-f]{64}\.packages\.json)$/
const PACK = /^\/pack\/([0-9a-f]{64})\.pack$/

/**
 * What the target of a request names; undefined for all but the files of a cache. Nothing is decoded and
 * nothing is normalised, so there is no other way to write a path, nor one that leads elsewhere.
 */
export function parseTarget(target: string): Target | undefined {
  const path = target.slice(1)
  const [, pack] = PACK.exec(target) ?? []
  if (pack !== undefined) return { kind: 'pack', path, hash: pack }
  const [, digest] = OBJECT.exec(target) ?? []
  if (digest !== undefined) return { kind: 'object', path, digest }
  if (INDEX.test(target)) return { kind: 'index', path }
  const [, hash, keyId] = TRACE.exec(target) ?? []
  if (hash !== undefined && keyId !== undefined) return { kind: 'trace', path, hash, keyId }
  return target === `/${INFO_PATH}` ? { kind: 'info', path } : undefined
}

/** The prefix that is to be listed; undefined for another request. */
export function parseListing(target: string): string | undefined {
  const [, prefix] = /^\/\?list=([^&]*)$/.exec(target) ?? []
  if (prefix === undefined) return undefined
  try {
    return decodeURIComponent(prefix)
  } catch (error) {
    if (error instanceof URIError) return undefined
    throw error
  }
}
