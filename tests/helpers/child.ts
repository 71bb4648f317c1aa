import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { ExecutionContext } from 'ava'

/** Runs a program with its work as JSON. True where it ended well, false where it was killed; else it throws. */
export async function endsWell(program: string, work: unknown): Promise<boolean> {
  const child = spawn(process.execPath, [program, JSON.stringify(work)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const [code, signal] = await once(child, 'close')
  if (code !== 0 && signal !== 'SIGKILL') throw new Error(`the child ended with ${code ?? signal}`)
  return code === 0
}

/** A process that has run a module's text, and holds what it took until it is killed. */
export async function holder(t: ExecutionContext, text: string): Promise<ChildProcess> {
  const script = `${text}
    console.log('held')
    setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  t.teardown(() => child.kill('SIGKILL'))
  const ended = once(child, 'close').then(([code, signal]) => {
    throw new Error(`the child ended with ${code ?? signal} before it held anything`)
  })
  await Promise.race([once(child.stdout, 'data'), ended])
  return child
}

/** What a promise is rejected with, if it is. */
export async function errorOf(work: Promise<unknown>): Promise<unknown> {
  try {
    await work
    return undefined
  } catch (error) {
    return error
  }
}
