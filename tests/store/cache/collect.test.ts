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

const DAMAGES = {
  'a damaged trace that is kept': ['trace/', (path: string) => `${path}: it is not JSON`],
  'a damaged index that is needed': [
    'object/',
    (path: string) => `${path} is not the index of \\w{32}-program-1`,
  ],
} as const
for (const [what, [prefix, message]] of Object.entries(DAMAGES)) {
  test(`${what} stops a collection before anything is deleted`, async t => {
    const { storage, files } = await sharedCache(t)
    const path = fileOf(files, prefix, /program-1/)
    files.set(path, Buffer.from('{'))
    const before = [...files.keys()]
    await t.throwsAsync(collectCache(storage, nothing), {
      code: 'CACHE_INVALID',
      message: new RegExp(message(path)),
    })
    t.deepEqual([...files.keys()], before)
  })
}
