import { join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'
import { memoryOfTree, physicalMemory } from './processes.ts'

/** What a build may use. */
export interface Limits {
  /** From start to end. */
  readonly seconds: number
  /** Without a byte of output. */
  readonly silentSeconds: number
  readonly logBytes: number
  /** Of all its processes together, and never more than the machine has; looked at once a second. */
  readonly memoryBytes: number
  readonly processes: number
  /** In the directories it writes to; looked at when the disk has shrunk by that much. */
  readonly diskBytes?: number
}

export interface Watched {
  readonly limits: Limits
  /** The process that all others descend from, from when it is known. */
  readonly pid: () => number | undefined
  readonly directories: readonly string[]
  /** Called once, with BUILD_LIMIT, or with why we could not look. */
  readonly onFailed: (error: unknown) => void
}

const INTERVAL = 1000

/** Watches a running build. `output` is to be called for what it writes, and `stop` when it has ended. */
export function watch(
  host: Host,
  { limits, pid, directories, onFailed }: Watched,
): { output(bytes: number): void; stop(): void } {
  const start = host.now()
  const free = limits.diskBytes === undefined ? 0 : host.files.freeSpace(directories[0] as string)
  let heard = start
  let written = 0

  let hasFailed = false

  const fail = (error: unknown): void => {
    clearInterval(timer)
    if (!hasFailed) onFailed(error)
    hasFailed = true
  }
  const exceeded = (message: string, hint: string): void =>
    fail(new MixosError('BUILD_LIMIT', message, { hint }))
  const memoryLimit = (): number => Math.min(limits.memoryBytes, physicalMemory(host))
  const memoryBytes = (): number => {
    const root = pid()
    return root === undefined ? 0 : memoryOfTree(host, root)
  }
  const check = (): void => {
    const now = host.now()
    if (now - start >= limits.seconds * 1000) {
      exceeded(
        `the build ran for ${limits.seconds} s, which is its limit of time`,
        'look in its log for what it was doing, or split it into smaller steps',
      )
    } else if (now - heard >= limits.silentSeconds * 1000) {
      exceeded(
        `the build printed nothing for ${limits.silentSeconds} s, which is its limit of silence`,
        'it may wait for something that never comes; if not, let it print its progress',
      )
    } else if (memoryBytes() > memoryLimit()) {
      exceeded(
        `the build used more than ${memoryLimit()} bytes of memory, which is its limit`,
        'let it run fewer processes at once, or build it on a machine with more memory',
      )
    } else if (isDiskExceeded()) {
      exceeded(
        `the build wrote more than ${limits.diskBytes} bytes to disk, which is its limit`,
        'look in its log for what it was writing',
      )
    }
  }
  // Measuring what was written takes long, so the shrinking of the whole disk is looked at first.
  const isDiskExceeded = (): boolean =>
    limits.diskBytes !== undefined &&
    free - host.files.freeSpace(directories[0] as string) > limits.diskBytes &&
    directories.reduce((sum, path) => sum + sizeOf(host, path), 0) > limits.diskBytes

  const timer = setInterval(() => {
    try {
      check()
    } catch (error) {
      fail(error)
    }
  }, INTERVAL)
  return {
    output: bytes => {
      heard = host.now()
      written += bytes
      if (written > limits.logBytes) {
        exceeded(
          `the build printed more than ${limits.logBytes} bytes, which is its limit of log`,
          'let it print less',
        )
      }
    },
    stop: () => clearInterval(timer),
  }
}

/** Allocated bytes. What vanishes or is closed to us while we look counts nothing. */
function sizeOf(host: Host, path: string): number {
  try {
    const stats = host.files.lstat(path)
    if (!stats) return 0
    const own = stats.blocks * 512
    if (!stats.isDirectory()) return own
    return host.files.list(path).reduce((sum, name) => sum + sizeOf(host, join(path, name)), own)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'EACCES' || code === 'ENOTDIR') return 0
    throw error
  }
}
