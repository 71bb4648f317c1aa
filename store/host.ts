import type { ChildProcess, SpawnOptions } from 'node:child_process'
import type { Stats } from 'node:fs'

/**
 * The machine. Everything below `cli/` that touches disk, processes, network, clock or randomness goes
 * through it, so that a test can make any of it fail at any point.
 */
export interface Host {
  readonly files: Files
  readonly processes: Processes
  readonly network: Network
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** Lower-case hexadecimal digits. */
  readonly randomHex: (digits: number) => string
}

/** Synchronous where that is fastest, asynchronous where the disk makes one wait. Errors are Node's own. */
export interface Files {
  read(path: string): Buffer
  lstat(path: string): Stats
  /** Names in bytewise order. */
  list(path: string): string[]
  readLink(path: string): string
  makeDirectory(path: string, mode?: number): void
  /** Creates the file; fails where something of that name exists, also a symlink. */
  writeNew(path: string, data: string | Uint8Array, mode?: number): void
  /** Opens without following a symlink. The caller closes. */
  open(path: string, how: 'read' | 'create'): number
  readInto(fd: number, buffer: Uint8Array): number
  writeFrom(fd: number, buffer: Uint8Array): void
  writeAt(fd: number, buffer: Uint8Array, position: number): void
  /** Mode and mtime (1 second after the epoch) of an object's file. */
  seal(fd: number, executable: boolean): void
  close(fd: number): void
  /** The same for a directory or a symlink, by path. */
  sealPath(path: string, type: 'directory' | 'symlink'): void
  changeMode(path: string, mode: number): void
  changeOwner(path: string, uid: number, gid: number): void
  symlink(target: string, path: string): void
  rename(from: string, to: string): void
  unlink(path: string): void
  removeDirectory(path: string): void
  /** A file or a directory itself, not what is in it. */
  sync(path: string): Promise<void>
  /** All that was written to the file system that holds `path`. */
  syncFileSystem(path: string): Promise<void>
  /** Bytes that an ordinary user may still write to the file system that holds `path`. */
  freeSpace(path: string): number
}

export interface Processes {
  spawn(command: string, args: readonly string[], options: SpawnOptions): ChildProcess
  readonly uid: number
}

export interface Network {
  /** Resolves with the response's head; rejects where there is no answer. Redirects are not followed. */
  request(url: URL, options: { headers: Record<string, string>; signal: AbortSignal }): Promise<Response>
}
