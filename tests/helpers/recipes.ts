import { type Derivation, type DerivationSpec, derivation } from '../../graph/derivation.ts'

const BYTES_OF_A = 'sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb'

/** A build step that never runs, with only what a test is about. */
export function step(name: string, spec: Partial<DerivationSpec> = {}): Derivation {
  return derivation({ name, version: '1', builder: ['/bin/sh', '-c', 'true'], ...spec })
}

/** The fetch of a file that holds the letter a. */
export function fetchOfA(urls: readonly string[] = ['mirror://debian/a']): Derivation {
  return derivation({
    name: 'a',
    version: '1',
    builder: ['builtin:fetch-url'],
    fetch: { urls, hash: BYTES_OF_A, size: 1 },
  })
}

/** Steps of which each but the first has the one before as its input; gives the last. */
export function chain(length: number): Derivation {
  let last = step('link0')
  for (let index = 1; index < length; index++) {
    last = step(`link${index}`, { inputs: { before: last } })
  }
  return last
}

/** `top` needs `left` and `right`, which both need `bottom`. */
export function diamond(): Record<'top' | 'left' | 'right' | 'bottom', Derivation> {
  const bottom = step('bottom')
  const left = step('left', { inputs: { bottom } })
  const right = step('right', { inputs: { bottom } })
  return { top: step('top', { inputs: { left, right } }), left, right, bottom }
}
