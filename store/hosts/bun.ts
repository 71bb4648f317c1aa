import { dlopen, ptr, read } from 'bun:ffi'
import { getSystemErrorName } from 'node:util'
import { hostWith, NO_EXCHANGE } from './machine.ts'

/** The real machine, under Bun on musl, where Node's native modules do not load. */
export const bunHost = hostWith({ tryLock, exchange, checkpoint })

const SET_LOCK_OF_DESCRIPTION = 37
const SHARED = 0
const EXCLUSIVE = 1
const HELD = ['EAGAIN', 'EACCES']

/** The locks that node.ts has: of the open file, not of the process. */
function tryLock(fd: number, how: 'shared' | 'exclusive', byte?: number): boolean {
  const { fcntl } = library()
  // struct flock: the type, where to count from (0: the file's start), the first byte and how many (0: all).
  const lock = Buffer.alloc(32)
  lock.writeInt16LE(how === 'shared' ? SHARED : EXCLUSIVE, 0)
  if (byte !== undefined) {
    lock.writeBigInt64LE(BigInt(byte), 8)
    lock.writeBigInt64LE(1n, 16)
  }
  if (fcntl(fd, SET_LOCK_OF_DESCRIPTION, ptr(lock)) === 0) return true
  const code = lastError()
  if (HELD.includes(code)) return false
  throw Object.assign(new Error(`${code}: cannot lock descriptor ${fd}`), { code })
}

// By its number, since musl has no function for it.
const RENAMEAT2 = 316
const WORKING_DIRECTORY = -100
const EXCHANGE = 2

function exchange(one: string, other: string): boolean {
  const { syscall } = library()
  const [from, to] = [Buffer.from(`${one}\0`), Buffer.from(`${other}\0`)]
  const paths = [WORKING_DIRECTORY, ptr(from), WORKING_DIRECTORY, ptr(to)] as const
  if (syscall(RENAMEAT2, ...paths, EXCHANGE) === 0) return true
  const code = lastError()
  if (NO_EXCHANGE.includes(code)) return false
  throw Object.assign(new Error(`${code}: cannot exchange ${one} and ${other}`), { code })
}

// linux/ext4.h: EXT4_IOC_CHECKPOINT, _IOW('f', 43, __u32).
const CHECKPOINT = 0x4004662b
const WITHOUT_JOURNAL = ['ENOTTY', 'EOPNOTSUPP', 'ENODEV']

function checkpoint(path: string): void {
  const { ioctl } = library()
  const fd = bunHost.files.open(path, 'directory')
  const failed = ioctl(fd, CHECKPOINT, ptr(Buffer.alloc(4)))
  const code = failed === 0 ? undefined : lastError()
  bunHost.files.close(fd)
  if (code === undefined || WITHOUT_JOURNAL.includes(code)) return
  throw Object.assign(new Error(`${code}: cannot checkpoint the file system of ${path}`), { code })
}

function lastError(): string {
  return getSystemErrorName(-read.i32(library().__errno_location()))
}

interface Library {
  ioctl(fd: number, request: number, argument: number): number
  fcntl(fd: number, command: number, argument: number): number
  syscall(number: number, ...args: readonly number[]): number
  /** Where the error of the last call is. */
  __errno_location(): number
}

let loaded: Library | undefined
/** The C library, which musl's loader finds by this name without a file. */
function library(): Library {
  loaded ??= dlopen<Library>('libc.musl-x86_64.so.1', {
    ioctl: { args: ['i32', 'i32', 'ptr'], returns: 'i32' },
    fcntl: { args: ['i32', 'i32', 'ptr'], returns: 'i32' },
    syscall: { args: ['i64', 'i32', 'ptr', 'i32', 'ptr', 'i32'], returns: 'i32' },
    __errno_location: { args: [], returns: 'ptr' },
  }).symbols
  return loaded
}
