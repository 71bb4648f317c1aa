import { type Threads, threadsOf } from '../threads.ts'
import type { Task } from './restore-files.ts'
import type { Problem } from './restore-thread.ts'

/** One for each processor; they work on the real machine alone. */
export function restoreThreads(cpus: number): Threads<Task, Problem | undefined> {
  return threadsOf(new URL('./restore-thread.ts', import.meta.url), cpus)
}
