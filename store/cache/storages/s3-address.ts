import { MixosError } from '../../../graph/error.ts'
import type { Environment } from './http-client.ts'

export interface S3Address {
  /** For messages: the URL as it was given. */
  readonly name: string
  readonly bucket: string
  readonly region: string
  /** Of the bucket itself, with a slash at its end. */
  readonly base: URL
  /** Of every key: empty, or with a slash at its end. */
  readonly prefix: string
}

const HINT =
  'write it as s3://BUCKET/PREFIX?region=REGION, or with &endpoint=URL for another than Amazon'

/**
 * What `s3://bucket/prefix?endpoint=URL&region=R` stands for. The region is else that of AWS_REGION or
 * us-east-1; the endpoint that of AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL, or Amazon's. Throws BAD_ARGUMENT.
 */
export function parseS3Address(url: URL, env: Environment): S3Address {
  const name = url.href.replace(/\/\/[^/@]*@/, '//')
  const refuse = (why: string): never => {
    throw new MixosError('BAD_ARGUMENT', `${name}: ${why}`, { hint: HINT })
  }
  if (url.username || url.password) refuse('credentials have no place in an address')
  const bucket = url.hostname
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]+$/.test(bucket)) refuse(`${JSON.stringify(bucket)} is no bucket`)
  for (const option of url.searchParams.keys()) {
    if (option !== 'endpoint' && option !== 'region') refuse(`unknown option ${option}`)
  }
  const region =
    url.searchParams.get('region') || env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1'
  if (!/^[a-zA-Z0-9-]+$/.test(region)) refuse(`${JSON.stringify(region)} is no region`)
  const endpoint =
    url.searchParams.get('endpoint') || env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL
  const base = endpoint ? URL.parse(endpoint) : amazon(bucket, region)
  if (!base || !/^https?:$/.test(base.protocol)) return refuse(`${endpoint} is no web address`)
  // Others than Amazon seldom have a host name for each bucket.
  if (endpoint) base.pathname = `${base.pathname.replace(/\/*$/, '')}/${bucket}/`
  const path = url.pathname.replace(/^\/+|\/+$/g, '')
  if (!/^([\w+=@,~-][\w.+=@,~-]*(\/(?!$)|$))*$/.test(path)) {
    refuse(`${JSON.stringify(path)} is no prefix: letters, digits and /._+=@,~- are`)
  }
  return { name, bucket, region, base, prefix: path === '' ? '' : `${path}/` }
}

function amazon(bucket: string, region: string): URL {
  // The certificate covers one label, so a bucket with a dot goes into the path.
  const host = `s3.${region}.amazonaws.com`
  return new URL(bucket.includes('.') ? `https://${host}/${bucket}/` : `https://${bucket}.${host}/`)
}
