import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import test, { type ExecutionContext } from 'ava'
import { nodeHost } from '../../../store/hosts/node.ts'
import { currentGeneration } from '../../../store/target/generations.ts'
import { runInstallScript } from '../../../store/target/install-scripts.ts'
import { installedIn } from '../../../store/target/installed.ts'
import type { Machine } from '../../../store/target/machine.ts'
import { addPackage } from '../../helpers/package.ts'
import { newMachine } from '../../helpers/target-machine.ts'

test('a script is over when its shell is, whatever that leaves running', async t => {
  const { run, machine } = await withScript(
    t,
    'echo started; (sleep 60; echo late) & echo $! >background',
  )
  t.deepEqual(await run(), ['started'])
  const pid = Number(nodeHost.files.read(join(machine.root, 'background')))
  t.notThrows(() => process.kill(pid, 0))
  process.kill(pid, 'SIGKILL')
})

test('a script that takes too long is killed with all it started, and the error says so', async t => {
  const { run, machine } = await withScript(t, 'sleep 60 & echo $! >background; wait')
  await t.throwsAsync(run({ limit: 1 }), {
    code: 'SCRIPT_FAILED',
    message: 'the post-install script of web 1 took longer than 1 s and was killed',
  })
  await t.notThrowsAsync(hasEnded(machine))
})

test('an interruption ends a script with all it started', async t => {
  const { run, machine } = await withScript(t, 'sleep 60 & echo $! >background; echo waits; wait')
  const controller = new AbortController()
  const running = run({
    signal: controller.signal,
    onLine: () => controller.abort(new Error('interrupted')),
  })
  await t.throwsAsync(running, { message: 'interrupted' })
  await t.notThrowsAsync(hasEnded(machine))
})

test('a script that cannot be started has failed', async t => {
  const { run, machine } = await withScript(t, '')
  const { host } = machine.store
  const spawn: typeof host.processes.spawn = (_, args, options) =>
    nodeHost.processes.spawn('/nowhere/sh', args, options)
  const without = { ...machine.store, host: { ...host, processes: { ...host.processes, spawn } } }
  await t.throwsAsync(run({ on: { ...machine, store: without } }), {
    code: 'SCRIPT_FAILED',
    message: 'the post-install script of web 1 ended with ENOENT',
  })
})

interface Run {
  readonly on?: Machine
  readonly limit?: number
  readonly signal?: AbortSignal
  readonly onLine?: (line: string) => void
}

/** A machine with a package that has this script, and how to run it: what it prints is the result. */
async function withScript(t: ExecutionContext, text: string) {
  const machine = await newMachine(t, async store => [
    await addPackage(store, 'web', {
      tree: { 'libexec/mix/web/post-install.sh': { executable: `${text}\n` } },
    }),
  ])
  const [web] = installedIn(machine.store, currentGeneration(machine.store).path)
  if (!web) throw new Error('nothing is installed')
  const run = async ({ on = machine, onLine, ...options }: Run = {}): Promise<string[]> => {
    const lines: string[] = []
    await runInstallScript(on, 'post-install', {
      package: web,
      onLine: onLine ?? (line => lines.push(line)),
      signal: new AbortController().signal,
      ...options,
    })
    return lines
  }
  return { machine, run }
}

/** Waits until what the script left has ended: it is a zombie where nobody asks how. */
async function hasEnded({ root }: Machine): Promise<void> {
  const pid = Number(nodeHost.files.read(join(root, 'background')))
  const isRunning = (): boolean => {
    const stat = nodeHost.files.read(`/proc/${pid}/stat`)?.toString()
    return stat !== undefined && !/ Z /.test(stat)
  }
  while (isRunning()) await sleep(10)
}
