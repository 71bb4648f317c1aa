import { join } from 'node:path'
import type { Host } from '../host.ts'
import { seccompFilter } from './seccomp.ts'
import type { Spawner } from './spawner.ts'
import type { SandboxTools } from './tools.ts'

/** What the sandboxes of one process have in common. */
export interface Bench {
  readonly host: Host
  readonly tools: SandboxTools
  readonly spawner: Spawner
  /** A directory of ours alone, which every user may enter who gets to it. */
  readonly directory: string
  /** True if builds run as another user than we do. */
  readonly drops: boolean
}

/** The files of one sandbox at a time, which are written anew for the next. */
export interface Place {
  readonly slot: number
  readonly pipe: string
  readonly report: string
  readonly arguments: string
}

export function placeOf({ directory }: Bench, slot: number): Place {
  const at = (name: string): string => join(directory, `${name}-${slot}`)
  return { slot, pipe: at('pipe'), report: at('report'), arguments: at('arguments') }
}

export const etcOf = ({ directory }: Bench): string => join(directory, 'etc')
export const filterOf = ({ directory }: Bench): string => join(directory, 'seccomp')

/** Writes what every sandbox of this process uses. */
export function prepare(bench: Bench): void {
  const { files } = bench.host
  files.makeDirectory(etcOf(bench))
  files.changeMode(etcOf(bench), 0o755)
  for (const [name, lines] of Object.entries(ETC)) {
    const path = join(etcOf(bench), name)
    files.writeNew(path, `${lines.join('\n')}\n`)
    files.changeMode(path, 0o444)
  }
  files.writeNew(filterOf(bench), seccompFilter())
}

const ETC = {
  passwd: [
    'root:x:0:0:root:/:/noshell',
    'builder:x:1000:100:builder:/homeless:/noshell',
    'nobody:x:65534:65534:nobody:/:/noshell',
  ],
  group: ['root:x:0:', 'users:x:100:', 'nogroup:x:65534:'],
  hosts: ['127.0.0.1 localhost', '::1 localhost'],
}
