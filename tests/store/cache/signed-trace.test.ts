import { sign } from 'node:crypto'
import test from 'ava'
import fc from 'fast-check'
import { MixosError } from '../../../graph/error.ts'
import {
  type DerivationHash,
  type ObjectHash,
  type ResolvedHash,
  storePathOf,
} from '../../../graph/store-path.ts'
import { generateKey } from '../../../store/cache/keys.ts'
import {
  formatSignedTrace,
  isoSeconds,
  SIGNED_TRACE_LIMIT,
  type SignedTrace,
  type Statement,
  signTrace,
  traceOf,
  verifySignedTrace,
} from '../../../store/cache/signed-trace.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { formatTrace, parseTrace } from '../../../store/traces.ts'

const NOW = Date.parse('2026-11-23T08:00:00Z')
const DAY = 24 * 3_600_000
const key = generateKey({ ...nodeHost, randomHex: digits => '7'.repeat(digits) }, 'alice')
const other = generateKey({ ...nodeHost, randomHex: digits => '8'.repeat(digits) }, 'bob')

const hashOf = <H>(digit: string): H => digit.repeat(64) as H
const outputOf = (hash: ObjectHash, label: string) => ({ path: storePathOf(hash, label), hash })
const statement: Statement = {
  label: 'hello-1',
  derivation: hashOf('d'),
  resolved: hashOf('e'),
  outputs: {
    dev: outputOf(hashOf('1'), 'hello-1-dev'),
    out: outputOf(hashOf('0'), 'hello-1'),
  },
}
const signed = signTrace(statement, key, NOW)
const text = formatSignedTrace(signed)
const options = { hash: statement.derivation, key: key.public, now: NOW, where: 't' }

test('the text and the signature of a trace are fixed: another one is another format', t => {
  t.is(
    text,
    `{"format":"mixos-cache-trace-1","label":"hello-1","derivation":"${hashOf('d')}","resolved":"${hashOf('e')}","outputs":{
  "dev": {"path":"248i248i248i248i248i248i248i248i-hello-1-dev","hash":"${hashOf('1')}"},
  "out": {"path":"00000000000000000000000000000000-hello-1","hash":"${hashOf('0')}"}
},"signedAt":"2026-11-23T08:00:00Z","signature":"4c93c128a8b75b15f7127760bdf5d88f:KGEsM6zyA3C0Ke9UqXkYtxe5u1YkKxB66+Dw2W9lJgrV4xAu8xvvZdM3OnCOp9co2BNLMiHAhSUBLZMrm9sRCw=="}
`,
  )
})

test('a trace is read as it was signed, under both of its hashes', t => {
  t.deepEqual(read(text), signed)
  t.deepEqual(read(text, { hash: statement.resolved }), signed)
})

test('any trace is read as it was signed, and its text is the same again', t => {
  fc.assert(
    fc.property(statements(), fc.nat(4e12), (statement, now) => {
      const signed = signTrace(statement, key, now)
      const text = formatSignedTrace(signed)
      t.deepEqual(read(text, { hash: statement.derivation, now }), signed)
      t.is(formatSignedTrace(read(text, { hash: statement.resolved, now })), text)
    }),
    { numRuns: 100 },
  )
})

test('the order in which outputs are given does not matter', t => {
  const { dev, out } = statement.outputs as { dev: never; out: never }
  t.is(formatSignedTrace(signTrace({ ...statement, outputs: { out, dev } }, key, NOW)), text)
})

test('the store keeps of a signed trace what it keeps of its own', t => {
  const trace = traceOf(signed)
  t.deepEqual(parseTrace(formatTrace(trace), statement.derivation, 't'), trace)
})

test('a byte that is changed anywhere is noticed', t => {
  const bytes = Buffer.from(
    formatSignedTrace(signTrace({ ...statement, expires: isoSeconds(NOW + DAY) }, key, NOW)),
  )
  for (let at = 0; at < bytes.length; at++) {
    for (const flip of [1, 2, 0x10, 0x20, 0x80]) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] as number) ^ flip
      const error = t.throws(() => verifySignedTrace(changed, options))
      t.true(isRefusal(error), `${at}: ${error}`)
    }
  }
})

test('a trace that ends early, or goes on, is refused wherever it does', t => {
  for (let length = 0; length < text.length; length++)
    t.throws(() => read(text.slice(0, length)), { code: 'CACHE_INVALID' })
  for (const more of [' ', '\n', '\0', text, '{}'])
    t.throws(() => read(text + more), { code: 'CACHE_INVALID' })
})

const changes: Record<string, Partial<Record<keyof SignedTrace, unknown>>> = {
  'the label': { label: 'hello-2' },
  'the derivation': { derivation: hashOf('f') },
  'the resolved hash': { resolved: hashOf('f') },
  'the object of an output': {
    outputs: { ...statement.outputs, out: outputOf(hashOf('2'), 'hello-1') },
  },
  'the last digit of an object': {
    outputs: {
      ...statement.outputs,
      out: { ...statement.outputs.out, hash: `${'0'.repeat(63)}1` },
    },
  },
  'the name of an output': {
    outputs: { lib: statement.outputs.dev, out: statement.outputs.out },
  },
  'two outputs for each other': {
    outputs: { dev: statement.outputs.out, out: statement.outputs.dev },
  },
  'an output less': { outputs: { out: statement.outputs.out } },
  'an output more': {
    outputs: { ...statement.outputs, man: outputOf(hashOf('2'), 'hello-1-man') },
  },
  'the time of signing': { signedAt: isoSeconds(NOW - 1000) },
  'an end that was not signed': { expires: isoSeconds(NOW + DAY) },
}
for (const [what, change] of Object.entries(changes)) {
  test(`${what} cannot be changed under a signature`, t => {
    const forged = formatSignedTrace({ ...signed, ...change } as SignedTrace)
    t.throws(() => read(forged, { hash: statement.derivation }), {
      code: 'SIGNATURE_INVALID',
      message: /^t: its signature by the key alice \([0-9a-f]{32}\) does not match what it says$/,
    })
  })
}

test('an end can neither be taken away nor put off', t => {
  const ending = signTrace({ ...statement, expires: isoSeconds(NOW + 1000) }, key, NOW)
  const { expires: _, ...endless } = ending
  for (const forged of [endless, { ...ending, expires: isoSeconds(NOW + DAY) }])
    t.throws(() => read(formatSignedTrace(forged)), { code: 'SIGNATURE_INVALID' })
})

test('a trace of the same format for another store or by an older rule is not the same bytes', t => {
  const plain = sign(null, Buffer.from(text), key.object).toString('base64')
  const forged = { ...signed, signature: `${key.public.id}:${plain}` }
  t.throws(() => read(formatSignedTrace(forged)), { code: 'SIGNATURE_INVALID' })
})

test('the trace of another signer is refused with both keys named', t => {
  t.throws(() => read(formatSignedTrace(signTrace(statement, other, NOW))), {
    code: 'SIGNATURE_INVALID',
    message: `t: it is signed by the key ${other.public.id}, expected the key alice (${key.public.id})`,
  })
})

test("another signer's signature under this key's id is refused", t => {
  const { signature } = signTrace(statement, other, NOW)
  const forged = { ...signed, signature: signature.replace(other.public.id, key.public.id) }
  t.throws(() => read(formatSignedTrace(forged)), {
    code: 'SIGNATURE_INVALID',
    message: /does not match what it says$/,
  })
})

for (const signature of [
  '',
  'none',
  `${key.public.id}:`,
  `${key.public.id}:AAAA`,
  signed.signature.slice(33),
]) {
  test(`${JSON.stringify(signature)} is no signature`, t => {
    t.throws(() => read(formatSignedTrace({ ...signed, signature })), {
      code: 'SIGNATURE_INVALID',
      message: /^t: expected a signature by the key alice /,
    })
  })
}

test('a signature may be written in one way only', t => {
  const { signature } = signed
  const at = signature.length - 3
  const last = signature[at] as string
  const next = String.fromCharCode(last.charCodeAt(0) + 1)
  t.throws(
    () => read(formatSignedTrace({ ...signed, signature: `${signature.slice(0, at)}${next}==` })),
    {
      code: 'SIGNATURE_INVALID',
    },
  )
})

test('an expired trace is refused, up to the second', t => {
  const text = formatSignedTrace(
    signTrace({ ...statement, expires: isoSeconds(NOW + 5000) }, key, NOW),
  )
  t.notThrows(() => read(text, { now: NOW + 4999 }))
  t.throws(() => read(text, { now: NOW + 5000 }), {
    code: 'SIGNATURE_INVALID',
    message: 't: it expired at 2026-11-23T08:00:05Z, now it is 2026-11-23T08:00:05Z',
  })
})

test('a trace from more than a day ahead is refused, one from less is not', t => {
  t.notThrows(() => read(text, { now: NOW - DAY }))
  const error = t.throws(() => read(text, { now: NOW - DAY - 1000 }), {
    code: 'SIGNATURE_INVALID',
    message:
      't: it is signed in the future, at 2026-11-23T08:00:00Z, now it is 2026-11-22T07:59:59Z',
  })
  t.is((error as MixosError).hint, 'check the clock of this machine')
})

test('the trace of another hash is refused with both hashes named', t => {
  t.throws(() => read(text, { hash: hashOf('f') }), {
    code: 'CACHE_INVALID',
    message: `t: it is the trace of ${statement.derivation}, asked for was ${hashOf('f')}`,
  })
})

for (const [what, content, message] of [
  ['what is no JSON', '<html>', 't: it is not JSON'],
  ['nothing', '', 't: it is not JSON'],
  ['a list', '[]', 't: it is not a JSON object'],
  [
    'another format',
    text.replace('trace-1', 'trace-2'),
    't: expected the format mixos-cache-trace-1, got "mixos-cache-trace-2"',
  ],
  ['no format', '{}', 't: expected the format mixos-cache-trace-1, got nothing'],
  [
    'an unknown field',
    text.replace('{', '{"\u009b\\u001b":1,'),
    't: it has an unknown field "\\u009b\\u001b"',
  ],
  [
    'a field twice',
    text.replace('"label"', '"label":"x","label"'),
    't: it is not written as mixos writes it',
  ],
  ['another layout', JSON.stringify(JSON.parse(text)), 't: it is not written as mixos writes it'],
  ['a byte order mark', `\u00ef\u00bb\u00bf${text}`, 't: it is not JSON'],
  [
    'more than its limit',
    text.padEnd(SIGNED_TRACE_LIMIT + 1),
    `t: it has ${SIGNED_TRACE_LIMIT + 1} bytes, more than ${SIGNED_TRACE_LIMIT}`,
  ],
  [
    'an output of three fields',
    text.replace('"path"', '"url":"x","path"'),
    't: its output "dev" is not a path and a hash',
  ],
] as const) {
  test(`${what} is refused as such`, t => {
    t.throws(() => verifySignedTrace(Buffer.from(content, 'latin1'), options), {
      code: 'CACHE_INVALID',
      message,
    })
  })
}

const nonsense: Record<string, readonly [Partial<Record<keyof SignedTrace, unknown>>, RegExp]> = {
  'no outputs': [{ outputs: {} }, /it has no outputs/],
  'a path of another object': [
    { outputs: { out: { ...statement.outputs.out, hash: hashOf('1') } } },
    /the path of b3:1+ begins with/,
  ],
  'a path of another label': [
    { outputs: { out: outputOf(hashOf('0'), 'other-1') } },
    /output out of hello-1 is at 0+-other-1$/,
  ],
  "another output's label": [
    {
      outputs: { out: outputOf(hashOf('0'), 'hello-1'), lib: outputOf(hashOf('1'), 'hello-1-dev') },
    },
    /output lib of hello-1 is at/,
  ],
  'two first outputs': [
    { outputs: { out: outputOf(hashOf('0'), 'hello-1'), lib: outputOf(hashOf('1'), 'hello-1') } },
    /2 of its outputs are at a path of hello-1, not 1/,
  ],
  'an absolute path': [
    { outputs: { out: { hash: hashOf('0'), path: `/mix/store/${statement.outputs.out?.path}` } } },
    /invalid store path/,
  ],
  'a path that leaves the store': [
    { outputs: { out: { hash: hashOf('0'), path: '../../etc/passwd' } } },
    /invalid store path/,
  ],
  'an output name that is none': [
    { outputs: { '../x': outputOf(hashOf('0'), 'hello-1') } },
    /invalid output name/,
  ],
  'an output called __proto__': [
    { outputs: { ['__proto__']: outputOf(hashOf('0'), 'hello-1') } },
    /invalid output name "__proto__"/,
  ],
  'a label that is none': [{ label: '../x' }, /invalid label/],
  'a hash in capitals': [{ derivation: hashOf('D') }, /invalid hash/],
  'a day that is none': [{ signedAt: '2026-02-30T00:00:00Z' }, /invalid time/],
  'a time with a zone': [{ expires: '2027-01-01T00:00:00+01:00' }, /invalid time/],
}
for (const [what, [change, message]] of Object.entries(nonsense)) {
  test(`${what} is not believed even under a good signature, and not signed`, t => {
    const unsigned = { ...signed, ...change } as SignedTrace
    // What signTrace signs, as the format has it.
    const framed = (text: string) => `${text.length}:${text}`
    const { label, derivation, resolved, signedAt, expires, outputs } = unsigned
    const fields = ['mixos-cache-trace-1', '/mix/store', key.public.id]
    fields.push(label, derivation, resolved, signedAt)
    for (const name of Object.keys(outputs).sort()) {
      const { path, hash } = outputs[name] as { path: string; hash: string }
      fields.push('output', name, path, hash)
    }
    if (expires !== undefined) fields.push('expires', expires)
    const bytes = Buffer.from(fields.map(framed).join(''))
    const signature = `${key.public.id}:${sign(null, bytes, key.object).toString('base64')}`
    t.throws(() => read(formatSignedTrace({ ...unsigned, signature })), {
      code: 'CACHE_INVALID',
      message,
    })
    if (!('signedAt' in change))
      t.throws(() => signTrace(unsigned, key, NOW), { instanceOf: Error, message })
  })
}

test('what has expired is not signed', t => {
  t.throws(() => signTrace({ ...statement, expires: isoSeconds(NOW) }, key, NOW), {
    message: /it expired at/,
  })
})

test('whatever stands in its file, a trace is refused with a code, and nothing else is thrown', t => {
  const field = fc.constantFrom(
    'format',
    'label',
    'derivation',
    'outputs',
    'signedAt',
    'signature',
    'expires',
  )
  const changed = fc
    .tuple(field, fc.jsonValue())
    .map(([field, value]) => JSON.stringify({ ...JSON.parse(text), [field]: value }))
  const pretty = fc
    .tuple(field, fc.string())
    .map(([field, value]) => formatSignedTrace({ ...signed, [field]: value }))
  const bytes = fc.oneof(
    fc.uint8Array(),
    fc.oneof(fc.string(), fc.json(), changed, pretty).map(text => Buffer.from(text)),
  )
  fc.assert(
    fc.property(bytes, bytes => {
      try {
        verifySignedTrace(bytes, options)
        t.is(Buffer.from(bytes).toString(), text)
      } catch (error) {
        t.true(isRefusal(error), `${error}`)
        t.notRegex((error as Error).message, /[^ -~…]/)
      }
    }),
    { numRuns: 500 },
  )
})

function read(
  text: string,
  changes: Partial<Parameters<typeof verifySignedTrace>[1]> = {},
): SignedTrace {
  return verifySignedTrace(Buffer.from(text), { ...options, ...changes })
}

const isRefusal = (error: unknown): boolean =>
  error instanceof MixosError && ['SIGNATURE_INVALID', 'CACHE_INVALID'].includes(error.code)

function statements(): fc.Arbitrary<Statement> {
  const hash = fc.stringMatching(/^[0-9a-f]{64}$/)
  const names = fc.uniqueArray(fc.stringMatching(/^[a-z][a-zA-Z0-9_]{0,5}$/), {
    minLength: 1,
    maxLength: 4,
  })
  const parts = fc.record({
    label: fc.stringMatching(/^[a-z0-9][a-zA-Z0-9+._-]{0,20}$/),
    derivation: hash,
    resolved: hash,
    outputs: names.chain(names =>
      fc.tuple(
        fc.constant(names),
        fc.array(hash, { minLength: names.length, maxLength: names.length }),
      ),
    ),
    expires: fc.option(fc.integer({ min: 5e12, max: 9e12 }), { nil: undefined }),
  })
  return parts.map(({ label, derivation, resolved, outputs: [names, hashes], expires }) => ({
    label,
    derivation: derivation as DerivationHash,
    resolved: resolved as ResolvedHash,
    outputs: Object.fromEntries(
      names.map((name, index) => [
        name,
        outputOf(hashes[index] as ObjectHash, index === 0 ? label : `${label}-${name}`),
      ]),
    ),
    ...(expires !== undefined && { expires: isoSeconds(expires) }),
  }))
}
