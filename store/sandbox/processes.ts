import type { Host } from '../host.ts'

/** What a build sees in memory, as a file system of its own. */
const IN_MEMORY = ['tmp', 'dev/shm']

/**
 * Whether a build uses more memory than that, in bytes; `pid` is its bubblewrap. What its processes hold for themselves
 * counts, in memory or swapped out, and what they share without a file, once; so does every file in its /tmp and
 * /dev/shm, and again where it is mapped. What is mapped from other files counts nowhere: a thousand compilers map one
 * compiler. Nor does a memfd that nobody has mapped.
 *
 * Where one process may not look at another, as in some containers, files do not count, and what is shared counts for
 * each process.
 */
export function usesMore(host: Host, pid: number, bytes: number): boolean {
  const processes = treeOf(host, pid)
  const left = bytes - filesInMemory(host, pid)
  const total = (of: (host: Host, pid: number) => number): number =>
    processes.reduce((sum, process) => sum + of(host, process), 0)
  // Shares are told by a walk through all pages: not to be done each second for thousands of processes.
  return total(mostOf) > left && total(shareOf) > left
}

/** The machine's memory and its swap, in bytes. */
export function machineMemory(host: Host): number {
  const fields = fieldsOf(host, '/proc/meminfo')
  const total = fields?.get('MemTotal')
  return total === undefined ? Number.POSITIVE_INFINITY : total + (fields?.get('SwapTotal') ?? 0)
}

/** A process and all that descend from it. */
function treeOf(host: Host, pid: number): number[] {
  const found = [pid]
  for (const next of found) found.push(...childrenOf(host, next))
  return found
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

/** With all that it shares. */
function mostOf(host: Host, pid: number): number {
  return sumOf(fieldsOf(host, `/proc/${pid}/status`), ['RssAnon', 'RssShmem', 'VmSwap'])
}

/** With its part of what it shares. */
function shareOf(host: Host, pid: number): number {
  const fields = ifAllowed(() => fieldsOf(host, `/proc/${pid}/smaps_rollup`))
  if (!fields) return mostOf(host, pid)
  return sumOf(fields, ['Pss_Anon', 'Pss_Shmem', 'SwapPss'])
}

function filesInMemory(host: Host, bubblewrap: number): number {
  // Its only child: process 1 of the build.
  const [first] = childrenOf(host, bubblewrap)
  if (first === undefined) return 0
  const used = IN_MEMORY.map(path => {
    const at = (pid: number): string => `/proc/${pid}/root/${path}`
    const device = (pid: number): number | undefined => host.files.lstat(at(pid))?.dev
    // Until it has a root of its own, these are the host's.
    const isOwn = (): boolean => device(first) !== device(bubblewrap)
    return ifAllowed(() => ifAlive(() => (isOwn() ? host.files.usedBytes(at(first)) : 0))) ?? 0
  })
  return used.reduce((sum, bytes) => sum + bytes, 0)
}

/** Lines such as `VmSwap:  12 kB`, in bytes; undefined where there is no such process. */
function fieldsOf(host: Host, path: string): ReadonlyMap<string, number> | undefined {
  const text = ifAlive(() => host.files.read(path))?.toString()
  if (text === undefined) return undefined
  const lines = text.matchAll(/^(\w+):[ \t]+(\d+) kB$/gm)
  return new Map([...lines].map(([, name = '', kib]) => [name, Number(kib) * 1024]))
}

/** A process that has ended, and one without memory of its own, has none of the fields. */
function sumOf(fields: ReadonlyMap<string, number> | undefined, names: readonly string[]): number {
  return names.reduce((sum, name) => sum + (fields?.get(name) ?? 0), 0)
}

// A process may end between being found and being looked at.
const ifAlive = <T>(look: () => T): T | undefined => unless(['ENOENT', 'ESRCH'], look)
const ifAllowed = <T>(look: () => T): T | undefined => unless(['EACCES', 'EPERM'], look)

function unless<T>(codes: readonly string[], look: () => T): T | undefined {
  try {
    return look()
  } catch (error) {
    if (codes.includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}
