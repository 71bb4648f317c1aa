import { randomBytes } from 'node:crypto'
import { chmodSync, lstatSync, readdirSync, renameSync, rmdirSync, unlinkSync } from 'node:fs'

// The system takes paths of 4,095 bytes, and the tree may itself be some way down.
const LONGEST = 2000

/**
 * Deletes a directory and all in it, whatever names, modes and depth a builder gave it. By the bytes of names, since
 * they need not be UTF-8. What lies deeper than a path may be long is moved up first.
 */
export function removeAll(path: string): void {
  const top = Buffer.from(path)
  chmodSync(top, 0o700)
  // Until nothing is left: what was moved up is in no list made before.
  for (let names = namesIn(top); names.length > 0; names = namesIn(top))
    for (const name of names) removeEntry(joined(top, name), top)
  rmdirSync(top)
}

function removeEntry(path: Buffer, top: Buffer): void {
  if (!lstatSync(path).isDirectory()) {
    unlinkSync(path)
    return
  }
  // Neither what is in a read-only directory can be deleted, nor itself be moved.
  chmodSync(path, 0o700)
  if (path.length > top.length + LONGEST) {
    renameSync(path, joined(top, Buffer.from(randomBytes(16).toString('hex'))))
    return
  }
  for (const name of namesIn(path)) removeEntry(joined(path, name), top)
  rmdirSync(path)
}

const namesIn = (directory: Buffer): Buffer[] => readdirSync(directory, { encoding: 'buffer' })

const joined = (directory: Buffer, name: Buffer): Buffer =>
  Buffer.concat([directory, Buffer.from('/'), name])
