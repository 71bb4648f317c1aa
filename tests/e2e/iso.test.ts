import { execFile } from 'node:child_process'
import { statSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { openConsole } from '../helpers/console.ts'

const MEGABYTE = 1_000_000
const run = promisify(execFile)
const mixos = (...args: string[]) => run(process.execPath, ['cli/mixos.ts', ...args], { maxBuffer: 1 << 26 })

const scratch = await mkdtemp(join(tmpdir(), 'mixos-e2e-'))
test.after.always(() => rm(scratch, { recursive: true, force: true }))

test.serial('realize iso makes an image of at most 24 MB and prints its store path', async t => {
  const link = join(scratch, 'iso')
  const { stdout } = await mixos('realize', 'iso', '--out-link', link)
  t.regex(stdout, /^\S+\/store\/[0-9a-z]{32}-mixos\.iso-\S+\n$/)
  t.true(statSync(link).size <= 24 * MEGABYTE, `it is ${statSync(link).size} bytes`)
})

test.serial('realize iso has nothing to do the second time', async t => {
  const { stdout } = await mixos('realize', 'iso', '--dry-run', '--json', '--out-link', join(scratch, 'iso'))
  const { plan } = JSON.parse(stdout)
  t.deepEqual(plan.map((step: { action: string }) => step.action), ['reuse'])
})

test.serial('the images are the same bytes when built again', async t => {
  await t.notThrowsAsync(mixos('realize', '--check', 'initramfs', 'rootfs', 'iso'))
})

for (const [firmware, flags] of [
  ['BIOS', []],
  ['UEFI', ['--uefi']],
] as const) {
  test.serial(`the image boots by ${firmware}, lets root log in on the serial console, and powers off`, async t => {
    const machine = openConsole(process.execPath, ['cli/mixos.ts', 'boot', 'iso', ...flags], process.env)
    try {
      await machine.until(/login: $/, 120)
      machine.send('root')
      await machine.until(/# $/, 30)
      const ask = async (command: string): Promise<string> => {
        machine.send(`${command}; echo "=end"`)
        return (await machine.until(/\n=end[^]*# $/, 30)).split('\r\n').slice(1).join('\n')
      }
      t.regex(await ask('uname -sr'), /Linux 6\.12\.\d+-mixos/)
      t.regex(await ask('readlink /bin/sh || readlink -f /bin/sh'), /\/mix\/store\/[0-9a-z]{32}-busybox/)
      t.regex(await ask('id -u'), /^0\n/)
      t.regex(await ask('mount'), /on \/proc type proc/)
      t.regex(await ask('cat /sys/class/net/lo/operstate; ip -o link show lo'), /UP/)
      t.regex(await ask('netstat -ltun | tail -n +3 | wc -l'), /^0\n/, 'something listens')
      t.regex(await ask('sysctl kernel.kptr_restrict'), /= 2/)
      t.regex(await ask('touch /root/x && echo written'), /written/)
      const used = /^Mem:\s+\d+\s+(\d+)/m.exec(await ask('free -k'))?.[1]
      t.true(Number(used) <= 32 * 1024, `${used} KiB are in use`)
      machine.send('poweroff')
      t.is(await machine.exit(60), 0)
    } finally {
      machine.kill()
    }
  })
}
