import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { openReporter } from '../../cli/report.ts'
import { MixosError } from '../../graph/error.ts'
import type { DerivationHash } from '../../graph/store-path.ts'
import type { Event } from '../../store/event.ts'

const step = 'a'.repeat(64) as DerivationHash

function reporter({
  isTTY = false,
  columns = 40,
  rows = 24,
  environment = { TERM: 'xterm' } as Record<string, string>,
} = {}) {
  const written = { out: '', err: '' }
  const stream = (name: 'out' | 'err') => ({
    isTTY,
    columns,
    rows,
    write: (text: string) => {
      written[name] += text
    },
  })
  let time = 0
  const report = openReporter({
    program: { name: 'mixos', hints: { DISK_FULL: 'free space with: mixos gc' } },
    out: stream('out'),
    err: stream('err'),
    environment,
    now: () => time,
  })
  return {
    written,
    report,
    at: (milliseconds: number): void => {
      time = milliseconds
    },
  }
}

const started: Event = { type: 'started', step, label: 'musl-1.2.5', action: 'build', at: 0 }
const done: Event = {
  type: 'done',
  step,
  label: 'musl-1.2.5',
  how: 'built',
  outputs: {},
  at: 14_800,
}

test('elsewhere than on a terminal, a step is a line when it starts and one when it is done', t => {
  const { written, report } = reporter()
  for (const event of [started, done]) report.event(event)
  report.close()
  t.is(written.err, 'building musl-1.2.5\nbuilt musl-1.2.5 in 14.8 s\n')
})

test('a terminal shows what runs and for how long, no wider than it is, and is left clean', t => {
  const { written, report, at } = reporter({ isTTY: true, columns: 30 })
  at(3000)
  report.event({ ...started, label: `${'long-'.repeat(10)}1.0` } as Event)
  t.is(written.err, '0 of 0 steps done in 3.0 s\n  building long-long-long-lon\n')
  report.close()
  t.is(written.err.split('\n').at(-1), '\x1b[2A\r\x1b[J')
})

test('a terminal of few lines shows no more than it can take back', t => {
  const { written, report } = reporter({ isTTY: true, rows: 3 })
  for (const character of ['a', 'b', 'c', 'd'])
    report.event({ ...started, step: character.repeat(64) as DerivationHash } as Event)
  report.close()
  t.is(written.err.split('\n').at(-1), '\x1b[2A\r\x1b[J')
})

test('a terminal that is dumb, or of no known kind, gets no escapes', t => {
  for (const environment of [{ TERM: 'dumb' }, { TERM: '' }, {} as Record<string, string>]) {
    const { written, report } = reporter({ isTTY: true, environment })
    for (const event of [started, done]) report.event(event)
    report.failure(new MixosError('CYCLE', 'round and round'), { asJson: false })
    report.help('\x1b[1mmixos\x1b[22m')
    t.is(written.err, 'building musl-1.2.5\nbuilt musl-1.2.5 in 14.8 s\nerror: round and round\n')
    t.is(written.out, 'mixos\n')
  }
})

test('a serial line, whose width nobody knows, shows what another terminal does', t => {
  const { written, report } = reporter({ isTTY: true, columns: 0 })
  report.event(started)
  t.is(written.err, '0 of 0 steps done in 0.0 s\n  building musl-1.2.5  0.0 s\n')
  report.close()
})

test('a terminal shows how far a store is verified', t => {
  const { written, report } = reporter({ isTTY: true, columns: 80 })
  report.event({ type: 'verifying', objects: 3, total: 12, bytes: 10_000_000 })
  t.is(written.err, 'read 3 of 12 objects, 10.0 MB\n')
  report.close()
})

test('a terminal shows how much was fetched, how fast, and how long the rest takes', async t => {
  const { written, report, at } = reporter({ isTTY: true, columns: 80 })
  report.event({ type: 'fetched', bytes: 0, total: 30_000_000 })
  t.is(written.err, 'fetched 0 bytes of at most 30.0 MB\n')
  at(4000)
  report.event({ type: 'fetched', bytes: 10_000_000, total: 30_000_000 })
  // It is redrawn ten times a second.
  while (!written.err.includes('left')) await sleep(20)
  t.regex(written.err, /fetched 10\.0 MB of at most 30\.0 MB, 2\.5 MB\/s, 8\.0 s left\n/)
  report.close()
})

test('NO_COLOR takes the colours, and TERM=dumb the redrawing too', t => {
  const failing = new MixosError('BUILD_FAILED', 'musl-1.2.5 failed')
  const print = (environment: Record<string, string>): string => {
    const { written, report } = reporter({ isTTY: true, environment })
    report.failure(failing, { asJson: false })
    return written.err
  }
  t.is(print({ TERM: 'xterm' }), '\x1b[31merror:\x1b[39m musl-1.2.5 failed\n')
  t.is(print({ TERM: 'xterm', NO_COLOR: '1' }), 'error: musl-1.2.5 failed\n')
  t.is(print({ TERM: 'dumb' }), 'error: musl-1.2.5 failed\n')
})

test('an error shows its causes below it, and the next step last', t => {
  const { written, report } = reporter()
  const cause = new AggregateError([
    new Error('404'),
    new Error('cut', { cause: new Error('reset') }),
  ])
  const hint = 'try again\nor set a mirror'
  report.failure(new MixosError('FETCH_FAILED', 'no mirror has x', { cause, hint }), {
    asJson: false,
  })
  t.is(
    written.err,
    'error: no mirror has x\n  because: 404\n  because: cut\n    because: reset\nhint: try again\n      or set a mirror\n',
  )
})

test('an error that was reported when it arose is not printed again', t => {
  const { written, report } = reporter()
  const error = new MixosError('BUILD_FAILED', 'musl-1.2.5 failed')
  report.event({ type: 'failed', step, label: 'musl-1.2.5', error, at: 0 })
  report.failure(error, { asJson: true })
  t.is(written.err, 'error: musl-1.2.5 failed\n')
  t.deepEqual(JSON.parse(written.out), {
    error: { code: 'BUILD_FAILED', message: 'musl-1.2.5 failed' },
    failed: [{ step, label: 'musl-1.2.5', code: 'BUILD_FAILED', message: 'musl-1.2.5 failed' }],
  })
})

test('a bug is printed with its stack and a request to report it', t => {
  const { written, report } = reporter()
  report.failure(new TypeError('x is not a function'), { asJson: false })
  t.regex(
    written.err,
    /^error: TypeError: x is not a function\n {4}at .*report\.test\.ts[\s\S]*hint: this is a bug/,
  )
})

test('an error of cleaning up stands below the error that came first', t => {
  const first = new MixosError('FETCH_FAILED', 'no mirror has x')
  const failure = new SuppressedError(new TypeError('x is not a function'), first)
  const { written, report } = reporter()
  report.failure(failure, { asJson: true })
  t.regex(written.err, /^error: no mirror has x\nerror: TypeError: x is not a function\n/)
  t.like(JSON.parse(written.out), { error: { code: 'FETCH_FAILED' } })
})

test('what a build printed cannot control the terminal', t => {
  const { written, report } = reporter()
  const message = 'last lines:\n  \x1b]0;title\x07\x1b[2Jgone\rover\u202e\x01'
  report.failure(new MixosError('BUILD_FAILED', message), { asJson: false })
  t.is(written.err, 'error: last lines:\n  gone\nover\ufffd\ufffd\n')
})

test('where an error comes without a next step, the program says the one that it knows', t => {
  const full = new MixosError('DISK_FULL', 'the disk is full')
  const told = reporter()
  told.report.failure(full, { asJson: true })
  t.is(told.written.err, 'error: the disk is full\nhint: free space with: mixos gc\n')
  t.like(JSON.parse(told.written.out), { error: { hint: 'free space with: mixos gc' } })
})
