import test from 'ava'
import fc from 'fast-check'
import { MixosError } from '../../graph/error.ts'
import { formatTrace, parseTrace, type Trace } from '../../store/traces.ts'

const trace = {
  label: 'hello-1',
  derivation: 'd'.repeat(64),
  resolved: 'e'.repeat(64),
  outputs: { out: `${'0'.repeat(32)}-hello-1`, dev: `${'1'.repeat(32)}-hello-1-dev` },
} as unknown as Trace
const text = formatTrace(trace)

test('a trace is read as it was written, under both of its hashes', t => {
  t.deepEqual(parseTrace(text, trace.derivation, 't'), trace)
  t.deepEqual(parseTrace(text, trace.resolved, 't'), trace)
})

test('a trace under another hash is refused', t => {
  t.throws(() => parseTrace(text, 'f'.repeat(64), 't'), {
    code: 'RECORD_INVALID',
    message: /^t: it is the trace of d+$/,
  })
})

test('a trace that ends early is refused wherever it ends', t => {
  for (let length = 0; length < text.length - 1; length++) {
    t.throws(() => parseTrace(text.slice(0, length), trace.derivation, 't'), {
      code: 'RECORD_INVALID',
    })
  }
})

test('a trace of no outputs, or of what is no store path, is refused', t => {
  for (const outputs of [{}, [], null, { out: '../../etc' }, { out: 1 }]) {
    const changed = JSON.stringify({ ...JSON.parse(text), outputs })
    t.throws(() => parseTrace(changed, trace.derivation, 't'), { code: 'RECORD_INVALID' })
  }
})

test("a trace that was taken on nobody's word, or on what is no text, is refused", t => {
  for (const statements of [[], 'text', [1], null]) {
    const changed = JSON.stringify({ ...JSON.parse(text), statements })
    t.throws(() => parseTrace(changed, trace.derivation, 't'), { code: 'RECORD_INVALID' })
  }
  const taken = { ...trace, statements: ['signed'] }
  t.deepEqual(parseTrace(formatTrace(taken), trace.derivation, 't'), taken)
})

test('whatever stands in a trace file, nothing but RECORD_INVALID is thrown', t => {
  const key = fc.constantFrom(
    ...['format', 'label', 'derivation', 'resolved', 'outputs', 'statements'],
  )
  const changed = fc
    .tuple(key, fc.jsonValue())
    .map(([key, value]) => JSON.stringify({ ...JSON.parse(text), [key]: value }))
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.json(), changed), text => {
      try {
        parseTrace(text, trace.derivation, 't')
      } catch (error) {
        t.true(error instanceof MixosError && error.code === 'RECORD_INVALID')
      }
    }),
    { numRuns: 500 },
  )
})
