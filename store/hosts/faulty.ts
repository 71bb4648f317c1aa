import type { Files, Host } from '../host.ts'

/** A method that changes the disk, or that promises the change to last. */
export type Change = Exclude<
  keyof Files,
  | 'read'
  | 'lstat'
  | 'list'
  | 'readLink'
  | 'realPath'
  | 'usedBytes'
  | 'statOf'
  | 'readInto'
  | 'readAt'
  | 'close'
  | 'tryLock'
>

/**
 * Calls `before` ahead of every change of the disk, with the path it is about; what `before` throws, the change throws.
 */
export function watchedHost(host: Host, before: (change: Change, path: string) => void): Host {
  const { files } = host
  // Data is written to descriptors; what they were opened for says more.
  const names = new Map<number, string>()
  const nameOf = (fd: number): string => names.get(fd) ?? `descriptor ${fd}`
  const watched: Omit<Files, Exclude<keyof Files, Change>> = {
    makeDirectory: (path, mode) => {
      before('makeDirectory', path)
      files.makeDirectory(path, mode)
    },
    writeNew: (path, data, mode) => {
      before('writeNew', path)
      files.writeNew(path, data, mode)
    },
    rewrite: (path, data) => {
      before('rewrite', path)
      files.rewrite(path, data)
    },
    open: (path, how) => {
      if (how === 'create' || how === 'read-write') before('open', path)
      const fd = files.open(path, how)
      names.set(fd, path)
      return fd
    },
    writeFrom: (fd, data) => {
      before('writeFrom', nameOf(fd))
      files.writeFrom(fd, data)
    },
    writeAt: (fd, data, position) => {
      before('writeAt', nameOf(fd))
      files.writeAt(fd, data, position)
    },
    seal: (fd, executable) => {
      before('seal', nameOf(fd))
      files.seal(fd, executable)
    },
    sealPath: (path, type) => {
      before('sealPath', path)
      files.sealPath(path, type)
    },
    changeMode: (path, mode) => {
      before('changeMode', path)
      files.changeMode(path, mode)
    },
    changeOwner: (path, uid, gid) => {
      before('changeOwner', path)
      files.changeOwner(path, uid, gid)
    },
    symlink: (target, path) => {
      before('symlink', path)
      files.symlink(target, path)
    },
    link: (from, to) => {
      before('link', to)
      return files.link(from, to)
    },
    rename: (from, to) => {
      before('rename', to)
      files.rename(from, to)
    },
    exchange: (one, other) => {
      before('exchange', other)
      return files.exchange(one, other)
    },
    unlink: path => {
      before('unlink', path)
      files.unlink(path)
    },
    removeDirectory: path => {
      before('removeDirectory', path)
      files.removeDirectory(path)
    },
    removeAll: path => {
      before('removeAll', path)
      files.removeAll(path)
    },
    sync: async path => {
      before('sync', path)
      await files.sync(path)
    },
    checkpoint: path => {
      before('checkpoint', path)
      files.checkpoint(path)
    },
  }
  return { ...host, files: { ...files, ...watched } }
}

export interface Fault {
  /** Which change it comes at, counted from 1. */
  readonly at: number
  /**
   * `kill` ends the process at once, without any cleanup. `halt` does the same to the disk without a process
   * of its own: this change and all after it fail. Others fail this one change with an error of the system.
   */
  readonly how: 'kill' | 'halt' | 'EIO' | 'ENOSPC'
  /** The changes that count; all of them where left out. */
  readonly among?: readonly Change[]
}

/** The machine until the given change. */
export function faultyHost(host: Host, { at, how, among }: Fault): Host {
  let changes = 0
  return watchedHost(host, (change, path) => {
    if (among && !among.includes(change)) return
    changes++
    const isDue = changes === at || (how === 'halt' && changes > at)
    if (!isDue) return
    if (how === 'kill') process.kill(process.pid, 'SIGKILL')
    throw Object.assign(new Error(`${how}: injected at ${change} ${path}`), { code: how })
  })
}
