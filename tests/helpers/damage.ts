import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Changes the last byte of every pack of a cache in a directory. */
export function damagePacks(cache: string): void {
  for (const name of readdirSync(join(cache, 'pack'))) {
    const path = join(cache, 'pack', name)
    const bytes = readFileSync(path)
    bytes[bytes.length - 1] = (bytes.at(-1) as number) ^ 1
    chmodSync(path, 0o644)
    writeFileSync(path, bytes)
  }
}
