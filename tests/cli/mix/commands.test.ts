import { execFile } from 'node:child_process'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { addPackage } from '../../helpers/package.ts'
import type { CliResult } from '../../helpers/run-cli.ts'
import { newMachine } from '../../helpers/target-machine.ts'

const PROGRAM = join(import.meta.dirname, '..', '..', '..', 'cli', 'mix', 'on-node.ts')

test('before anything is on offer, looking for packages says what to do', async t => {
  const mix = await machineWith(t, 'base')
  t.is((await mix('search', 'web')).stderr, 'nothing is on offer: first run mix update\n')
  t.is((await mix('list', '--available')).stderr, 'nothing is on offer: first run mix update\n')
  t.regex((await mix('info', 'web')).stderr, /hint: .*mix update/)
})

test('lists of nothing say so to people, and are empty to programs', async t => {
  const mix = await machineWith(t, 'base')
  for (const args of [
    ['list', '--outdated'],
    ['service', 'list'],
  ]) {
    const { code, stdout, stderr } = await mix(...args)
    t.is(code, 0)
    t.is(stdout, '')
    t.regex(stderr, /^(nothing is outdated|no package that is installed has a service).*\n$/)
  }
})

test('of what list can show, one is chosen', async t => {
  const mix = await machineWith(t, 'base')
  const { code, stderr } = await mix('list', '--outdated', '--available')
  t.is(code, 2)
  t.is(stderr, 'error: --outdated and --available exclude each other\n')
})

test('where nothing is to be fetched, no line says how much', async t => {
  const mix = await machineWith(t, 'base', 'web')
  t.is((await mix('remove', 'web', '--dry-run')).stdout, 'remove   web 1\n')
})

test('records name objects by their whole store paths', async t => {
  const mix = await machineWith(t, 'base')
  const record = async (...args: string[]) => JSON.parse((await mix(...args, '--json')).stdout)
  t.regex((await record('info', 'base')).path, /^\/mix\/store\/\w{32}-base-1$/)
  t.regex((await record('generations')).generations[0].path, /^\/mix\/store\//)
})

for (const command of ['recover', 'service list', 'service restart']) {
  test(`mix ${command} --help has an example`, async t => {
    const mix = await machineWith(t, 'base')
    t.regex((await mix(...command.split(' '), '--help')).stdout, new RegExp(`\\$ mix ${command}`))
  })
}

/** Runs `mix` on a machine with these packages. */
async function machineWith(t: ExecutionContext, ...names: readonly string[]) {
  const { store } = await newMachine(t, store =>
    Promise.all(names.map(name => addPackage(store, name, { tree: { [`share/${name}`]: name } }))),
  )
  const env = { PATH: process.env.PATH, MIX_ROOT: store.directory }
  return (...args: string[]): Promise<CliResult> =>
    new Promise(resolve => {
      execFile(process.execPath, [PROGRAM, ...args], { env }, (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code) : 0, stdout, stderr })
      })
    })
}
