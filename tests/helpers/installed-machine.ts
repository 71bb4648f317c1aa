import { join } from 'node:path'
import { type Console, openConsole } from './console.ts'
import { type Guest, logIn } from './guest.ts'

/** An installed system in a file, started as often as is wanted. */
export interface InstalledMachine {
  /** Resolves at the shell of root, who has logged in. */
  start(...flags: readonly string[]): Promise<Started>
  /** Starts it and resolves once the pattern is on its console. */
  startUntil(pattern: RegExp, seconds: number): Promise<void>
  powerOff(): Promise<number | null>
  /** As when the plug is pulled; no-op for one that is off. */
  cutPower(): Promise<void>
}

export interface Started extends Guest {
  send(line: string): void
}

export function installedMachine(directory: string): InstalledMachine {
  const disk = join(directory, 'machine.disk')
  let running: Console | undefined
  const power = (flags: readonly string[]): Console => {
    const command = ['cli/mixos.ts', 'boot', 'disk', '--keep', disk, ...flags]
    running = openConsole(process.execPath, command, process.env)
    return running
  }
  return {
    start: async (...flags) => {
      const machine = power(flags)
      return { ...(await logIn(machine)), send: machine.send }
    },
    startUntil: async (pattern, seconds) => {
      await power([]).until(pattern, seconds)
    },
    powerOff: async () => {
      running?.send('poweroff')
      return running?.exit(60) ?? null
    },
    cutPower: async () => {
      running?.kill()
      await running?.exit(60)
    },
  }
}
