import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { absolute } from '../../../graph/store-path.ts'
import { assemble } from '../../../store/sandbox/bpf.ts'
import { seccompFilter } from '../../../store/sandbox/seccomp.ts'
import { type Argument, type Call, probe } from '../../helpers/probe.ts'
import { pathOf, sandboxed } from '../../helpers/sandboxed.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'

const EPERM = 1
const EBADF = 9
const EFAULT = 14
const EINVAL = 22
const ENOSYS = 38
const EOPNOTSUPP = 95
const EAFNOSUPPORT = 97

const AT_FDCWD = -100
const O_CREAT = 0o100
const O_TMPFILE = 0o20200000
const O_WRONLY = 1
const RENAME_NOREPLACE = 1
const RENAME_WHITEOUT = 4

const call = (number: number, ...args: readonly Argument[]): Call => ({ number, arguments: args })

/**
 * Calls that would otherwise fail otherwise, or not at all: what was refused by the filter can be told
 * from what the kernel refuses anyway. Those after an empty line are to be allowed.
 */
const probes: Readonly<Record<string, { calls: readonly Call[]; errno: number }>> = {
  'chmod u+s': { calls: [call(90, '/build', 0o4755)], errno: EPERM },
  'chmod g+s': { calls: [call(90, '/build', 0o2755)], errno: EPERM },
  'fchmod u+s': { calls: [call(91, -1, 0o4755)], errno: EPERM },
  'fchmodat u+s': { calls: [call(268, AT_FDCWD, '/build', 0o4755)], errno: EPERM },
  'fchmodat2 u+s': { calls: [call(452, AT_FDCWD, '/build', 0o4755, 0)], errno: EPERM },
  'open u+s': { calls: [call(2, '/build/a', O_CREAT | O_WRONLY, 0o4755)], errno: EPERM },
  'creat u+s': { calls: [call(85, '/build/b', 0o4755)], errno: EPERM },
  'openat u+s': {
    calls: [call(257, AT_FDCWD, '/build/c', O_CREAT | O_WRONLY, 0o4755)],
    errno: EPERM,
  },
  'openat of a nameless file u+s': {
    calls: [call(257, AT_FDCWD, '/build', O_TMPFILE | O_WRONLY, 0o2755)],
    errno: EPERM,
  },
  openat2: { calls: [call(437, AT_FDCWD, '/build', Buffer.alloc(24), 24)], errno: ENOSYS },
  'mknod u+s': { calls: [call(133, '/build/d', 0o104755, 0)], errno: EPERM },
  'mknodat u+s': { calls: [call(259, AT_FDCWD, '/build/e', 0o104755, 0)], errno: EPERM },
  // The kernel would allow the one with number 0 to everybody.
  'mknod of a character device': { calls: [call(133, '/build/f', 0o020644, 0)], errno: EPERM },
  'mknod of a block device': { calls: [call(133, '/build/g', 0o060644, 0x701)], errno: EPERM },
  'renameat2 that leaves a whiteout': {
    calls: [
      call(133, '/build/k', 0o100644, 0),
      call(316, AT_FDCWD, '/build/k', AT_FDCWD, '/build/l', RENAME_WHITEOUT),
    ],
    errno: EPERM,
  },
  'renameat2 that leaves a whiteout and replaces nothing': {
    calls: [
      call(133, '/build/m', 0o100644, 0),
      call(316, AT_FDCWD, '/build/m', AT_FDCWD, '/build/n', RENAME_WHITEOUT | RENAME_NOREPLACE),
    ],
    errno: EPERM,
  },
  setxattr: { calls: [call(188, 0, 0, 0, 0, 0)], errno: EOPNOTSUPP },
  lsetxattr: { calls: [call(189, 0, 0, 0, 0, 0)], errno: EOPNOTSUPP },
  fsetxattr: { calls: [call(190, -1, 0, 0, 0, 0)], errno: EOPNOTSUPP },
  getxattr: { calls: [call(191, 0, 0, 0, 0)], errno: EOPNOTSUPP },
  setxattrat: { calls: [call(463, -1, 0, 0, 0, 0, 0)], errno: EOPNOTSUPP },
  'ioctl TIOCSTI': { calls: [call(16, -1, 0x5412, 0)], errno: EPERM },
  'ioctl TIOCSTI with high bits': { calls: [call(16, -1, 0x100005412n, 0)], errno: EPERM },
  'ioctl TIOCLINUX': { calls: [call(16, -1, 0x541c, 0)], errno: EPERM },
  'clone into a user namespace': { calls: [call(56, 0x10000000 | 17, 0, 0, 0, 0)], errno: EPERM },
  clone3: { calls: [call(435, 0, 0)], errno: ENOSYS },
  unshare: { calls: [call(272, 0)], errno: EPERM },
  setns: { calls: [call(308, -1, 0)], errno: EPERM },
  mount: { calls: [call(165, 0, 0, 0, 0, 0)], errno: EPERM },
  fsopen: { calls: [call(430, 0, 0)], errno: ENOSYS },
  ptrace: { calls: [call(101, 0, 0, 0, 0)], errno: EPERM },
  process_vm_readv: { calls: [call(310, 1, 0, 0, 0, 0, 0)], errno: EPERM },
  bpf: { calls: [call(321, 0, 0, 0)], errno: EPERM },
  keyctl: { calls: [call(250, 0, 0, 0, 0, 0)], errno: EPERM },
  perf_event_open: { calls: [call(298, 0, 0, 0, 0, 0)], errno: EPERM },
  userfaultfd: { calls: [call(323, 1)], errno: EPERM },
  io_uring_setup: { calls: [call(425, 1, Buffer.alloc(120))], errno: ENOSYS },
  clock_settime: { calls: [call(227, -1, 0)], errno: EPERM },
  'socket to the hypervisor': { calls: [call(41, 40, 1, 0)], errno: EAFNOSUPPORT },
  'socket of packets': { calls: [call(41, 17, 3, 0)], errno: EAFNOSUPPORT },
  'socket of the kernel crypto': { calls: [call(41, 38, 5, 0)], errno: EAFNOSUPPORT },
  'personality READ_IMPLIES_EXEC': { calls: [call(135, 0x400000)], errno: EPERM },
  'x32 getpid': { calls: [call(0x40000000 | 39)], errno: ENOSYS },
  'i386 getpid': { calls: [{ number: 20, isLegacy: true }], errno: 128 + 31 },

  'chmod without u+s': { calls: [call(90, '/build', 0o755)], errno: 0 },
  'fchmod without u+s': { calls: [call(91, -1, 0o755)], errno: EBADF },
  'fchmodat2 without u+s': { calls: [call(452, AT_FDCWD, '/build', 0o755, 0)], errno: 0 },
  'openat that makes a file': {
    calls: [call(257, AT_FDCWD, '/build/h', O_CREAT | O_WRONLY, 0o644)],
    errno: 0,
  },
  'openat with anything for a mode': {
    calls: [call(257, AT_FDCWD, '/build', 0, 0o7777)],
    errno: 0,
  },
  'mknod of a fifo': { calls: [call(133, '/build/i', 0o010644, 0)], errno: 0 },
  'renameat2 that replaces nothing': {
    calls: [
      call(133, '/build/o', 0o100644, 0),
      call(316, AT_FDCWD, '/build/o', AT_FDCWD, '/build/p', RENAME_NOREPLACE),
    ],
    errno: 0,
  },
  'mknod of a file': { calls: [call(133, '/build/j', 0o100644, 0)], errno: 0 },
  'clone like fork': { calls: [call(56, 17, 0, 0, 0, 0)], errno: 0 },
  'socket of the internet': { calls: [call(41, 2, 1, 0)], errno: 0 },
  'socketpair of this machine': { calls: [call(53, 1, 1, 0, 0)], errno: EFAULT },
  'personality of 32 bits': { calls: [call(135, 8)], errno: 0 },
  'personality as a question': { calls: [call(135, 0xffffffff)], errno: 0 },
  'a call that does not exist': { calls: [call(1000)], errno: ENOSYS },
  'prctl of nothing': { calls: [call(157, 12345, 0, 0, 0, 0)], errno: EINVAL },
}

test('the filter refuses these system calls in a build, and allows those', async t => {
  const directory = join(tempDirectory(t), 'probes')
  mkdirSync(directory)
  const names = Object.keys(probes)
  for (const [index, { calls }] of Object.values(probes).entries()) {
    const path = join(directory, String(index))
    writeFileSync(path, probe(...calls))
    chmodSync(path, 0o755)
  }
  const path = pathOf('probes')
  const script = `i=0; while [ $i -lt ${names.length} ]; do ${absolute(path)}/$i; echo "$i $?"; i=$((i + 1)); done`
  const { output } = await sandboxed(t, script, { inputs: [{ hostPath: directory, path }] })
  const lines = [...output.matchAll(/^(\d+) (\d+)$/gm)]
  const seen = lines.map(([, index, status]) => [names[Number(index)], Number(status)])
  const expected = Object.entries(probes).map(([name, { errno }]) => [name, errno])
  t.deepEqual(Object.fromEntries(seen), Object.fromEntries(expected))
})

test('a filter is a sequence of instructions of eight bytes', t => {
  const filter = assemble(
    [{ call: 90, errno: 1, tests: [{ kind: 'any-bit', argument: 1, mask: 0o6000 }] }],
    { enosys: 38 },
  )
  t.deepEqual(filter.toString('hex').match(/.{16}/g), [
    '2000000004000000', // load the architecture
    '150001003e0000c0', // x86-64?
    '0600000000000080', // kill the process
    '2000000000000000', // load the number
    '3500000100000040', // x32?
    '0600000026000500', // ENOSYS
    '150000045a000000', // chmod?
    '2000000018000000', // load the second argument
    '45000001000c0000', // any of these bits?
    '0600000001000500', // EPERM
    '060000000000ff7f', // allow
    '060000000000ff7f', // allow
  ])
})

test('the filter is as long as the kernel allows, and the same each time', t => {
  t.true(seccompFilter().length / 8 <= 4096)
  t.deepEqual(seccompFilter(), seccompFilter())
})
