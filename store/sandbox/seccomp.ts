import { assemble, type Rule, type Test } from './bpf.ts'

/**
 * What a build may not ask the kernel for. Namespaces already keep a build from most of it; this makes
 * sure, keeps the rarely used parts of the kernel out of reach, and keeps setuid files, devices and
 * extended attributes from ever existing on the host's disk.
 */
export function seccompFilter(): Buffer {
  return assemble(RULES, { enosys: ENOSYS })
}

const EPERM = 1
const ENOSYS = 38
const EOPNOTSUPP = 95
const EAFNOSUPPORT = 97

// From arch/x86/entry/syscalls/syscall_64.tbl of Linux 6.18.
const CALLS = {
  open: 2,
  ioctl: 16,
  socket: 41,
  socketpair: 53,
  clone: 56,
  creat: 85,
  chmod: 90,
  fchmod: 91,
  ptrace: 101,
  syslog: 103,
  mknod: 133,
  personality: 135,
  vhangup: 153,
  pivot_root: 155,
  adjtimex: 159,
  chroot: 161,
  acct: 163,
  settimeofday: 164,
  mount: 165,
  umount2: 166,
  swapon: 167,
  swapoff: 168,
  reboot: 169,
  sethostname: 170,
  setdomainname: 171,
  iopl: 172,
  ioperm: 173,
  init_module: 175,
  delete_module: 176,
  quotactl: 179,
  setxattr: 188,
  lsetxattr: 189,
  fsetxattr: 190,
  getxattr: 191,
  lgetxattr: 192,
  fgetxattr: 193,
  listxattr: 194,
  llistxattr: 195,
  flistxattr: 196,
  removexattr: 197,
  lremovexattr: 198,
  fremovexattr: 199,
  clock_settime: 227,
  mbind: 237,
  set_mempolicy: 238,
  kexec_load: 246,
  add_key: 248,
  request_key: 249,
  keyctl: 250,
  migrate_pages: 256,
  openat: 257,
  mknodat: 259,
  fchmodat: 268,
  unshare: 272,
  move_pages: 279,
  perf_event_open: 298,
  fanotify_init: 300,
  open_by_handle_at: 304,
  clock_adjtime: 305,
  setns: 308,
  process_vm_readv: 310,
  process_vm_writev: 311,
  kcmp: 312,
  finit_module: 313,
  renameat2: 316,
  kexec_file_load: 320,
  bpf: 321,
  userfaultfd: 323,
  io_uring_setup: 425,
  io_uring_enter: 426,
  io_uring_register: 427,
  open_tree: 428,
  move_mount: 429,
  fsopen: 430,
  fsconfig: 431,
  fsmount: 432,
  fspick: 433,
  clone3: 435,
  openat2: 437,
  pidfd_getfd: 438,
  mount_setattr: 442,
  quotactl_fd: 443,
  fchmodat2: 452,
  setxattrat: 463,
  getxattrat: 464,
  listxattrat: 465,
  removexattrat: 466,
  open_tree_attr: 467,
} as const

type Call = keyof typeof CALLS

const deny = (errno: number, calls: readonly Call[], ...tests: readonly Test[]): Rule[] =>
  calls.map(call => ({ call: CALLS[call], errno, tests }))
const anyBit = (argument: number, mask: number): Test => ({ kind: 'any-bit', argument, mask })
const noneOf = (argument: number, values: readonly number[]): Test => ({
  kind: 'none-of',
  argument,
  values,
})
const kindOfNode = (argument: number, value: number): Test => ({
  kind: 'equal',
  argument,
  mask: 0o170000,
  value,
})

const SETUID_OR_SETGID = 0o6000
// O_CREAT and the bit that tells O_TMPFILE from O_DIRECTORY: without them no mode is passed.
const CREATES = 0o100 | 0o20000000
const CHARACTER_DEVICE = 0o020000
const BLOCK_DEVICE = 0o060000
const RENAME_WHITEOUT = 4
// CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET}
const NEW_NAMESPACE = 0x7e020000
const TIOCSTI = 0x5412
const TIOCLINUX = 0x541c
const AF = { unspecified: 0, unix: 1, inet: 2, inet6: 10, netlink: 16 }
// PER_LINUX, PER_LINUX32, each with UNAME26, ADDR_NO_RANDOMIZE or neither, and the question for it.
const PERSONALITIES = [0, 8, 0x20000, 0x20008, 0x40000, 0x40008, 0xffffffff]

const equals = (argument: number, value: number): Test => ({
  kind: 'equal',
  argument,
  mask: 0xffffffff,
  value,
})

// What is called often comes first: the kernel runs through the list at each of these calls, while it
// remembers that a call which no rule names is always allowed.
const RULES: readonly Rule[] = [
  ...deny(EPERM, ['openat'], anyBit(2, CREATES), anyBit(3, SETUID_OR_SETGID)),
  ...deny(EPERM, ['ioctl'], equals(1, TIOCSTI)),
  ...deny(EPERM, ['ioctl'], equals(1, TIOCLINUX)),
  ...deny(EPERM, ['open'], anyBit(1, CREATES), anyBit(2, SETUID_OR_SETGID)),
  ...deny(EPERM, ['chmod', 'fchmod', 'creat'], anyBit(1, SETUID_OR_SETGID)),
  ...deny(EPERM, ['fchmodat', 'fchmodat2'], anyBit(2, SETUID_OR_SETGID)),
  ...deny(EPERM, ['clone'], anyBit(0, NEW_NAMESPACE)),
  ...deny(EAFNOSUPPORT, ['socket', 'socketpair'], noneOf(0, Object.values(AF))),

  // mknod(path, mode) makes files too. A fifo is fine while it does not reach an output.
  ...deny(EPERM, ['mknod'], anyBit(1, SETUID_OR_SETGID)),
  ...deny(EPERM, ['mknod'], kindOfNode(1, CHARACTER_DEVICE)),
  ...deny(EPERM, ['mknod'], kindOfNode(1, BLOCK_DEVICE)),
  ...deny(EPERM, ['mknodat'], anyBit(2, SETUID_OR_SETGID)),
  ...deny(EPERM, ['mknodat'], kindOfNode(2, CHARACTER_DEVICE)),
  ...deny(EPERM, ['mknodat'], kindOfNode(2, BLOCK_DEVICE)),
  // It leaves a character device of number 0 behind, which takes no rights.
  ...deny(EPERM, ['renameat2'], anyBit(4, RENAME_WHITEOUT)),

  ...deny(EOPNOTSUPP, ['setxattr', 'lsetxattr', 'fsetxattr', 'setxattrat']),
  ...deny(EOPNOTSUPP, ['getxattr', 'lgetxattr', 'fgetxattr', 'getxattrat']),
  ...deny(EOPNOTSUPP, ['listxattr', 'llistxattr', 'flistxattr', 'listxattrat']),
  ...deny(EOPNOTSUPP, ['removexattr', 'lremovexattr', 'fremovexattr', 'removexattrat']),

  // Their arguments lie in memory, which a filter cannot read; programs fall back to the older calls.
  ...deny(ENOSYS, ['clone3', 'openat2']),

  ...deny(EPERM, ['unshare', 'setns', 'mount', 'umount2', 'pivot_root', 'chroot']),
  ...deny(ENOSYS, ['open_tree', 'open_tree_attr', 'move_mount', 'mount_setattr']),
  ...deny(ENOSYS, ['fsopen', 'fsconfig', 'fsmount', 'fspick']),
  ...deny(EPERM, ['open_by_handle_at', 'fanotify_init', 'quotactl', 'quotactl_fd']),

  ...deny(EPERM, ['ptrace', 'process_vm_readv', 'process_vm_writev', 'kcmp', 'pidfd_getfd']),
  ...deny(EPERM, ['perf_event_open', 'bpf', 'userfaultfd']),
  ...deny(EPERM, ['personality'], noneOf(0, PERSONALITIES)),
  ...deny(ENOSYS, ['io_uring_setup', 'io_uring_enter', 'io_uring_register']),
  ...deny(EPERM, ['keyctl', 'add_key', 'request_key']),
  ...deny(EPERM, ['mbind', 'set_mempolicy', 'migrate_pages', 'move_pages']),

  ...deny(EPERM, ['init_module', 'finit_module', 'delete_module']),
  ...deny(EPERM, ['kexec_load', 'kexec_file_load', 'reboot', 'swapon', 'swapoff', 'acct']),
  ...deny(EPERM, ['syslog', 'iopl', 'ioperm', 'vhangup', 'sethostname', 'setdomainname']),
  ...deny(EPERM, ['settimeofday', 'clock_settime', 'clock_adjtime', 'adjtimex']),
]
