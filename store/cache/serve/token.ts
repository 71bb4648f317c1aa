import { createHash, timingSafeEqual } from 'node:crypto'
import { MixosError } from '../../../graph/error.ts'

const SHORTEST = 16

/**
 * Tells whether an Authorization header has the token, in a time that does not depend on how much of it is right.
 * Throws SETTINGS_INVALID for a token that can be guessed or cannot be sent.
 */
export function tokenCheck(token: string): (authorization: string | undefined) => boolean {
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new MixosError('SETTINGS_INVALID', 'a token is printable characters without spaces')
  }
  if (token.length < SHORTEST) {
    throw new MixosError(
      'SETTINGS_INVALID',
      `the upload token has ${token.length} characters, fewer than ${SHORTEST}`,
      { hint: 'make one with, for instance: export MIXOS_CACHE_TOKEN=$(openssl rand -hex 16)' },
    )
  }
  const expected = digest(token)
  return authorization => {
    const [, given = ''] = /^Bearer ([\x21-\x7e]+)$/i.exec(authorization ?? '') ?? []
    return timingSafeEqual(digest(given), expected)
  }
}

// Of equal length whatever is given.
const digest = (text: string): Buffer => createHash('sha256').update(text).digest()
