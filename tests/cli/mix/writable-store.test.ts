import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { nodeHost } from '../../../store/hosts/node.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'

const PROGRAM = join(import.meta.dirname, '../../helpers/mix-on-sealed-store.ts')

test('a change that a signal ends in the other process names it, and what helps', async t => {
  const mix = running(t, 'kill -KILL $$')
  const [code] = await once(mix.child, 'close')
  t.is(code, 1)
  t.regex(
    mix.output(),
    /mix gc was ended by SIGKILL\n[\s\S]*hint: perhaps .* memory.*: see dmesg; run/,
  )
})

test('how a change ends in the other process is how it ends', async t => {
  const [code] = await once(running(t, 'exit 70').child, 'close')
  t.is(code, 70)
})

test('who asks a change to stop asks the process that does it', async t => {
  const { child, output, said } = running(t, untilTold)
  await said('ready')
  child.kill('SIGTERM')
  await said('told')
  process.kill(Number(/ready (\d+)/.exec(output())?.[1]), 'SIGUSR2')
  t.is((await once(child, 'close'))[0], 130)
})

test('who interrupts a change at a terminal, which tells both processes, asks it once', async t => {
  const { child, output, said } = running(t, untilTold)
  await said('ready')
  process.kill(-(child.pid as number), 'SIGINT')
  await said('told')
  await said('stopping')
  process.kill(Number(/ready (\d+)/.exec(output())?.[1]), 'SIGUSR2')
  t.is((await once(child, 'close'))[0], 130)
  t.is(output().match(/told/g)?.length, 1)
})

/** Tells of each signal that asks it to stop, and ends by another one. */
const untilTold = `exec '${process.execPath}' -e '
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => console.log("told"))
  process.on("SIGUSR2", () => process.exit(130))
  setInterval(() => undefined, 1e6)
  console.log("ready", process.pid)
'`

/** `mix gc` whose other process is a shell with this script. */
function running(t: ExecutionContext, script: string) {
  const child = spawn(process.execPath, [PROGRAM, 'gc'], {
    env: { MIX_ROOT: join(tempDirectory(t), 'mix'), INSTEAD: script, PATH: process.env.PATH },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  })
  // Whatever a failed test leaves, of its process group.
  t.teardown(() => nodeHost.processes.kill(-(child.pid as number), 'SIGKILL'))
  let text = ''
  const more = new EventEmitter()
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', chunk => {
      text += chunk
      more.emit('text')
    })
  }
  const said = async (word: string): Promise<void> => {
    while (!text.includes(word)) await once(more, 'text')
  }
  return { child, said, output: () => text }
}
