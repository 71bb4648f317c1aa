import { MixosError } from '../../../graph/error.ts'
import type { OciAddress } from './oci-address.ts'
import { jsonOf, record } from './oci-manifest.ts'
import { codeOf, type Repository, refusal } from './oci-repository.ts'
import type { WebAnswer } from './web-client.ts'

const PAGE = 1_000
/** Some registries send all tags at once, whatever was asked for. */
const LIMIT = 64 * 1024 * 1024

/** All tags, page by page. None where nothing was ever pushed. */
export async function* listTags(
  address: OciAddress,
  repository: Repository,
  signal: AbortSignal,
): AsyncGenerator<readonly string[]> {
  const { name } = address
  let to: string | URL = `tags/list?n=${PAGE}`
  const seen = new Set<string>()
  for (;;) {
    const answer: WebAnswer = await repository.send(to, {
      method: 'GET',
      right: 'pull',
      signal,
      limit: LIMIT,
    })
    if (answer.status === 404 && codeOf(answer) !== undefined) return
    if (answer.status !== 200) throw refusal(answer, address, 'tags')
    const { tags } = record(jsonOf(answer.data))
    // Where all tags are gone, some registries send null.
    if (tags !== null && !isTexts(tags)) {
      throw new MixosError('CACHE_INVALID', `${name}: its list of tags is none`)
    }
    yield tags ?? []
    const next = /<([^>]*)>\s*;\s*rel="?next"?/i.exec(answer.headers.link ?? '')?.[1]
    if (next === undefined) return
    if (seen.has(next))
      throw new MixosError('CACHE_INVALID', `${name}: its list of tags has no end`)
    seen.add(next)
    to = repository.locate(next)
  }
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(item => typeof item === 'string')
}
