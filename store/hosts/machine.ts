import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fchmodSync,
  fstatSync,
  fsync,
  ftruncateSync,
  futimesSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  open,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  realpathSync,
  renameSync,
  rmdirSync,
  statfsSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { availableParallelism } from 'node:os'
import { dirname } from 'node:path'
import { promisify } from 'node:util'
import { named, naming } from '../disk/system-error.ts'
import type { Files, Host } from '../host.ts'
import { nodeNetwork } from './node-network.ts'
import { removeAll } from './remove-all.ts'

const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_RDWR, O_NOFOLLOW, O_DIRECTORY } = constants
const FLAGS = {
  read: O_RDONLY | O_NOFOLLOW,
  create: O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW,
  // A shared lock needs reading, an exclusive one writing.
  'read-write': O_RDWR | O_CREAT | O_NOFOLLOW,
  write: O_WRONLY | O_NOFOLLOW,
  directory: O_RDONLY | O_DIRECTORY | O_NOFOLLOW,
}
// Second 1, not 0: some tools take 0 for "no time".
const MTIME = 1

const openLater = promisify(open)
const syncLater = promisify(fsync)

/** Of a link: too many names, another file system, and one without links or a file of somebody else. */
const NO_LINK: readonly string[] = ['EMLINK', 'EXDEV', 'EPERM']

/** What each runtime does in its own way. */
type Runtime = Pick<Files, 'tryLock' | 'exchange' | 'checkpoint'>

/** By what path a file was opened: Node names none where a number is all it was given. */
const opened = new Map<number, string>()
const of = <T>(fd: number, action: () => T): T => naming(opened.get(fd), action)

const files: Omit<Files, keyof Runtime> = {
  read: path => absentAsUndefined(() => naming(path, () => readFileSync(path))),
  lstat: path => {
    try {
      return lstatSync(path, { throwIfNoEntry: false })
    } catch (error) {
      // Below a file there is nothing, and that is certain.
      if ((error as NodeJS.ErrnoException).code === 'ENOTDIR') return undefined
      throw error
    }
  },
  list: path => readdirSync(path).sort(),
  readLink: path => readlinkSync(path),
  realPath: path => absentAsUndefined(() => realpathSync(path)),
  usedBytes: path => {
    const { blocks, bfree, bsize } = statfsSync(path)
    return (blocks - bfree) * bsize
  },
  makeDirectory,
  writeNew: (path, data, mode = 0o644) => writeFileSync(path, data, { flag: 'wx', mode }),
  rewrite: (path, data) => {
    const fd = openSync(path, FLAGS['read-write'], 0o644)
    try {
      writeFileSync(fd, data)
      ftruncateSync(fd, Buffer.byteLength(data))
    } finally {
      closeSync(fd)
    }
  },
  open: (path, how) => {
    const fd = openSync(path, FLAGS[how], 0o644)
    opened.set(fd, path)
    return fd
  },
  statOf: fd => of(fd, () => fstatSync(fd)),
  readInto: (fd, buffer) => of(fd, () => readSync(fd, buffer)),
  readAt: (fd, buffer, position) => of(fd, () => readSync(fd, buffer, 0, buffer.length, position)),
  writeFrom: (fd, data) =>
    of(fd, () => {
      for (let done = 0; done < data.length; ) done += writeSync(fd, data, done)
    }),
  writeAt: (fd, data, position) =>
    of(fd, () => {
      for (let done = 0; done < data.length; ) {
        done += writeSync(fd, data, done, data.length - done, position + done)
      }
    }),
  seal: (fd, executable) =>
    of(fd, () => {
      fchmodSync(fd, executable ? 0o555 : 0o444)
      futimesSync(fd, MTIME, MTIME)
    }),
  close: fd => {
    opened.delete(fd)
    closeSync(fd)
  },
  sealPath: (path, type) => {
    if (type === 'directory') chmodSync(path, 0o555)
    lutimesSync(path, MTIME, MTIME)
  },
  changeMode: (path, mode) => chmodSync(path, mode),
  changeOwner: (path, uid, gid) => lchownSync(path, uid, gid),
  symlink: (target, path) => symlinkSync(target, path),
  link: (from, to) => {
    try {
      linkSync(from, to)
      return true
    } catch (error) {
      if (NO_LINK.includes((error as NodeJS.ErrnoException).code ?? '')) return false
      throw error
    }
  },
  rename: (from, to) => renameSync(from, to),
  unlink: path => void absentAsUndefined(() => unlinkSync(path)),
  removeDirectory: path => rmdirSync(path),
  removeAll,
  sync: async path => {
    // A directory may be known by a symlink, such as a user's configuration.
    const fd = await openLater(path, O_RDONLY)
    try {
      await syncLater(fd)
    } catch (error) {
      throw named(error, path)
    } finally {
      closeSync(fd)
    }
  },
}

/**
 * Of an exchange: not known to the kernel, not to the file system, or not for a directory that lies in a lower layer.
 */
export const NO_EXCHANGE: readonly string[] = ['ENOSYS', 'EINVAL', 'EXDEV']

/** The real machine, as far as it is the same for every runtime with Node's modules. */
export const hostWith = (runtime: Runtime): Host => ({
  files: { ...files, ...runtime },
  processes: { spawn, kill, cpus: availableParallelism(), uid: process.geteuid?.() ?? -1 },
  network: nodeNetwork,
  now: Date.now,
  // CLOCK_MONOTONIC.
  uptime: () => performance.now(),
  randomHex: digits =>
    randomBytes(Math.ceil(digits / 2))
      .toString('hex')
      .slice(0, digits),
})

function kill(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
  }
}

// Not by mkdir's own `recursive`: on a path such as /proc/x, Node 24 tries for ever.
function makeDirectory(path: string, mode = 0o755): void {
  try {
    makeOneDirectory(path, mode)
  } catch (error) {
    const parent = dirname(path)
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === path) throw error
    if (!existsSync(parent)) makeDirectory(parent)
    // Again also where the parent exists: another process may have made it since.
    makeOneDirectory(path, mode)
  }
}

function makeOneDirectory(path: string, mode: number): void {
  try {
    mkdirSync(path, mode)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'EEXIST' || !statSync(path).isDirectory()) throw error
  }
}

function absentAsUndefined<T>(action: () => T): T | undefined {
  try {
    return action()
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}
