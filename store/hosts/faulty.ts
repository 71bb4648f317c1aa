import type { Files, Host } from '../host.ts'

/** A method that changes the disk, or that promises the change to last. */
export type Change = Exclude<
  keyof Files,
  'read' | 'lstat' | 'list' | 'readLink' | 'statOf' | 'readInto' | 'close' | 'freeSpace' | 'tryLock'
>

/** Calls `before` ahead of every change of the disk, with the path it is about; what `before` throws, the change throws. */
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
    open: (path, how) => {
      if (how === 'create' || how === 'lock') before('open', path)
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
    rename: (from, to) => {
      before('rename', to)
      files.rename(from, to)
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
  }
  return { ...host, files: { ...files, ...watched } }
}

export interface Fault {
  /** Which change it comes at, counted from 1. */
  readonly at: number
  /** Ends the process at once, without any cleanup, or fails the change with an error of the system. */
  readonly how: 'kill' | 'EIO' | 'ENOSPC'
}

/** The machine until the given change; a write that the process dies in is left half done. */
export function faultyHost(host: Host, { at, how }: Fault): Host {
  let changes = 0
  const isDue = (): boolean => ++changes === at
  const faulty = watchedHost(host, (change, path) => {
    if (!isDue()) return
    if (how === 'kill') process.kill(process.pid, 'SIGKILL')
    throw Object.assign(new Error(`${how}: injected at ${change} ${path}`), { code: how })
  })
  if (how !== 'kill') return faulty
  const writeNew: Files['writeNew'] = (path, data, mode) => {
    // The next change is this write: do half of it, and let the count run out.
    if (changes + 1 === at) host.files.writeNew(path, data.slice(0, data.length / 2), mode)
    faulty.files.writeNew(path, data, mode)
  }
  return { ...faulty, files: { ...faulty.files, writeNew } }
}
