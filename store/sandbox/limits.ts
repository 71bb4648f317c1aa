import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'
import { machineMemory, usesMore } from './processes.ts'

/** What a build may use. */
export interface Limits {
  /** From start to end, without the time in which the machine was suspended. */
  readonly seconds: number
  /** Without a byte of output. */
  readonly silentSeconds: number
  readonly logBytes: number
  /**
   * Of all its processes together, and of what they keep in /tmp and /dev/shm, and never more than nine tenths of what
   * the machine has with its swap; looked at once a second.
   */
  readonly memoryBytes: number
  readonly processes: number
}

export interface Watched {
  readonly limits: Limits
  /** The process that all others descend from, from when it is known. */
  readonly pid: () => number | undefined
  /** Called once, with BUILD_LIMIT, or with why we could not look. */
  readonly onFailed: (error: unknown) => void
}

const INTERVAL = 1000
// Below what makes the kernel choose what to kill.
const SHARE = 0.9

/** Watches a running build. `output` is to be called for what it writes, and `stop` when it has ended. */
export function watch(
  host: Host,
  { limits, pid, onFailed }: Watched,
): { output(bytes: number): void; stop(): void } {
  const start = host.uptime()
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
  const memoryLimit = (): number =>
    Math.min(limits.memoryBytes, Math.floor(SHARE * machineMemory(host)))
  const usesTooMuch = (): boolean => {
    const root = pid()
    return root !== undefined && usesMore(host, root, memoryLimit())
  }
  const check = (): void => {
    const now = host.uptime()
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
    } else if (usesTooMuch()) {
      exceeded(
        `the build used more than ${memoryLimit()} bytes of memory, which is its limit`,
        'let it run fewer processes at once, or build it on a machine with more memory',
      )
    }
  }

  const timer = setInterval(() => {
    try {
      check()
    } catch (error) {
      fail(error)
    }
  }, INTERVAL)
  return {
    output: bytes => {
      heard = host.uptime()
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
