import { lstatSync, mkdirSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { ExecutionContext } from 'ava'
import { absolute, type StorePath } from '../../graph/store-path.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { type BuildRequest, DEFAULT_LIMITS, openSandbox } from '../../store/sandbox.ts'
import { sandboxTools } from './sandbox-tools.ts'
import { tempDirectory } from './temp-store.ts'

export interface Sandboxed {
  readonly code: number | null
  readonly signal: string | null
  /** What it printed. */
  readonly output: string
  /** Seen inside as /mix/store. */
  readonly storeDirectory: string
  readonly buildDirectory: string
}

/** Runs a script of the static BusyBox, alone in a sandbox; all of its applets are found by name. */
export async function sandboxed(
  t: ExecutionContext,
  script: string,
  changes: Partial<BuildRequest> = {},
  directory = tempDirectory(t),
): Promise<Sandboxed> {
  const tools = await sandboxTools()
  const scratch = join(directory, 'scratch')
  mkdirSync(scratch)
  const { inputs = [], root } = changes
  const shown = [...inputs.map(({ hostPath }) => hostPath), ...(root === undefined ? [] : [root])]
  const readable = shown.map(path =>
    lstatSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path),
  )
  using sandbox = await openSandbox(nodeHost, tools, { scratch, readable })
  const at = (name: string): string => {
    mkdirSync(join(sandbox.directory, name))
    return join(sandbox.directory, name)
  }
  const chunks: Buffer[] = []
  const request: BuildRequest = {
    argv: [SHELL, 'sh', '-c', script],
    env: {},
    storeDirectory: at('store'),
    buildDirectory: at('build'),
    limits: DEFAULT_LIMITS,
    signal: new AbortController().signal,
    onOutput: chunk => chunks.push(chunk),
    ...changes,
    inputs: [{ hostPath: dirname(tools.busybox), path: BUSYBOX }, ...inputs],
  }
  const { storeDirectory, buildDirectory } = request
  const ended = await sandbox.run(request)
  return { ...ended, output: Buffer.concat(chunks).toString(), storeDirectory, buildDirectory }
}

/** A store path of that name, for an input. */
export function pathOf(name: string): StorePath {
  return `${'0'.repeat(32)}-${name}-1` as StorePath
}

const BUSYBOX = pathOf('busybox')
/** The static BusyBox, as it is seen inside. */
export const SHELL = `${absolute(BUSYBOX)}/busybox`
