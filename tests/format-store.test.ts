import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import {
  type DerivationHash,
  type Digest,
  digestOfPath,
  type ResolvedHash,
} from '../graph/store-path.ts'
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
  const library = '00000000000000000000000000000000-library-1' as ReturnType<
    typeof store.paths
  >[number]
  const candidates = new Map([[digestOfPath(library), library]])
  writeTree(source, { 'share/uses': library })
  const path = await store.add({ source, label: 'hello-1', self, candidates, maker: 'the test' })
  t.is<string, string>(path, 'ns3lmzh4g4f711ql6n1gifc4kdwzkd7n-hello-1')
  t.is(
    readFileSync(store.layout.record(digestOfPath(path)), 'utf8'),
    `{"format":"mixos-object-record-1","hash":"b6874afe04791c7087143582f8b9849b79f9b4f665bef9008d1c81b8514928c2","size":121,"label":"hello-1","references":["00000000000000000000000000000000-library-1"],"entries":[
{"path":"","type":"directory"},
{"path":"bin","type":"directory"},
{"path":"bin/hello","type":"file","executable":true,"size":74,"hash":"052f03d43ab838b882fac34b347e10c6b5cc7b259cd601373958ec205800728e","self":[26]},
{"path":"link","type":"symlink","target":"share/text"},
{"path":"share","type":"directory"},
{"path":"share/text","type":"file","executable":false,"size":5,"hash":"42173aaf951b10db722cc40c3bcd55cdb4b9ae148114a9e115cb74d18e7bb8c3"},
{"path":"share/uses","type":"file","executable":false,"size":42,"hash":"bdc96e657a58f56036f6c027249860e60bef157729e4edabf69199fc31c8ca35"}
]}
`,
  )
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
