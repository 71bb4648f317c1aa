// Run by hand, on a machine with nothing else to do: node tests/bench/serve.ts
// What `mixos cache serve` does beside the least that any server does, each in a process on one core while the
// client has another. Rounds alternate, and the best of each counts.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { connect as connectHttp2 } from 'node:http2'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { connect as connectSecurely } from 'node:tls'
import { saveMemory } from '../../cli/serving.ts'
import { serveCache } from '../../store/cache/serve.ts'
import { nodeHost } from '../../store/hosts/node.ts'

const SMALL = `object/${'a'.repeat(32)}.json`
const LARGE = `pack/${'a'.repeat(64)}.pack`
const SMALL_BYTES = 2000
const LARGE_BYTES = 64 << 20
const ROUNDS = 3
const SECONDS = 2
const pem = readFileSync(join(import.meta.dirname, '../fixtures/localhost.pem'), 'utf8')

type Kind = 'serve' | 'serve-tls' | 'hello' | 'cat'

const [kind, served = ''] = process.argv.slice(2) as [Kind?, string?]
if (kind) console.log(await serverOf(kind, served))
else await compare()

/** Starts one of the servers and gives its port. */
async function serverOf(kind: Kind, directory: string): Promise<number> {
  if (kind === 'hello') {
    const body = Buffer.alloc(SMALL_BYTES, 'x')
    const server = createServer((_, response) => response.end(body))
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }
  if (kind === 'cat') {
    const head = `HTTP/1.1 200 OK\r\ncontent-length: ${LARGE_BYTES}\r\n\r\n`
    const server = createTcpServer(socket => {
      socket.on('error', () => undefined)
      socket.on('data', () => {
        socket.write(head, () => {
          const file = openSync(join(directory, LARGE), 'r')
          spawn('cat', { stdio: [file, socket, 'ignore'] })
          closeSync(file)
        })
      })
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    return (server.address() as AddressInfo).port
  }
  saveMemory()
  const { url } = await serveCache({
    host: nodeHost,
    directory,
    address: '127.0.0.1',
    port: 0,
    signal: new AbortController().signal,
    ...(kind === 'serve-tls' && { tls: { key: pem, cert: pem } }),
  })
  return Number(new URL(url).port)
}

async function compare(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'mixos-bench-'))
  for (const name of ['object', 'pack']) mkdirSync(join(directory, name))
  writeFileSync(join(directory, SMALL), Buffer.alloc(SMALL_BYTES, 'x'))
  writeFileSync(join(directory, LARGE), Buffer.alloc(LARGE_BYTES, 'some text '))
  const children: ChildProcess[] = []
  const start = async (kind: Kind): Promise<number> => {
    const child = startOnOneCore(kind, directory)
    children.push(child)
    return Number(await new Promise(resolve => child.stdout?.once('data', resolve)))
  }
  try {
    const serve = await start('serve')
    const secure = await start('serve-tls')
    const hello = await start('hello')
    const cat = await start('cat')
    const [plain, overTls] = children.map(({ pid }) => pid)
    const peaks = (): string =>
      [plain, overTls]
        .map(pid => /VmHWM:\s*(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1])
        .join(', ')
    console.log(
      'work                                                  here   floor   ratio  kB at most, without and with TLS',
    )
    await row(peaks, 'small reads a second, 16 connections', {
      here: () => smallReads(serve),
      floor: () => smallReads(hello),
    })
    await row(peaks, 'large reads, MB/s, one connection', {
      here: () => largeReads(serve, 1),
      floor: () => largeReads(cat, 1),
    })
    await row(peaks, 'large reads, MB/s, 8 connections', {
      here: () => largeReads(serve, 8),
      floor: () => largeReads(cat, 8),
    })
    await row(peaks, 'large reads over TLS, MB/s (floor: without)', {
      here: () => largeReads(secure, 1, 'tls'),
      floor: () => largeReads(serve, 1),
    })
    await row(peaks, 'large reads over HTTP/2, MB/s (floor: TLS alone)', {
      here: () => largeReadsOverHttp2(secure),
      floor: () => largeReads(secure, 1, 'tls'),
    })
    const silent = (): Promise<number> => besideSilent(serve, () => smallReads(serve))
    await row(peaks, 'small reads beside 300 silent clients', {
      here: silent,
      floor: () => smallReads(serve),
    })
  } finally {
    for (const child of children) child.kill()
    rmSync(directory, { recursive: true })
  }
}

function startOnOneCore(kind: Kind, directory: string): ChildProcess {
  const command = [process.execPath, import.meta.filename, kind, directory]
  const isShared = availableParallelism() < 2
  if (!isShared)
    execFileSync('taskset', ['-p', '-c', '1', String(process.pid)], { stdio: 'ignore' })
  const [program = '', ...args] = isShared ? command : ['taskset', '-c', '0', ...command]
  return spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
}

async function row(
  peaks: () => string,
  work: string,
  { here, floor }: Record<'here' | 'floor', () => Promise<number>>,
): Promise<void> {
  let [best, least] = [0, 0]
  for (let round = 0; round < ROUNDS; round++) {
    best = Math.max(best, await here())
    least = Math.max(least, await floor())
  }
  const columns = [best.toFixed(0), least.toFixed(0), (best / least).toFixed(2)]
  console.log(work.padEnd(50), ...columns.map(text => text.padStart(7)), '', peaks())
}

async function smallReads(port: number): Promise<number> {
  const head = headOf(SMALL)
  const count = await during(16, (onRead, isOver) => {
    const socket = connect({ port, host: '127.0.0.1' })
    let length = 0
    let whole = Number.POSITIVE_INFINITY
    socket.on('data', data => {
      if (length === 0) whole = data.indexOf('\r\n\r\n') + 4 + SMALL_BYTES
      length += data.length
      if (length < whole) return
      length = 0
      onRead(1)
      if (!isOver()) socket.write(head)
    })
    socket.write(head)
    return () => socket.destroy()
  })
  return count / SECONDS
}

async function largeReads(port: number, width: number, how?: 'tls'): Promise<number> {
  const bytes = await during(width, (onRead, isOver) => {
    let left = LARGE_BYTES
    const buffer = Buffer.allocUnsafe(1 << 20)
    const onBytes = (length: number): void => {
      onRead(length)
      left -= length
      if (left > 0) return
      left = LARGE_BYTES
      if (!isOver()) restart()
    }
    let socket: Socket | undefined
    const restart = (): void => {
      // A new connection for each, since `cat` ends its own.
      socket?.destroy()
      const options = { port, host: '127.0.0.1' }
      const onread = {
        buffer,
        callback: (length: number): boolean => {
          onBytes(length)
          return true
        },
      }
      if (how === 'tls') {
        socket = connectSecurely({ ...options, ca: pem }).on('data', data => onBytes(data.length))
      } else socket = connect({ ...options, onread })
      socket.on('error', () => undefined)
      socket.write(headOf(LARGE))
    }
    restart()
    return () => socket?.destroy()
  })
  return bytes / SECONDS / 1e6
}

async function largeReadsOverHttp2(port: number): Promise<number> {
  const window = 16 << 20
  const session = connectHttp2(`https://localhost:${port}`, {
    ca: pem,
    settings: { initialWindowSize: window },
  })
  session.on('connect', () => session.setLocalWindowSize(window))
  const bytes = await during(4, (onRead, isOver) => {
    const next = (): void => {
      const stream = session.request({ ':path': `/${LARGE}` })
      stream.on('data', data => onRead(data.length))
      stream.on('error', () => undefined)
      stream.on('end', () => {
        if (!isOver()) next()
      })
    }
    next()
    return () => session.destroy()
  })
  return bytes / SECONDS / 1e6
}

/** The rate of others while these connections begin a request and never go on, and come back when sent away. */
async function besideSilent(port: number, action: () => Promise<number>): Promise<number> {
  const open = new Set<Socket>()
  let isOver = false
  const hold = (localAddress: string): void => {
    const socket = connect({ port, host: '127.0.0.1', localAddress })
    open.add(socket.on('error', () => undefined))
    socket.write('GET / HTTP/1.1\r\nhost:')
    socket.on('close', () => {
      open.delete(socket)
      if (!isOver) setTimeout(hold, 100, localAddress)
    })
  }
  for (let n = 0; n < 300; n++) hold(`127.0.1.${1 + (n % 10)}`)
  try {
    return await action()
  } finally {
    isOver = true
    for (const socket of open) socket.destroy()
  }
}

/** What `width` clients read in the time, by their own count. */
async function during(
  width: number,
  start: (onRead: (count: number) => void, isOver: () => boolean) => () => void,
): Promise<number> {
  let total = 0
  let isOver = false
  const began = performance.now()
  const onRead = (count: number): void => {
    if (!isOver) total += count
  }
  const stops = Array.from({ length: width }, () => start(onRead, () => isOver))
  await new Promise(resolve => setTimeout(resolve, SECONDS * 1000))
  const seconds = (performance.now() - began) / 1000
  isOver = true
  for (const stop of stops) stop()
  return (total * SECONDS) / seconds
}

function headOf(path: string): string {
  return `GET /${path} HTTP/1.1\r\nhost: localhost\r\n\r\n`
}
