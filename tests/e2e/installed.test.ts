import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
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
    await first.askUntil('cat /boot/grub/grubenv', /^good=1$/m)
    t.is(await machine.powerOff(), 0)

    const second = await machine.start('--uefi')
    t.regex(await second.ask('cat /proc/cmdline'), /mixos\.generation=2 /)
    t.regex(await second.ask('ssh-keygen -q -t ed25519 -N "" -f /root/key; cat /root/key.pub'), /^ssh-ed25519 /m)
    await second.askUntil('cat /boot/grub/grubenv', /^good=2$/m)
    t.regex(await second.ask('mix rollback; echo status $?'), /status 0\n$/)
    t.is(await machine.powerOff(), 0)

    const third = await machine.start()
    t.regex(await third.ask('cat /proc/cmdline'), /mixos\.generation=1 /)
    t.regex(await third.ask('which ssh-keygen; ls /root'), /^key\nkey\.pub\n$/)
    t.is(await machine.powerOff(), 0)
  } finally {
    await machine.cutPower()
  }
})
