import { type Threads, threadsOf } from '../threads.ts'
import type { Task } from './restore-files.ts'

/** One for each processor; they work on the real machine alone. */
export function restoreThreads(cpus: number): Threads<Task, string | undefined> {
  return threadsOf(new URL('./restore-thread.ts', import.meta.url), cpus)
}
