import type { Host } from '../host.ts'

/** Bytes of a memory page on x86-64. */
const PAGE = 4096

/**
 * The memory that the process and all that descend from it hold for themselves, in bytes. What they
 * share with each other or with files counts nowhere: a thousand compilers map one compiler.
 */
export function memoryOfTree(host: Host, pid: number): number {
  let bytes = 0
  const found = [pid]
  for (let next = found.pop(); next !== undefined; next = found.pop()) {
    bytes += memoryOf(host, next)
    found.push(...childrenOf(host, next))
  }
  return bytes
}

/** The machine's memory, in bytes. */
export function physicalMemory(host: Host): number {
  const text = host.files.read('/proc/meminfo')?.toString() ?? ''
  return Number(/^MemTotal: +(\d+) kB$/m.exec(text)?.[1] ?? Number.POSITIVE_INFINITY) * 1024
}

function memoryOf(host: Host, pid: number): number {
  const [, resident = 0, shared = 0] = numbersIn(host, `/proc/${pid}/statm`)
  return (resident - shared) * PAGE
}

function childrenOf(host: Host, pid: number): number[] {
  const tasks = ifAlive(() => host.files.list(`/proc/${pid}/task`)) ?? []
  return tasks.flatMap(task => numbersIn(host, `/proc/${pid}/task/${task}/children`))
}

function numbersIn(host: Host, path: string): number[] {
  const text = ifAlive(() => host.files.read(path))
    ?.toString()
    .trim()
  return text ? text.split(' ').map(Number) : []
}

// A process may end between being found and being looked at.
function ifAlive<T>(look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw error
  }
}
