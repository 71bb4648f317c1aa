import {
  array,
  flag,
  multioption,
  option,
  positional,
  restPositionals,
  string,
  type Type,
} from 'cmd-ts'
import { MixosError } from '../graph/error.ts'

type Parser<T> = ReturnType<typeof option<Type<string, T>>>

export const PackageName: Type<string, string> = { displayName: 'name', from: async text => text }
export const Path: Type<string, string> = {
  displayName: 'path',
  async from(text) {
    if (text === '' || text.includes('\0')) throw new Error(`not a path: ${JSON.stringify(text)}`)
    return text
  },
}

/** Where a cache is; what is wrong with it is for the store to say. */
export const CacheAddress: Type<string, string> = { ...string, displayName: 'cache' }

/** A hundred years of them: further ahead, times have no agreed form. */
export const MOST_DAYS = 36_500

/** A count: 1, 2, 3 and so on. */
export function countType(
  displayName: string,
  { least = 1, most = Number.MAX_SAFE_INTEGER } = {},
): Type<string, number> {
  return {
    displayName,
    async from(text) {
      const count = Number(text)
      if (/^[0-9]+$/.test(text) && count >= least && count <= most) return count
      const range =
        most < Number.MAX_SAFE_INTEGER ? `from ${least} to ${most}` : `of at least ${least}`
      throw new Error(`expected a whole number ${range}, got ${JSON.stringify(text)}`)
    },
  }
}

/** Two TCP ports, as in `2222:22`. */
export const ForwardArgument: Type<string, { readonly host: number; readonly guest: number }> = {
  displayName: 'host:guest',
  async from(text) {
    const [host = 0, guest = 0] = /^\d+:\d+$/.test(text) ? text.split(':').map(Number) : []
    const isPort = (port: number): boolean => port >= 1 && port <= 65535
    if (isPort(host) && isPort(guest)) return { host, guest }
    throw new Error(`expected two ports such as 2222:22, got ${JSON.stringify(text)}`)
  },
}

interface OptionSpec<T> {
  readonly long: string
  readonly short?: string
  readonly type: Type<string, T>
  readonly description: string
}

export function required<T>(spec: OptionSpec<T>): Parser<T> {
  return withValue(option(spec), spec)
}

/** An option that may be left out. */
export function optional<T>(spec: OptionSpec<T>): Parser<T | undefined> {
  const type: Type<string, T | undefined> = { ...spec.type, defaultValue: () => undefined }
  return withValue(option({ ...spec, type }), spec)
}

/** cmd-ts takes the bare name of an option for "left out"; here that is an error. */
function withValue<T>(
  parser: Parser<T>,
  { long, short }: Pick<OptionSpec<T>, 'long' | 'short'>,
): Parser<T> {
  const names = [long, short]
  return {
    ...parser,
    async parse(context) {
      const nodes = context.nodes.flatMap(node =>
        node.type === 'shortOptions' ? node.options : [node],
      )
      const bare = nodes.find(node => 'key' in node && names.includes(node.key) && !node.value)
      if (!bare) return parser.parse(context)
      context.visitedNodes.add(bare)
      return {
        _tag: 'error',
        error: { errors: [{ nodes: [bare], message: 'a value is missing' }] },
      }
    },
  }
}

export const name = (description: string, displayName = 'name') =>
  positional({ type: PackageName, displayName, description })

export const names = (description: string) =>
  restPositionals({ type: PackageName, displayName: 'name', description })

export const optionalName = (fallback: string, description: string) =>
  positional({
    type: { ...PackageName, defaultValue: () => fallback, defaultValueIsSerializable: true },
    displayName: 'name',
    description,
  })

export const jsonFlag = flag({ long: 'json', description: 'print one JSON record' })

export const fileOption = optional({
  long: 'file',
  short: 'f',
  type: { ...Path, displayName: 'file' },
  description: 'also take the packages that this recipe file defines',
})

export const cacheOption = multioption({
  long: 'cache',
  type: array(CacheAddress),
  description: 'also ask this cache, a path or a URL; can be repeated',
})

export const pathOption = (long: string, description: string) =>
  optional({ long, type: Path, description })

export const jobsOption = optional({
  long: 'jobs',
  type: countType('n'),
  description: 'steps that run at a time (default: the number of CPUs)',
})

export const coresOption = optional({
  long: 'cores',
  type: countType('n'),
  description: 'jobs that one step may run, as $BUILD_CORES (default: the number of CPUs)',
})

/** Reads an argument. What is wrong with its form is wrong with the command line. */
export function readArgument<T>(read: () => T): T {
  try {
    return read()
  } catch (error) {
    if (error instanceof MixosError) throw badArgument(error.message, error.hint)
    throw error
  }
}

/** An argument that is wrong whatever the machine is like, and perhaps only together with others. */
export function badArgument(message: string, hint?: string): MixosError {
  return new MixosError('BAD_ARGUMENT', message, { hint })
}
