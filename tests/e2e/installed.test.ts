import { execFile } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { file, serve } from '../helpers/http-server.ts'
import { installedMachine } from '../helpers/installed-machine.ts'
import { tempDirectory } from '../helpers/temp-store.ts'

const run = promisify(execFile)
const mixos = (...args: string[]) => run(process.execPath, ['cli/mixos.ts', ...args])

test.before(async () => {
  await mixos('realize', 'disk', 'seeds-qemu')
})

test.serial('a disk is the same bytes when built again', async t => {
  await t.notThrowsAsync(mixos('realize', '--check', 'disk'))
})

test.serial('an installed system keeps what is installed, by BIOS and by UEFI', async t => {
  const machine = installedMachine(tempDirectory(t))
  try {
    const first = await machine.start()
    t.regex(await first.ask('mount | grep " on / "'), /ext4 \(rw,nosuid,nodev/)
    t.is(await first.ask('find / -xdev ! -user root | head -n 3'), '')
    t.regex(await first.ask('mix install openssh --yes; echo status $?'), /status 0\n$/)
    await first.askUntil('grep good /boot/grub/grubenv', /^good=1$/m)
    t.is(await machine.powerOff(), 0)

    const second = await machine.start('--uefi')
    t.regex(await second.ask('cat /proc/cmdline'), /mixos\.generation=2 /)
    t.regex(
      await second.ask('ssh-keygen -q -t ed25519 -N "" -f /root/key; cat /root/key.pub'),
      /^ssh-ed25519 /m,
    )
    await second.askUntil('grep good /boot/grub/grubenv', /^good=2$/m)
    t.regex(await second.ask('mix rollback; echo status $?'), /status 0\n$/)
    t.is(await machine.powerOff(), 0)

    const third = await machine.start()
    t.regex(await third.ask('cat /proc/cmdline'), /mixos\.generation=1 /)
    t.regex(await third.ask('which ssh-keygen; ls /root | cat'), /^key\nkey\.pub\n$/)
    t.is(await machine.powerOff(), 0)
  } finally {
    await machine.cutPower()
  }
})

test.serial(
  'a file system in which the kernel met an error is mended at the next start',
  async t => {
    const machine = installedMachine(tempDirectory(t))
    try {
      const first = await machine.start()
      const told = 'cat /sys/fs/ext4/*/errors_count'
      const broken = 'for file in /sys/fs/ext4/*/trigger_fs_error; do echo broken >$file; done'
      t.regex(await first.ask(`${broken}; ${told}`), /^1$/m)
      t.is(await machine.powerOff(), 0)

      const second = await machine.start()
      t.regex(await second.ask(told), /^0$/m)
      t.is(await machine.powerOff(), 0)
    } finally {
      await machine.cutPower()
    }
  },
)

// The start script of this one never ends.
const HANGING = `
import { type PackageSet, script } from 'mixos'

const packageInfo = JSON.stringify({
  name: 'init', version: '9', description: 'never gets anywhere', license: 'MIT',
  dependencies: [], services: ['dhcp', 'ntpd'], config: [],
})
export const hanging = ({ get }: PackageSet) => script({
  name: 'init',
  version: '9',
  root: get('seeds-image'),
  inputs: { init: get('init') },
  env: { packageInfo, packageInfoPath: 'share/mix/packages/init.json' },
  script: \`
    cp -r --no-preserve=mode "$init" "$out"
    echo '::sysinit:/bin/sh -c "echo never >/dev/ttyS0; exec sleep 1000000"' >"$out/etc/inittab"
    printf '%s' "$packageInfo" >"$out/$packageInfoPath"
  \`,
})
`

test.serial(
  'a generation that does not reach its login prompt is started once, and then the last good one',
  async t => {
    const directory = tempDirectory(t)
    const recipe = join(directory, 'hanging.ts')
    writeFileSync(recipe, HANGING)
    const { stdout } = await mixos(
      ...['realize', 'hanging.mixpkg', '-f', recipe, '--out-link', join(directory, 'link')],
    )
    const server = await serve(t, { '/hanging.mixpkg': file(readFileSync(stdout.trim())) })
    const machine = installedMachine(directory)
    try {
      const first = await machine.start()
      await first.askUntil('grep good /boot/grub/grubenv', /^good=1$/m)
      const url = server.base.replace('127.0.0.1', '10.0.2.2')
      await first.askUntil(`wget -qO hanging.mixpkg ${url}/hanging.mixpkg; echo $?`, /^0\n/)
      const upgraded = await first.ask('mix install ./hanging.mixpkg --yes; echo status $?')
      t.regex(upgraded, /upgrade +init 0\.1\.0 -> 9[\s\S]*status 0\n$/)
      // Nothing of it is only in memory.
      await machine.cutPower()

      await machine.startUntil(/Booting `Generation 2[\s\S]*never/, 60)
      await machine.cutPower()

      const third = await machine.start()
      t.regex(await third.ask('cat /proc/cmdline'), /mixos\.generation=1 /)
      t.regex(await third.ask('mix generations'), /^1 +current/m)
      t.regex(await third.ask('mix verify; echo status $?'), /status 0\n$/)
      await third.askUntil('grep good /boot/grub/grubenv', /^good=1$/m)
      // It is still there to be looked at, and would be tried once more.
      t.regex(await third.ask('mix rollback 2; echo status $?'), /status 0\n$/)
      await machine.cutPower()
      await machine.startUntil(/Booting `Generation 2[\s\S]*never/, 60)
    } finally {
      await machine.cutPower()
    }
  },
)
