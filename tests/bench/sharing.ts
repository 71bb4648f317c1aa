// Run by hand: node tests/bench/sharing.ts STORE [NAME…]
// How many bytes a cache sends for a build of a package to somebody who has another build of it: for each
// two objects of the store with the same name, of those names or of any, both ways.
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { labelOfPath, type StorePath } from '../../graph/store-path.ts'
import { memoryStorage } from '../../store/cache/storages/memory.ts'
import { removeTree } from '../../store/disk/remove.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { openStore } from '../../store/store.ts'
import { pulled, pushed } from '../helpers/copies.ts'

const [directory, ...names] = process.argv.slice(2)
if (!directory) throw new Error('name a store')
const store = openStore({ directory, host: nodeHost })
const builds = Map.groupBy(store.paths(), path => labelOfPath(path))

console.log('package                        whole      other here')
for (const [label, paths] of builds) {
  if (names.length > 0 && !names.some(name => label.startsWith(`${name}-`))) continue
  const pairs = paths.flatMap(here => paths.map(wanted => ({ here, wanted })))
  for (const { here, wanted } of pairs) if (here !== wanted) await compare(label, here, wanted)
}

async function compare(label: string, here: StorePath, wanted: StorePath): Promise<void> {
  const storage = memoryStorage()
  await pushed(store, [here, wanted], storage)
  const parent = mkdtempSync(join(tmpdir(), 'mixos-bench-'))
  try {
    const [whole, rest] = [await bytesFor([wanted]), await bytesFor([here, wanted])]
    const share = ((100 * rest) / Math.max(whole, 1)).toFixed(1)
    console.log(
      `${label.padEnd(24)} ${`${whole}`.padStart(11)} ${`${rest}`.padStart(11)}  ${share} %`,
    )
  } finally {
    removeTree(nodeHost, parent)
  }

  async function bytesFor(order: readonly StorePath[]): Promise<number> {
    const other = openStore({ directory: mkdtempSync(join(parent, 'store-')), host: nodeHost })
    let bytes = 0
    for (const path of order) bytes = await pulled(other, [path], storage)
    return bytes
  }
}
