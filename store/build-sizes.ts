import { type Derivation, labelOf } from '../graph/derivation.ts'
import { MixosError } from '../graph/error.ts'
import type { StorePath } from '../graph/store-path.ts'

// Bubblewrap takes 9,000 arguments in all; a mount is three of them, and so is a variable.
const MOST = 2900
// In bytes, of an argument or of `NAME=value`, each with a zero: MAX_ARG_STRLEN, see execve(2).
const LONGEST_WORD = 128 * 1024

/** Throws BUILD_LIMIT, naming the step, for what the sandbox would refuse without saying whose it is. */
export function checkSizes(
  derivation: Derivation,
  {
    closure,
    env,
    argv,
  }: {
    closure: ReadonlySet<StorePath>
    env: Readonly<Record<string, string>>
    argv: readonly string[]
  },
): void {
  const refuse = (what: string, hint: string): never => {
    throw new MixosError('BUILD_LIMIT', `${labelOf(derivation)} ${what}`, { hint })
  }
  const variables = Object.keys(env).length
  if (closure.size + variables > MOST)
    refuse(
      `needs ${closure.size} objects and ${variables} variables, and a build may have ${MOST} of both together`,
      'gather some of them in a step of its own, and take that as the input',
    )
  const words = new Map([
    ...Object.entries(env).map(
      ([name, value]) => [`the variable ${name}`, `${name}=${value}`] as const,
    ),
    ...argv.map((word, index) => [`the builder's argument ${index}`, word] as const),
  ])
  for (const [what, word] of words) {
    const size = Buffer.byteLength(word) + 1
    if (size <= LONGEST_WORD) continue
    refuse(
      `has ${what} of ${size} bytes, and Linux gives a program at most ${LONGEST_WORD}`,
      'put it into a file, made by textFiles(), and take that as an input',
    )
  }
}
