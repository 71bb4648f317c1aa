import type { Host } from '../../host.ts'
import type { Environment } from './http-client.ts'

/** Milliseconds: a program that keeps credentials may ask a key ring, or the user. */
const PATIENCE = 20_000

/** Runs a program of the user's, and gathers what it prints. Rejects with Node's own error where it cannot be started. */
export function outputOf(
  { processes }: Pick<Host, 'processes'>,
  [program, ...args]: readonly [string, ...string[]],
  { env, input = '' }: { env: Environment; input?: string },
): Promise<{ code: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = processes.spawn(program, args, {
      env: { ...env },
      stdio: ['pipe', 'pipe', 'ignore'],
      timeout: PATIENCE,
    })
    const chunks: Buffer[] = []
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.on('error', reject)
    child.on('close', code => resolve({ code, output: Buffer.concat(chunks).toString() }))
    // One that is gone before it read says so by its exit code.
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input)
  })
}
