import { utimesSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { digestOfPath, labelOfPath, type StorePath } from '../../../graph/store-path.ts'
import { siblingsIn } from '../../../store/cache/local-files.ts'
import type { Store } from '../../../store/store.ts'
import { tempStore, writeTree } from '../../helpers/temp-store.ts'

test('of other versions, those that came last are first, whatever their digests', async t => {
  const store = tempStore(t)
  const labels = Array.from({ length: 8 }, (_, at) => `tool-1.${at}`)
  const paths = []
  for (const label of labels) paths.push(await add(store, label))
  for (const [at, path] of paths.entries())
    utimesSync(store.layout.record(digestOfPath(path)), at, at)
  const [wanted, ...others] = paths.toReversed() as [StorePath, ...StorePath[]]
  t.deepEqual(siblingsIn(store)(wanted), others)
})

test('another version is one of the same name and output', async t => {
  const store = tempStore(t)
  const families = [
    ['gcc-14.2.0-19', 'gcc-13.3.0'],
    ['gcc-14-base-14.2.0-19', 'gcc-14-base-14.1.0'],
    ['gcc-14-14.2.0-19', 'gcc-14-14.1.0-2'],
    ['gcc-14.2.0-dev', 'gcc-13.3.0-dev'],
    ['my-tool-2024-01', 'my-tool-3'],
    ['7zip-24', '7zip-25.01'],
  ]
  const byFamily = new Map<StorePath, number>()
  for (const [family, labels] of families.entries())
    for (const label of labels) byFamily.set(await add(store, label), family)
  const siblings = siblingsIn(store)
  for (const [path, family] of byFamily) {
    const others = [...byFamily].filter(([other]) => byFamily.get(other) === family)
    const wanted = others.map(([other]) => other).filter(other => other !== path)
    t.deepEqual([...siblings(path)], wanted, labelOfPath(path))
  }
})

let count = 0
/** No two have the same content. */
function add(store: Store, label: string): Promise<StorePath> {
  const source = writeTree(join(store.scratch(), 'tree'), { text: `${count++}` })
  return store.add({ source, label, candidates: new Map(), maker: 'the test' })
}
