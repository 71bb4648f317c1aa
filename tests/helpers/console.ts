import { type ChildProcess, spawn } from 'node:child_process'

/** A program driven through its standard input and output, as a person at a serial console would. */
export interface Console {
  /** Resolves with all output since the last match, once it ends in a match. Rejects after `seconds`. */
  until(pattern: RegExp, seconds: number): Promise<string>
  send(line: string): void
  /** Resolves with the exit code. Rejects after `seconds`. */
  exit(seconds: number): Promise<number | null>
  kill(): void
}

export function openConsole(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv,
): Console {
  const child: ChildProcess = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] })
  let seen = ''
  let errors = ''
  let check = (): void => undefined
  child.stdout?.on('data', (chunk: Buffer) => {
    seen += chunk.toString('latin1')
    check()
  })
  child.stderr?.on('data', (chunk: Buffer) => {
    errors += chunk.toString()
  })
  const ended = new Promise<number | null>(resolve => child.on('close', resolve))

  const within = <T>(seconds: number, what: string, promise: Promise<T>): Promise<T> => {
    const late = new Promise<never>((_, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no ${what} within ${seconds} s; seen:\n${seen}\n${errors}`)),
        seconds * 1000,
      )
      timer.unref()
    })
    return Promise.race([promise, late])
  }

  return {
    until: (pattern, seconds) => {
      const found = new Promise<string>((resolve, reject) => {
        check = () => {
          const match = pattern.exec(seen)
          if (!match) return
          const output = seen.slice(0, match.index + match[0].length)
          seen = seen.slice(output.length)
          check = () => undefined
          resolve(output)
        }
        void ended.then(code =>
          reject(new Error(`ended with ${code} before ${pattern}:\n${seen}\n${errors}`)),
        )
        check()
      })
      return within(seconds, String(pattern), found)
    },
    send: line => void child.stdin?.write(`${line}\n`),
    exit: seconds => within(seconds, 'exit', ended),
    kill: () => void child.kill('SIGKILL'),
  }
}
