import type { ChildProcess, SpawnOptions } from 'node:child_process'
import type { Stats } from 'node:fs'

/**
 * The machine. Everything below `cli/` that touches disk, processes, network, clock or randomness goes
 * through it, so that a test can make any of it fail at any point; timers alone are the runtime's own.
 */
export interface Host {
  readonly files: Files
  readonly processes: Processes
  readonly network: Network
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Milliseconds since some moment, without those in which the machine was suspended; never set. */
  readonly uptime: () => number
  /** Lower-case hexadecimal digits. */
  readonly randomHex: (digits: number) => string
}

/**
 * Synchronous where that is fastest, asynchronous where the disk makes one wait. Absent is undefined or
 * a no-op where a method says so; every other error is Node's own.
 */
export interface Files {
  /** Undefined where there is no such file. */
  read(path: string): Buffer | undefined
  /** Of the path itself, also if it is a symlink. Undefined where there is nothing. */
  lstat(path: string): Stats | undefined
  /** Names in bytewise order. */
  list(path: string): string[]
  readLink(path: string): string
  /** Where all symlinks lead in the end; undefined where that is nothing. */
  realPath(path: string): string | undefined
  /** Bytes that all files of the file system at that path take. */
  usedBytes(path: string): number
  /** With its parents; no-op where it is there. */
  makeDirectory(path: string, mode?: number): void
  /** Fails where something of that name exists, also a symlink. */
  writeNew(path: string, data: string | Uint8Array, mode?: number): void
  /**
   * Gives a file of ours alone these bytes in place, at least one; makes it where it is not there. For what is written
   * over and over: a file that comes and goes makes it slow to make others, on ext4 for minutes.
   */
  rewrite(path: string, data: string): void
  /** Never follows a symlink; `create` fails where something exists. The caller closes. */
  open(path: string, how: 'read' | 'create' | 'read-write' | 'write' | 'directory'): number
  statOf(fd: number): Stats
  /** Bytes read, 0 at the end. */
  readInto(fd: number, buffer: Uint8Array): number
  /** The same from a position on. */
  readAt(fd: number, buffer: Uint8Array, position: number): number
  writeFrom(fd: number, data: Uint8Array): void
  writeAt(fd: number, data: Uint8Array, position: number): void
  /** Gives an object's file its mode and its mtime, one second after the epoch. */
  seal(fd: number, executable: boolean): void
  close(fd: number): void
  /** The same for a directory or a symlink of an object. */
  sealPath(path: string, type: 'directory' | 'symlink'): void
  changeMode(path: string, mode: number): void
  changeOwner(path: string, uid: number, gid: number): void
  symlink(target: string, path: string): void
  /** Another name of a file or a symlink itself; false where its file system cannot give it one, or not to this user. */
  link(from: string, to: string): boolean
  rename(from: string, to: string): void
  /** Gives each of two paths what the other one has, in one step; false where their file system cannot. */
  exchange(one: string, other: string): boolean
  /** No-op where there is nothing. */
  unlink(path: string): void
  removeDirectory(path: string): void
  /** A directory and all in it, whatever its names, modes and depth; symlinks are not followed. */
  removeAll(path: string): void
  /** A file or a directory itself, not what is in it. */
  sync(path: string): Promise<void>
  /** Makes what was synced visible to a boot loader too, which reads the file system of `path` without its journal. */
  checkpoint(path: string): void
  /**
   * An advisory lock of the file or of one byte of it, which ends with the process; false where another is in the way.
   */
  tryLock(fd: number, how: 'shared' | 'exclusive', byte?: number): boolean
}

export interface Processes {
  spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess
  /** No-op where the process is gone. */
  kill(pid: number, signal: NodeJS.Signals): void
  /** How many can run at once. */
  readonly cpus: number
  /** Of this process, as the kernel decides access. */
  readonly uid: number
}

export interface Network {
  /**
   * Resolves with the head of the answer; rejects where there is none, with Node's own error, or ETIMEDOUT
   * where no connection came up in time. Redirects are not followed.
   */
  request(url: URL, options: RequestOptions): Promise<Answer>
}

export interface RequestOptions {
  readonly headers: Readonly<Record<string, string>>
  /** Ends the request, also while the body is read. */
  readonly signal: AbortSignal
  /** Milliseconds. */
  readonly connectWithin: number
}

export interface Answer {
  readonly status: number
  /** By lower-case name. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The bytes as they were sent, not decoded; throws where the connection breaks. To be read once. */
  readonly body: AsyncIterable<Uint8Array>
  /** To be called when the body is not wanted, or not to its end. */
  close(): void
}
