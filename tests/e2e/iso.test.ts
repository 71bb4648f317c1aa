import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { homeOf } from '../../cli/context.ts'
import { live } from '../../configs/systems/live.ts'
import { definitions } from '../../derivations/index.ts'
import type { Derivation } from '../../graph/derivation.ts'
import { parseLock } from '../../graph/lock.ts'
import { override } from '../../graph/override.ts'
import { packageSet } from '../../graph/package-set.ts'
import { machineMirrors } from '../../store/fetch/mirrors.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { realize } from '../../store/realize.ts'
import { openStore } from '../../store/store.ts'
import { openConsole } from '../helpers/console.ts'
import { logIn } from '../helpers/guest.ts'

const MEGABYTE = 1_000_000
const run = promisify(execFile)
const mixos = (...args: string[]) =>
  run(process.execPath, ['cli/mixos.ts', ...args], { maxBuffer: 1 << 26 })

const scratch = await mkdtemp(join(tmpdir(), 'mixos-e2e-'))
test.after.always(() => rm(scratch, { recursive: true, force: true }))

test.serial('realize iso makes an image of at most 96 MB and prints its store path', async t => {
  const link = join(scratch, 'iso')
  const { stdout } = await mixos('realize', 'iso', '--out-link', link)
  t.regex(stdout, /^\S+\/store\/[0-9a-z]{32}-mixos\.iso-\S+\n$/)
  t.true(statSync(link).size <= 96 * MEGABYTE, `it is ${statSync(link).size} bytes`)
})

test.serial('realize iso has nothing to do the second time', async t => {
  const { stdout } = await mixos('realize', 'iso', '--dry-run', '--json')
  const steps: { action: string }[] = JSON.parse(stdout).plan
  t.deepEqual(
    steps.map(step => step.action),
    ['reuse'],
  )
})

test.serial(
  'a change of BusyBox that its output does not show builds BusyBox and nothing else',
  async t => {
    const lock = parseLock(await readFile('flake-free.lock', 'utf8'))
    const recipes = definitions({ lock, system: live() })
    const packages = packageSet(recipes, {
      busybox: others =>
        override(recipes.busybox?.(others) as Derivation, draft => {
          draft.env.comment = `touched ${Date.now()}`
        }),
    })
    const built: string[] = []
    const store = openStore({ directory: homeOf(process.env, process.cwd()), host: nodeHost })
    await realize(store, [packages.get('iso')], {
      tools: {
        bubblewrap: packages.get('seeds-bubblewrap'),
        busybox: packages.get('seeds-busybox'),
      },
      mirrors: machineMirrors(nodeHost, process.env),
      jobs: 2,
      cores: 2,
      signal: new AbortController().signal,
      report: event => {
        if (event.type === 'done' && event.how === 'built') built.push(event.label)
      },
    })
    t.deepEqual(built, ['busybox-1.37.0'])
  },
)

test.serial('the images are the same bytes when built again', async t => {
  await t.notThrowsAsync(mixos('realize', '--check', 'initramfs', 'rootfs', 'iso'))
})

test.serial(
  'the worked example of derivations/README.md builds, and what it builds runs',
  async t => {
    const readme = await readFile('derivations/README.md', 'utf8')
    const [, example = ''] = /```ts\n([\s\S]*?)```/.exec(readme) ?? []
    await writeFile(join(scratch, 'hello.ts'), example)
    const ran = join(scratch, 'ran.ts')
    await writeFile(
      ran,
      `import { type PackageSet, script } from 'mixos'
     import { hello } from './hello.ts'
     export const ran = (packages: PackageSet) => script({
       name: 'ran', version: '1', root: packages.get('seeds-build'), inputs: { hello: hello(packages) },
       script: '"$hello/bin/hello" >"$out"',
     })`,
    )
    const { stdout } = await mixos('realize', 'ran', '-f', ran, '--out-link', join(scratch, 'ran'))
    t.is(await readFile(stdout.trim(), 'utf8'), 'hello\n')
  },
)

test.serial('nothing on the target comes from a seed', async t => {
  // Its index names every package that it offers.
  const closures = [await mixos('closure', 'system'), await mixos('closure', 'medium-repository')]
  const paths = closures.flatMap(({ stdout }) => stdout.trim().split('\n'))
  t.true(paths.length > 0)
  t.deepEqual(
    paths.filter(path => /-(seeds|debian)-/.test(path)),
    [],
  )
  const home = homeOf(process.env, process.cwd())
  for (const path of paths) {
    const object = join(home, 'store', basename(path))
    for (const file of await readdir(object, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) continue
      const text = await readFile(join(file.parentPath, file.name), 'latin1')
      // A program of the seeds would name their loader, a script of theirs its interpreter.
      t.notRegex(text, /ld-linux-x86-64|^#!\/usr\/bin\/(perl|python|env)/, `${path}: ${file.name}`)
    }
  }
})

for (const [firmware, flags] of [
  ['BIOS', []],
  ['UEFI', ['--uefi']],
] as const) {
  test.serial(
    `the image boots by ${firmware}, lets root log in on the serial console, and powers off`,
    async t => {
      const machine = openConsole(
        process.execPath,
        ['cli/mixos.ts', 'boot', 'iso', ...flags],
        process.env,
      )
      try {
        const { ask } = await logIn(machine)
        t.regex(await ask('uname -sr'), /Linux 6\.12\.\d+-mixos/)
        t.regex(
          await ask('readlink /bin/sh || readlink -f /bin/sh'),
          /\/mix\/store\/[0-9a-z]{32}-busybox/,
        )
        t.regex(await ask('id -u'), /^0\n/)
        t.regex(await ask('mount'), /on \/proc type proc/)
        t.regex(await ask('cat /sys/class/net/lo/operstate; ip -o link show lo'), /UP/)
        // A question to a name server may be on its way, and has a port of its own: a high one.
        const listeners = `netstat -ltun | grep -cE '^tcp|:[0-9]{1,4} +[0:]'`
        t.regex(await ask(listeners), /^0\n/, 'something listens')
        t.regex(await ask('sysctl kernel.kptr_restrict'), /= 2/)
        t.regex(await ask('touch /root/x && echo written'), /written/)
        const used = /^Mem:\s+\d+\s+(\d+)/m.exec(await ask('free -k'))?.[1]
        t.true(Number(used) <= 40 * 1024, `${used} KiB are in use`)
        machine.send('poweroff')
        t.is(await machine.exit(60), 0)
      } finally {
        machine.kill()
      }
    },
  )
}
