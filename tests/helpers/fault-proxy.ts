import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { zstdCompressSync } from 'node:zlib'
import type { DerivationHash, ResolvedHash } from '../../graph/store-path.ts'
import { generateKey, type SecretKey } from '../../store/cache/keys.ts'
import {
  formatSignedTrace,
  type SignedTrace,
  type Statement,
  signTrace,
} from '../../store/cache/signed-trace.ts'
import { nodeHost } from '../../store/hosts/node.ts'

/** A cache as a push has left it, and the keys of those who signed. */
export interface HonestCache {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly signers: readonly SecretKey[]
}

/** One thing that is wrong with a cache. */
export interface Fault {
  readonly kind: FaultKind
  /** The file that it is about. */
  readonly path: string
  /** Where in the file, with which other, and so on. */
  readonly seed: number
  /** How many requests it spoils; after them, the cache is honest. */
  readonly times: number
}

export interface FaultProxy {
  /** Another cache of the same server. */
  mount(cache: HonestCache, fault?: Fault): FaultyCache
  /** What came with a credential to where it was not to go. */
  readonly leaks: string[]
  close(): void
}

export interface FaultyCache {
  readonly url: URL
  /** The paths of files that were asked for. */
  readonly requests: string[]
  /** How many requests the fault has spoiled. */
  readonly bites: number
  unmount(): void
}

/** Numbers from 0 to below 2³², the same for the same seed. */
export function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0
  return below => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below
  }
}

/** The same in every run. */
export function fixedKey(name: string, digit: string): SecretKey {
  return generateKey({ ...nodeHost, randomHex: digits => digit.repeat(digits) }, name)
}

/** A fault of this seed. Of the files, those that are `likely` to be read are preferred. */
export function faultOf(seed: number, cache: HonestCache, likely: readonly string[]): Fault {
  const random = randomOf(seed)
  // In turn, but for those that take time: each of them comes as often, whatever the seeds are.
  const isSlow = seed % SLOW_EVERY === 0
  const kinds = isSlow ? SLOW_KINDS : FAST_KINDS
  const place = isSlow ? seed / SLOW_EVERY : seed - Math.ceil(seed / SLOW_EVERY)
  const kind = kinds[place % kinds.length] as FaultKind
  const { on } = FAULTS[kind]
  const isMeant = (path: string): boolean => on.some(prefix => path.startsWith(prefix))
  const paths = (random(5) > 0 ? likely : [...cache.files.keys()]).filter(isMeant)
  const path = paths[random(paths.length)] ?? [...cache.files.keys()].find(isMeant) ?? ''
  return { kind, path, seed: random(2 ** 31), times: random(6) === 0 ? 1 : Infinity }
}

/**
 * A server on the loopback interface, with caches that lie each in its own way. What it sends beyond files
 * is plain HTTP, so that a reader meets it as from any server.
 */
export async function faultProxy(): Promise<FaultProxy> {
  const mounts = new Map<string, (request: IncomingMessage, response: ServerResponse) => void>()
  const leaks: string[] = []
  let count = 0
  const server = createServer((request, response) => {
    const [, mount = ''] = (request.url ?? '').split('/')
    const answer = mounts.get(mount)
    if (answer) answer(request, response)
    else response.writeHead(404).end()
  })
  // Another origin, to which somebody may be sent: it has the same files, and must not see the token.
  const other = createServer((request, response) => {
    if (request.headers.authorization) leaks.push(request.url ?? '')
    server.emit('request', request, response)
  })
  const elsewhere = `http://127.0.0.1:${await listening(other)}`
  const here = `http://127.0.0.1:${await listening(server)}`

  return {
    leaks,
    mount: (cache, fault) => {
      const name = `${count++}`
      const requests: string[] = []
      let bites = 0
      const { path, times } = fault ?? { path: undefined, times: 0 }
      const commit = fault && prepared(fault, cache)
      mounts.set(name, (request, response) => {
        const asked = (request.url ?? '').slice(name.length + 2)
        const bytes = cache.files.get(asked)
        if (request.headers.host && here.endsWith(request.headers.host)) requests.push(asked)
        // Also what is redirected here is honest, else the fault would not be one of redirects.
        const isSpoiled = commit && !asked.startsWith('honest/')
        const isMeant = isSpoiled && (asked === path || commit.extra?.has(asked))
        if (isMeant && bites < times) {
          bites++
          commit.answer({ request, response, bytes, asked, elsewhere })
        } else sendFile(cache.files.get(asked.replace(/^honest\//, '')), request, response)
      })
      return {
        url: new URL(`${here}/${name}`),
        requests,
        get bites() {
          return bites
        },
        unmount: () => mounts.delete(name),
      }
    },
    close: () => {
      for (const each of [server, other]) {
        each.closeAllConnections()
        each.close()
      }
    },
  }
}

interface Asked {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly bytes: Uint8Array | undefined
  readonly asked: string
  readonly elsewhere: string
}

interface Commit {
  answer(asked: Asked): void
  /** Files besides the fault's own that it is about. */
  readonly extra?: ReadonlySet<string>
}

/** What a fault is made from. */
interface Scene {
  readonly path: string
  readonly bytes: Uint8Array
  readonly cache: HonestCache
  readonly random: (below: number) => number
}

interface FaultType {
  /** What the paths of its files begin with. */
  readonly on: readonly string[]
  /** A reader waits for it. */
  readonly isSlow?: boolean
  /** A reader need not notice, since all the bytes are right. */
  readonly isHarmless?: boolean
  /** Other bytes in place of files, by path. */
  readonly replace?: (scene: Scene) => ReadonlyMap<string, Uint8Array>
  /** Another answer than a file. */
  readonly answer?: (asked: Asked, scene: Scene) => void
}

const ANY = ['mixos-cache.json', 'trace/', 'object/', 'pack/']
const TRACE = ['trace/']
const PARTS = ['pack/']

/** The kinds of faults, by what they are called in messages. */
export const FAULTS = {
  'flips a byte': {
    on: ANY,
    replace: ({ path, bytes, random }) => {
      const bad = Uint8Array.from(bytes)
      const at = random(bytes.length)
      bad[at] = (bad[at] as number) ^ (1 + random(255))
      return only(path, bad)
    },
  },
  truncates: {
    on: ANY,
    replace: ({ path, bytes, random }) => only(path, bytes.subarray(0, random(bytes.length))),
  },
  'breaks off': {
    on: ANY,
    answer: ({ request, response, bytes }, { random }) => {
      const { head, part } = partOf(bytes, request)
      response.writeHead(head.status, head.headers)
      const end = random(Math.max(1, part.length))
      response.write(part.subarray(0, end), () => response.socket?.destroy())
    },
  },
  swaps: {
    on: ['trace/', 'object/', 'pack/'],
    replace: ({ path, bytes, cache, random }) => {
      const other = another(path, cache, random)
      return new Map([
        [path, cache.files.get(other) as Uint8Array],
        [other, bytes],
      ])
    },
  },
  'strips the signature': {
    on: TRACE,
    replace: ({ path, bytes, random }) => {
      const text = Buffer.from(bytes).toString()
      const [without, empty] = [/,"signature":"[^"]*"/, /(?<="signature":")[^"]*/]
      return only(path, Buffer.from(text.replace(random(2) ? without : empty, '')))
    },
  },
  'signs with a strange key': {
    on: TRACE,
    replace: ({ path, bytes, cache, random }) =>
      only(path, signedBy(STRANGER, lie(statementOf(bytes), cache, random))),
  },
  'signs with a strange key in the name of another': {
    on: TRACE,
    replace: ({ path, bytes, cache, random }) => {
      const forged = signedBy(STRANGER, lie(statementOf(bytes), cache, random))
      const id = (path.split('/').at(-1) ?? '').slice(0, 32)
      const text = forged.toString().replaceAll(STRANGER.public.id, id)
      return only(path, Buffer.from(text))
    },
  },
  'changes what was signed': {
    on: TRACE,
    replace: ({ path, bytes, cache, random }) => {
      const { signedAt, signature, ...statement } = JSON.parse(Buffer.from(bytes).toString())
      const changed = { ...lie(statement, cache, random), signedAt, signature }
      return only(path, Buffer.from(formatSignedTrace(changed)))
    },
  },
  'replays the trace of another step': {
    on: TRACE,
    replace: ({ path, cache, random }) => {
      const { signer, hash } = partsOf(path)
      const others = [...cache.files.keys()].filter(other => {
        const parts = partsOf(other)
        return other.startsWith('trace/') && parts.signer === signer && parts.hash !== hash
      })
      return only(path, cache.files.get(others[random(others.length)] as string) as Uint8Array)
    },
  },
  'replays an expired statement': {
    on: TRACE,
    replace: ({ path, bytes, cache, random }) => {
      const expires = new Date(Date.now() - random(1000) * HOUR).toISOString()
      const statement = { ...statementOf(bytes), expires: `${expires.slice(0, 19)}Z` }
      return only(path, signedBy(signerOf(path, cache), statement, -2000 * HOUR))
    },
  },
  'signs in the future': {
    on: TRACE,
    replace: ({ path, bytes, cache, random }) => {
      const ahead = (25 + random(100_000)) * HOUR
      return only(path, signedBy(signerOf(path, cache), statementOf(bytes), ahead))
    },
  },
  'stalls before the head': { on: ANY, isSlow: true, answer: () => undefined },
  'stalls in the body': {
    on: ANY,
    isSlow: true,
    answer: ({ request, response, bytes }, { random }) => {
      const { head, part } = partOf(bytes, request)
      response.writeHead(head.status, head.headers)
      response.write(part.subarray(0, random(Math.max(1, part.length))))
    },
  },
  'sends a byte now and then': {
    on: ANY,
    isSlow: true,
    answer: ({ request, response, bytes }) => {
      const { head, part } = partOf(bytes, request)
      response.writeHead(head.status, head.headers).flushHeaders()
      let at = 0
      const timer = setInterval(() => response.write(part.subarray(at, ++at)), 50)
      response.on('close', () => clearInterval(timer))
    },
  },
  'sends without end': {
    on: ['mixos-cache.json', 'trace/', 'pack/'],
    answer: endless,
  },
  // Of which a reader takes 64 MiB before it is too much.
  'sends an index without end': { on: ['object/'], isSlow: true, answer: endless },
  'announces too much': {
    on: ANY,
    answer: ({ response }) => {
      response.writeHead(200, { 'content-length': String(2 ** 40) }).flushHeaders()
    },
  },
  'sends a bomb': { on: ['object/'], replace: scene => bomb(scene, BOMB) },
  'sends a bomb with a large window': {
    on: ['object/'],
    replace: scene => bomb(scene, WINDOW_BOMB),
  },
  'nests without end': {
    on: ['mixos-cache.json', 'trace/', 'object/'],
    replace: ({ path, bytes, random }) => {
      const data = JSON.parse(Buffer.from(bytes).toString())
      const fields = Object.keys(data)
      const field = fields[random(fields.length)] as string
      const text = JSON.stringify({ ...data, [field]: 'here' })
      // As deep as each of them may be large.
      const depth = path.startsWith('trace/') ? 30_000 : path.startsWith('object/') ? 20_000 : 1900
      const nested = '['.repeat(depth) + ']'.repeat(depth)
      return only(path, Buffer.from(text.replace('"here"', nested)))
    },
  },
  'is of another format': {
    on: ['mixos-cache.json', 'trace/', 'object/'],
    replace: ({ path, bytes }) => {
      const text = Buffer.from(bytes).toString()
      return only(path, Buffer.from(text.replace(/(?<="format":"[a-z-]*)1"/, '2"')))
    },
  },
  'redirects to itself': {
    on: ANY,
    answer: ({ request, response }) => {
      response.writeHead(302, { location: request.url ?? '' }).end()
    },
  },
  'redirects to another origin': {
    on: ANY,
    isHarmless: true,
    answer: ({ request, response, asked, elsewhere }) => {
      const [, mount] = (request.url ?? '').split('/')
      response.writeHead(307, { location: `${elsewhere}/${mount}/honest/${asked}` }).end()
    },
  },
  'redirects to a file': {
    on: ANY,
    answer: ({ response }) => {
      response.writeHead(301, { location: 'file:///etc/passwd' }).end()
    },
  },
  'answers 500': { on: ANY, answer: answers(500) },
  'answers 503': { on: ANY, isSlow: true, answer: answers(503) },
  'answers 429': { on: ANY, isSlow: true, answer: answers(429) },
  'answers 401': { on: ANY, answer: answers(401) },
  'answers 403': { on: ANY, answer: answers(403) },
  'answers 404': { on: ANY, answer: answers(404) },
  'answers 204': { on: ANY, answer: answers(204) },
  'answers 206 to all': {
    on: ANY,
    answer: ({ response, bytes = NOTHING }, { random }) => {
      const from = random(bytes.length)
      const range = `bytes ${from}-${bytes.length - 1}/${bytes.length}`
      response.writeHead(206, { 'content-range': range }).end(bytes.subarray(from))
    },
  },
  'sends another range': {
    on: PARTS,
    answer: ({ request, response, bytes }, { random }) => {
      const { part, from } = partOf(bytes, request)
      const start = from + 1 + random(1000)
      const range = `bytes ${start}-${start + part.length - 1}/${start + part.length}`
      response.writeHead(206, { 'content-range': range }).end(part)
    },
  },
  'knows no ranges': {
    on: PARTS,
    isHarmless: true,
    answer: ({ response, bytes }) => void response.end(bytes),
  },
  'compresses what it sends': {
    on: ANY,
    answer: ({ request, response, bytes }) => {
      const { head, part } = partOf(bytes, request)
      const { 'content-length': _, ...headers } = head.headers
      response.writeHead(head.status, { ...headers, 'content-encoding': 'gzip' }).end(part)
    },
  },
  'shouts in its headers': {
    on: ANY,
    answer: ({ request, response, bytes }, { random }) => {
      const { head, part } = partOf(bytes, request)
      const shout = `\x9b2J${'long '.repeat(1000)}`
      const other = random(2) ? { 'content-encoding': shout } : { 'content-range': shout }
      response.writeHead(206, { ...head.headers, ...other }).end(part)
    },
  },
  'is a web page': {
    on: ANY,
    answer: ({ response }) => {
      response.writeHead(200, { 'content-type': 'text/html' }).end('<html>log in</html>')
    },
  },
  'hangs up': { on: ANY, answer: ({ response }) => void response.socket?.resetAndDestroy() },
  'is no HTTP': {
    on: ANY,
    answer: ({ response }) => void response.socket?.end('SSH-2.0-OpenSSH_10.0\r\n'),
  },
} as const satisfies Record<string, FaultType>

export type FaultKind = keyof typeof FAULTS

const kinds = Object.keys(FAULTS) as FaultKind[]
const typeOf = (kind: FaultKind): FaultType => FAULTS[kind]
/** Faults for which a reader waits are those of the seeds that this divides. */
export const SLOW_EVERY = 40
const SLOW_KINDS = kinds.filter(kind => typeOf(kind).isSlow)
const FAST_KINDS = kinds.filter(kind => !typeOf(kind).isSlow)

const STRANGER = fixedKey('stranger', '3')
const HOUR = 3_600_000
const NOTHING = Buffer.alloc(0)
const ENDLESS = Buffer.alloc(64 << 10, 'endless ')
const BOMB = zstdCompressSync(Buffer.alloc(64 << 20))
/** A frame whose head asks for a window of 2 GiB. */
const WINDOW_BOMB = Buffer.from('28b52ffd00a8010000', 'hex')

function prepared(fault: Fault, cache: HonestCache): Commit {
  const { kind, path } = fault
  const random = randomOf(fault.seed)
  const scene: Scene = { path, cache, random, bytes: cache.files.get(path) ?? NOTHING }
  const { replace, answer } = typeOf(kind)
  if (answer) return { answer: asked => answer(asked, scene) }
  const replaced = replace?.(scene) ?? new Map()
  return {
    answer: ({ request, response, asked }) => sendFile(replaced.get(asked), request, response),
    extra: new Set(replaced.keys()),
  }
}

function only(path: string, bytes: Uint8Array): ReadonlyMap<string, Uint8Array> {
  return new Map([[path, bytes]])
}

/** Another file of the same kind, or the same one where there is no other. */
function another(path: string, { files }: HonestCache, random: Scene['random']): string {
  const kind = path.split('/')[0] ?? ''
  const others = [...files.keys()].filter(other => other !== path && other.startsWith(kind))
  return others[random(others.length)] ?? path
}

function partsOf(path: string): { hash: string; signer: string } {
  const [, hash = '', name = ''] = path.split('/')
  return { hash, signer: name.replace('.json', '') }
}

function signerOf(path: string, { signers }: HonestCache): SecretKey {
  return signers.find(key => key.public.id === partsOf(path).signer) as SecretKey
}

function statementOf(bytes: Uint8Array): Statement {
  const { label, derivation, resolved, outputs }: SignedTrace = JSON.parse(
    Buffer.from(bytes).toString(),
  )
  return { label, derivation, resolved, outputs }
}

/** The statement with one thing changed that it says. */
function lie(statement: Statement, { files }: HonestCache, random: Scene['random']): Statement {
  const paths = [...files.keys()].filter(path => path.startsWith('trace/'))
  const path = paths[random(paths.length)] as string
  const other = statementOf(files.get(path) as Uint8Array)
  const [name = 'out', output] = Object.entries(other.outputs)[0] ?? []
  const label = output?.path.slice(33) ?? ''
  if (random(2) && output) return { ...statement, label, outputs: { [name]: output } }
  const hash = random(2 ** 31)
    .toString(16)
    .padStart(64, '0')
  return random(2)
    ? { ...statement, derivation: hash as DerivationHash }
    : { ...statement, resolved: hash as ResolvedHash }
}

function signedBy(key: SecretKey, statement: Statement, later = 0): Buffer {
  return Buffer.from(formatSignedTrace(signTrace(statement, key, Date.now() + later)))
}

/** An index that leads to the bomb, which lies at the end of a pack. */
function bomb({ path, bytes, cache }: Scene, frame: Buffer): ReadonlyMap<string, Uint8Array> {
  const index = JSON.parse(Buffer.from(bytes).toString())
  const pack = `pack/${index.packs[0]}.pack`
  const before = cache.files.get(pack) ?? NOTHING
  const at = before.length
  index.frames = index.frames.map(([, , , size]: number[]) => [0, at, frame.length, size])
  return new Map([
    [path, Buffer.from(JSON.stringify(index))],
    [pack, Buffer.concat([before, frame])],
  ])
}

function endless({ request, response, bytes }: Asked): void {
  response.write(partOf(bytes, request).part)
  const more = (): void => {
    if (!response.destroyed) response.write(ENDLESS, () => setImmediate(more))
  }
  more()
}

function answers(status: number): (asked: Asked) => void {
  return ({ response }) => void response.writeHead(status).end()
}

interface Part {
  readonly head: { readonly status: number; readonly headers: Record<string, string> }
  readonly part: Uint8Array
  readonly from: number
}

function partOf(bytes: Uint8Array = NOTHING, { headers }: IncomingMessage): Part {
  const range = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '')
  const [from, to] = range ? [Number(range[1]), Number(range[2])] : [0, bytes.length - 1]
  const part = bytes.subarray(from, to + 1)
  const length = { 'content-length': String(part.length) }
  if (!range) return { head: { status: 200, headers: length }, part, from }
  const got = `bytes ${from}-${from + part.length - 1}/${bytes.length}`
  return { head: { status: 206, headers: { ...length, 'content-range': got } }, part, from }
}

function sendFile(
  bytes: Uint8Array | undefined,
  request: IncomingMessage,
  response: ServerResponse,
): void {
  const { head, part, from } = partOf(bytes, request)
  if (!bytes) response.writeHead(404).end()
  else if (request.headers.range && from >= bytes.length) response.writeHead(416).end()
  else response.writeHead(head.status, head.headers).end(part)
}

async function listening(server: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}
