import { MixosError } from '../../graph/error.ts'
import type { Host } from '../host.ts'
import { CorruptFrame, perform, type Task } from './restore-files.ts'

/** Does tasks, some of them in threads of their own. */
export interface Workers {
  /** Throws CACHE_INVALID where the bytes are not the wanted ones. */
  run(task: Task, where: string): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

// Below this, starting a thread takes longer than the work.
const INLINE_BYTES = 4 << 20

/** Starts threads when there is enough to do. Hosts other than `real` are used in this thread alone. */
export function workersOn(host: Host, { threads }: { threads: boolean }): Workers {
  let seen = 0
  let pool: Promise<import('tinypool').default> | undefined
  const startPool = async (): Promise<import('tinypool').default> => {
    const { Tinypool } = await import('tinypool')
    const filename = new URL('./restore-thread.ts', import.meta.url).href
    return new Tinypool({ filename, minThreads: 1, maxThreads: host.processes.cpus })
  }
  return {
    run: async (task, where) => {
      seen += sizeOf(task)
      if (!threads || seen < INLINE_BYTES) {
        performHere(host, task, where)
        return
      }
      pool ??= startPool()
      const problem: unknown = await (await pool).run(task, { name: 'run' })
      if (typeof problem === 'string') throw corrupt(where, problem)
    },
    [Symbol.asyncDispose]: async () => {
      await (await pool)?.destroy()
    },
  }
}

function performHere(host: Host, task: Task, where: string): void {
  try {
    perform(host, task)
  } catch (error) {
    if (error instanceof CorruptFrame) throw corrupt(where, error.message)
    throw error
  }
}

function corrupt(where: string, problem: string): MixosError {
  return new MixosError('CACHE_INVALID', `${where}: ${problem}`)
}

function sizeOf(task: Task): number {
  switch (task.type) {
    case 'frames':
      return task.frames.reduce((sum, { size }) => sum + size, 0)
    case 'local':
      return task.files.reduce((sum, { file }) => sum + file.size, 0)
    case 'large':
      return task.file.size
  }
}
