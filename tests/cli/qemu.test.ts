import test from 'ava'
import { ForwardArgument } from '../../cli/args.ts'
import { type Image, qemuArguments } from '../../cli/qemu.ts'

const cd: Image = { path: '/image.iso', medium: 'cd', isKept: false }

test('a machine may have no network, and its console is the terminal', t => {
  const args = qemuArguments(
    { firmware: 'bios', memory: 128, network: undefined, image: cd },
    'tcg',
  ).join(' ')
  t.regex(args, / -accel tcg -cpu max -m 128 /)
  t.regex(args, / -nographic .*-nic none /)
  t.notRegex(args, /pflash/)
})

test('by UEFI, the firmware is read-only and what it stores is dropped', t => {
  const args = qemuArguments(
    { firmware: 'uefi', memory: 128, network: undefined, image: cd },
    'kvm',
  ).join(' ')
  t.regex(args, / -accel kvm -cpu host /)
  t.regex(args, /unit=0,readonly=on,file=\S+CODE/)
  t.regex(args, /unit=1,snapshot=on,file=\S+VARS/)
})

test('a network card leads out through this host, whose forwarded ports only it can reach', t => {
  const forwards = [
    { host: 2222, guest: 22 },
    { host: 8080, guest: 80 },
  ]
  const args = qemuArguments(
    { firmware: 'bios', memory: 128, network: { forwards }, image: cd },
    'tcg',
  )
  t.is(
    args[args.indexOf('-netdev') + 1],
    'user,id=net,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=tcp:127.0.0.1:8080-:80',
  )
})

test('a forward is two ports', async t => {
  t.deepEqual(await ForwardArgument.from('2222:22'), { host: 2222, guest: 22 })
  for (const wrong of ['22', '0:22', '2222:70000', 'a:b', '1:2:3', '-1:2', '']) {
    await t.throwsAsync(ForwardArgument.from(wrong), { message: /two ports/ }, wrong)
  }
})

test('what a machine writes to its disk is gone unless it is to be kept', t => {
  const of = (isKept: boolean) =>
    qemuArguments(
      {
        firmware: 'bios',
        memory: 128,
        network: undefined,
        image: { ...cd, medium: 'disk', isKept },
      },
      'tcg',
    ).join(' ')
  t.regex(of(false), /if=virtio,format=raw,\S+snapshot=on/)
  t.regex(of(false), /-no-reboot/)
  t.notRegex(of(true), /-no-reboot/)
  t.regex(of(true), /if=virtio,format=raw,\S+snapshot=off/)
})
