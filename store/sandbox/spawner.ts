import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Host } from '../host.ts'
import { unavailable } from './unavailable.ts'

/**
 * Starts processes from a small process of its own. Node copies the page tables of all its memory for each
 * child that it starts, and waits meanwhile: some 50 µs for each MB that it holds.
 */
export interface Spawner {
  /** Runs a script of the shell in a process of its own, which may replace itself by `exec`. */
  start(script: string): Job
  /** Kills what still runs. */
  [Symbol.dispose](): void
}

export interface Job {
  /** The process that runs the script, from when it is known. */
  readonly pid: () => number | undefined
  /** Its exit code, 128 and more for a death by a signal. Throws SANDBOX_UNAVAILABLE where it cannot be told. */
  readonly ended: Promise<number>
}

/**
 * Reads the number of a job from each line and runs the script of that number, then tells how it ended. A job's
 * process is waited for by a shell of its own, so that several run at once, and that one by the next job
 * of the same number. The end of the input means that the tool is gone, so nothing of it may stay.
 *
 * First it closes every file that the tool's own parent left open: no job gets to see them.
 */
const SCRIPT = `for fd in /proc/self/fd/*; do
  fd=\${fd##*/}
  [ "$fd" -le 2 ] || eval "exec $fd>&-"
done
while read -r job; do
  eval "last=\\$last_$job"
  [ -z "$last" ] || wait "$last"
  {
    (. "$1/job-$job") &
    echo "$job started $!"
    wait $!
    echo "$job ended $?"
  } &
  eval "last_$job=$!"
done
kill -9 0`

export interface SpawnerOptions {
  /** A command line that runs BusyBox. */
  readonly busybox: readonly string[]
  /** Where that runs. */
  readonly directory: string
  /** Ours alone; holds the scripts of jobs. */
  readonly scratch: string
}

// Of what it complains about.
const SAID = 2000

interface Running {
  pid: number | undefined
  readonly end: (code: number) => void
  readonly fail: (error: unknown) => void
}

export function openSpawner(host: Host, { busybox, directory, scratch }: SpawnerOptions): Spawner {
  const [program = '', ...words] = busybox
  // A process group of its own, which is what `kill 0` is about and what a Ctrl-C in the terminal is not.
  const child = host.processes.spawn(program, [...words, 'sh', '-c', SCRIPT, 'sh', scratch], {
    cwd: directory,
    env: {},
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
  })
  const { stdin, stdout, stderr } = child
  const running = new Map<number, Running>()
  let problem: Error | undefined

  const fail = (error: Error): void => {
    problem ??= error
    for (const job of running.values()) job.fail(problem)
    running.clear()
  }
  child.once('error', fail)
  let said = ''
  stderr?.on('data', (chunk: Buffer) => {
    said = `${said}${chunk}`.slice(0, SAID)
  })
  child.once('close', (code, signal) =>
    fail(unavailable(host, said || (signal ? `killed by ${signal}` : `exit code ${code}`))),
  )
  // The end of the process says why nothing can be written to it.
  stdin?.on('error', () => undefined)
  if (stdout) {
    createInterface({ input: stdout }).on('line', line => {
      const [number, what, value] = line.split(' ')
      const job = running.get(Number(number))
      if (what === 'started' && job) job.pid = Number(value)
      if (what !== 'ended') return
      running.delete(Number(number))
      job?.end(Number(value))
    })
  }

  return {
    start: script => {
      if (problem) throw problem
      let number = 0
      while (running.has(number)) number++
      const path = join(scratch, `job-${number}`)
      host.files.rewrite(path, script)
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      const job: Running = { pid: undefined, end: resolve, fail: reject }
      running.set(number, job)
      stdin?.write(`${number}\n`)
      return { pid: () => job.pid, ended: promise }
    },
    [Symbol.dispose]: () => void stdin?.end(),
  }
}

/** Words of a command line as a shell reads them. */
export function quoted(words: readonly string[]): string {
  return words.map(word => `'${word.replaceAll("'", "'\\''")}'`).join(' ')
}
