import { MixosError } from '../../../graph/error.ts'
import type { S3Address } from './s3-address.ts'
import type { WebAnswer } from './web-client.ts'

/** The name that S3 gives to what went wrong, or '' where the answer has none. */
export function codeOf(answer: WebAnswer): string {
  return wordIn(answer, 'Code') ?? ''
}

/** For messages, so only what names are made of. */
function wordIn({ data }: WebAnswer, tag: string): string | undefined {
  return new RegExp(`<${tag}>([\\w.-]{1,64})</${tag}>`).exec(data.toString('utf8'))?.[1]
}

export interface Asked {
  readonly address: S3Address
  /** A path, or what else was asked for. */
  readonly what: string
  readonly isAnonymous: boolean
}

/** A refusal as what it means to the user. */
export function refusal(answer: WebAnswer, { address, what, isAnonymous }: Asked): MixosError {
  const { status, headers } = answer
  const code = codeOf(answer)
  const about = `${address.name}: ${what}: ${code === '' ? '' : `${code}, `}status ${status}`
  if (code === 'NoSuchBucket') {
    return new MixosError(
      'CACHE_UNAVAILABLE',
      `${address.name}: there is no bucket ${address.bucket}`,
      {
        hint: 'correct the name, or make the bucket: mixos makes none',
      },
    )
  }
  const region = headers['x-amz-bucket-region'] ?? wordIn(answer, 'Region')
  if (region && region !== address.region && (status === 301 || status === 307 || status === 400)) {
    return new MixosError(
      'CACHE_UNAVAILABLE',
      `${about}; the bucket is in ${region}, not in ${address.region}`,
      {
        hint: `add to its address: region=${region}`,
      },
    )
  }
  if (status === 401 || status === 403 || DENIED.has(code)) {
    return new MixosError('CACHE_DENIED', about, { hint: deniedHint(code, isAnonymous) })
  }
  if (status === 405 || status === 501) {
    return new MixosError('CACHE_READ_ONLY', about, { hint: 'push to another cache' })
  }
  return new MixosError('CACHE_UNAVAILABLE', about)
}

export const NO_CREDENTIALS =
  'set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; what else the AWS CLI finds, it gives by: aws configure export-credentials --format env'

/** Of those that come with status 400. */
const DENIED = new Set(['ExpiredToken', 'InvalidToken', 'InvalidAccessKeyId'])

function deniedHint(code: string, isAnonymous: boolean): string {
  if (isAnonymous) return NO_CREDENTIALS
  if (code === 'RequestTimeTooSkewed') return 'set the clock of this machine'
  if (code === 'AccessDenied') {
    return 'grant these credentials the right, and also s3:ListBucket, without which a missing file is denied too'
  }
  return 'correct AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'
}

export interface Page {
  readonly files: readonly {
    readonly key: string
    readonly size: number
    readonly modified: number
  }[]
  /** Undefined for the last one. */
  readonly next: string | undefined
}

/** Reads an answer of ListObjectsV2. Throws CACHE_INVALID for another document. */
export function parsePage(text: string, { name }: S3Address): Page {
  const invalid = (): never => {
    throw new MixosError(
      'CACHE_INVALID',
      `${name}: its listing is none: ${JSON.stringify(text.slice(0, 80))}`,
    )
  }
  if (!/<ListBucketResult[\s>]/.test(text)) invalid()
  const files = [...text.matchAll(/<Contents>(.*?)<\/Contents>/gs)].map(([, entry = '']) => {
    const key = textIn(entry, 'Key') ?? invalid()
    const size = Number(textIn(entry, 'Size') ?? Number.NaN)
    const modified = Date.parse(textIn(entry, 'LastModified') ?? '')
    return Number.isSafeInteger(size) && !Number.isNaN(modified)
      ? { key, size, modified }
      : invalid()
  })
  const isLast = textIn(text, 'IsTruncated') !== 'true'
  return { files, next: isLast ? undefined : (textIn(text, 'NextContinuationToken') ?? invalid()) }
}

function textIn(xml: string, tag: string): string | undefined {
  const text = new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml)?.[1]
  return text?.replace(/&(#\d{1,6}|#x[0-9a-fA-F]{1,5}|\w+);/g, (whole, entity: string) => {
    if (entity.startsWith('#')) return String.fromCodePoint(Number(`0${entity.slice(1)}`))
    return ENTITIES.get(entity) ?? whole
  })
}

const ENTITIES = new Map([
  ['amp', '&'],
  ['apos', "'"],
  ['gt', '>'],
  ['lt', '<'],
  ['quot', '"'],
])
