import { type Derivation, labelOf } from '../../graph/derivation.ts'
import { MixosError } from '../../graph/error.ts'
import type { StorePath } from '../../graph/store-path.ts'
import type { Host } from '../host.ts'

// Bubblewrap takes 9,000 arguments in all; a mount is three of them, and so is a variable.
const MOST = 2900
// Each object is handed over as an open file; so are the entries of the root and what every sandbox has.
const OTHER_FILES = 64
// In bytes, of an argument or of `NAME=value`, each with a zero: MAX_ARG_STRLEN, see execve(2).
const LONGEST_WORD = 128 * 1024

/** Throws BUILD_LIMIT, naming the step, for what the sandbox would refuse without saying whose it is. */
export function checkSizes(
  host: Host,
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
  // Few fit below any limit that leaves us running.
  const files = closure.size > OTHER_FILES ? openFilesLimit(host) : Number.POSITIVE_INFINITY
  if (closure.size + OTHER_FILES > files)
    refuse(
      `needs ${closure.size} objects, each of them as an open file, and this process may have ${files} of those`,
      'allow more, with: ulimit -n 4096; where that is refused, the machine has a limit for this user',
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

/** The hard limit, up to which a process may raise its own; Node does. */
function openFilesLimit(host: Host): number {
  const text = host.files.read('/proc/self/limits')?.toString() ?? ''
  const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(text)?.[1]
  return hard === undefined ? Number.POSITIVE_INFINITY : Number(hard)
}
