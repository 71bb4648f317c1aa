import test from 'ava'
import { collectCache } from '../../../store/cache/collect.ts'
import { fileOf, sharedCache } from '../../helpers/shared-cache.ts'

const { signal } = new AbortController()
const LATER = Date.now() + 3_600_000
const everything = {
  keep: new Set<string>(),
  since: LATER,
  youngerThan: LATER,
  signal,
  dryRun: false,
}
// Files in memory have no age: all of them count as old, or as new.
const nothing = { ...everything, since: 0, youngerThan: 1 }

test('all that nobody keeps goes, and what is not of a cache stays', async t => {
  const { storage, files } = await sharedCache(t)
  const others = ['object/readme.txt', 'pack/index.html', 'trace/notes/all.json']
  for (const path of others) files.set(path, Buffer.from('not ours'))
  const gone = await collectCache(storage, everything)
  t.like(gone, { traces: 3, objects: 2 })
  t.deepEqual([...files.keys()].sort(), ['mixos-cache.json', ...others].sort())
})

test('a damaged trace that is kept stops a collection before anything is deleted', async t => {
  const { storage, files } = await sharedCache(t)
  const trace = fileOf(files, 'trace/', /program-1/)
  files.set(trace, Buffer.from('{'))
  const before = [...files.keys()]
  await t.throwsAsync(collectCache(storage, nothing), {
    code: 'CACHE_INVALID',
    message: new RegExp(`${trace}: it is not JSON`),
  })
  t.deepEqual([...files.keys()], before)
})

test('a damaged index that is needed stops a collection before anything is deleted', async t => {
  const { storage, files } = await sharedCache(t)
  const index = fileOf(files, 'object/', /program-1/)
  files.set(index, Buffer.from('{'))
  const before = [...files.keys()]
  await t.throwsAsync(collectCache(storage, nothing), {
    code: 'CACHE_INVALID',
    message: new RegExp(`${index} is not the index of \\w{32}-program-1`),
  })
  t.deepEqual([...files.keys()], before)
})
