import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { type Digest, type DerivationHash, digestOfPath, type ResolvedHash } from '../graph/store-path.ts'
import { formatTrace } from '../store/traces.ts'
import { tempDirectory, tempStore, writeTree } from './helpers/temp-store.ts'

// A difference here means that stores written before cannot be read: it calls for a new format version.

test('the record of an object never changes', async t => {
  const store = tempStore(t)
  const self = '0123456789abcdfghijklmnpqrsvwxyz' as Digest
  const source = writeTree(join(tempDirectory(t), 'source'), {
    'bin/hello': { executable: `#!/bin/sh\nexec /mix/store/${self}-hello-1/bin/hi\n` },
    'share/text': 'text\n',
    link: { symlink: 'share/text' },
  })
  const library = '00000000000000000000000000000000-library-1' as ReturnType<typeof store.paths>[number]
  const candidates = new Map([[digestOfPath(library), library]])
  writeTree(source, { 'share/uses': library })
  const path = await store.add({ source, label: 'hello-1', self, candidates, maker: 'the test' })
  t.is(path, 'ns3lmzh4g4f711ql6n1gifc4kdwzkd7n-hello-1')
  t.is(readFileSync(store.layout.record(digestOfPath(path)), 'utf8'), `RECORD`)
})

test('a trace never changes', t => {
  const trace = formatTrace({
    label: 'hello-1',
    derivation: 'd'.repeat(64) as DerivationHash,
    resolved: 'e'.repeat(64) as ResolvedHash,
    outputs: { out: '00000000000000000000000000000000-hello-1' as never },
  })
  t.is(
    trace,
    `{"format":"mixos-trace-1","label":"hello-1","derivation":"${'d'.repeat(64)}","resolved":"${'e'.repeat(64)}","outputs":{"out":"00000000000000000000000000000000-hello-1"}}\n`,
  )
})
