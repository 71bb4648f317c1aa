import test from 'ava'
import { qemuArguments } from '../../cli/qemu.ts'

test('a machine has no network, and its console is the terminal', t => {
  const args = qemuArguments({ firmware: 'bios', memory: 128 }, 'tcg').join(' ')
  t.regex(args, / -accel tcg -cpu max -m 128 /)
  t.regex(args, / -nographic .*-nic none /)
  t.notRegex(args, /pflash/)
})

test('by UEFI, the firmware is read-only and what it stores is dropped', t => {
  const args = qemuArguments({ firmware: 'uefi', memory: 128 }, 'kvm').join(' ')
  t.regex(args, / -accel kvm -cpu host /)
  t.regex(args, /unit=0,readonly=on,file=\S+CODE/)
  t.regex(args, /unit=1,snapshot=on,file=\S+VARS/)
})
