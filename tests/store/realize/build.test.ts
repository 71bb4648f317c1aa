import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import test from 'ava'
import type { MixosError } from '../../../graph/error.ts'
import { hashDerivation } from '../../../graph/hash.ts'
import { absolute } from '../../../graph/store-path.ts'
import { collect } from '../../../store/collect.ts'
import type { Event } from '../../../store/event.ts'
import type { Host } from '../../../store/host.ts'
import { watchedHost } from '../../../store/hosts/faulty.ts'
import { realize } from '../../../store/realize.ts'
import { openStore } from '../../../store/store.ts'
import { verify } from '../../../store/verify.ts'
import { shellStep, storeForBuilds, toolsForBuilds } from '../../helpers/building.ts'
import { sandboxTools } from '../../helpers/sandbox-tools.ts'
import { filesStep, quietly } from '../../helpers/temp-store.ts'

test.before('fetch what sandboxes are made of', async t => {
  t.timeout(300_000)
  await sandboxTools()
})

test('a build gets its inputs by name, and its output refers to those that it names', async t => {
  const { store, build } = await storeForBuilds(t)
  const [used, unused] = [filesStep('used', { a: 'text' }), filesStep('unused', { b: '' })]
  const script = 'cat "$used/a"; busybox=; echo "$used" >"$out"; echo "$unused" >/dev/null'
  const root = shellStep('root', script, { inputs: { used, unused } })
  const realized = await build([root, used])
  const [path, input] = [root, used].map(drv => realized.get(drv)?.out)
  t.truthy(path && input)
  if (!path || !input) return
  t.is(readFileSync(store.hostPath(path), 'utf8'), `${absolute(input)}\n`)
  t.deepEqual(store.head(path)?.references, [input])
  t.is(readFileSync(store.layout.log(hashDerivation(root)), 'utf8'), 'text')
})

test('an output that names itself has its own final path in it', async t => {
  const { store, build } = await storeForBuilds(t)
  const root = shellStep('self', 'echo "$out" >"$out"')
  const path = (await build([root])).get(root)?.out
  t.is(path && readFileSync(store.hostPath(path), 'utf8'), path && `${absolute(path)}\n`)
  t.deepEqual((await verify(store)).problems, [])
})

test('an output may be a symlink, and what uses it gets what it leads to', async t => {
  const { store, build } = await storeForBuilds(t)
  const file = filesStep('file', { a: 'text' })
  const link = shellStep('link', 'ln -s "$file/a" "$out"', { inputs: { file } })
  const user = shellStep('user', 'cat "$link" >"$out"; readlink "$link" >>"$out"', {
    inputs: { link },
  })
  const realized = await build([user, link, file])
  const [path, input] = [user, file].map(drv => realized.get(drv)?.out)
  t.is(path && readFileSync(store.hostPath(path), 'utf8'), input && `text${absolute(input)}/a\n`)
  t.deepEqual((await verify(store)).problems, [])
})

test('an output may refer to another one, and not each to the other', async t => {
  const { store, build } = await storeForBuilds(t)
  const outputs = ['out', 'dev']
  const oneWay = shellStep('one', 'echo >"$out"; echo "$out" >"$dev"', { outputs })
  const realized = (await build([oneWay])).get(oneWay)
  t.is(
    realized?.dev && readFileSync(store.hostPath(realized.dev), 'utf8'),
    realized?.out && `${absolute(realized.out)}\n`,
  )
  const bothWays = shellStep('both', 'echo "$dev" >"$out"; echo "$out" >"$dev"', { outputs })
  const error = await t.throwsAsync<MixosError>(build([bothWays]))
  t.is(error.code, 'CYCLE')
  t.regex(error.message, /output (out|dev) of both-1/)
  t.regex(error.hint ?? '', /^let only one of them name the other/)
})

test('each file of several outputs is written once', async t => {
  const { store } = await storeForBuilds(t)
  const script = 'mkdir "$dev"; echo "$out" >"$dev/a"; ln -s "$dev" "$doc"; echo b >"$out"'
  const root = shellStep('three', script, { outputs: ['dev', 'doc', 'out'] })
  const sealed: string[] = []
  const host = watchedHost(store.host, (change, path) => {
    if (change === 'seal') sealed.push(path)
  })
  const watched = openStore({ directory: store.directory, host })
  const realized = await realize(watched, [root], { ...quietly(), tools: toolsForBuilds })
  t.is(sealed.length, 2)
  const outputs = realized.get(root)
  t.deepEqual(outputs?.doc && store.head(outputs.doc)?.references, [outputs?.dev])
  t.deepEqual(outputs?.dev && store.head(outputs.dev)?.references, [outputs?.out])
  t.deepEqual((await verify(store)).problems, [])
})

test('a build that fails is told of with its exit code, its last lines and its log', async t => {
  const { store, build } = await storeForBuilds(t)
  const lines = 'for n in $(/mix/store/*/usr/bin/busybox seq 30); do echo "line $n"; done'
  const root = shellStep('broken', `${lines}; echo partial >"$out"; exit 3`)
  const error = await t.throwsAsync<MixosError>(build([root]))
  const log = store.layout.log(hashDerivation(root))
  t.is(error.code, 'BUILD_FAILED')
  t.regex(error.message, /^broken-1 failed with exit code 3; its last lines:\n {2}line 11\n/)
  t.true(error.message.endsWith('line 30'))
  t.is(error.hint, `read the whole log: ${log}`)
  t.is(readFileSync(log, 'utf8').split('\n').length, 31)
  t.false(readdirSync(store.layout.objects).some(name => name.endsWith('-broken-1')))
  t.deepEqual(readdirSync(store.layout.scratch), [])
})

test('a build that fails is told of with the beginnings of its last lines, however long they are', async t => {
  const { store, build } = await storeForBuilds(t)
  const endless =
    '$busybox/usr/bin/busybox head -c 200000 /dev/zero | $busybox/usr/bin/busybox tr "\\0" x'
  const root = shellStep('endless', `echo begun; ${endless}; exit 3`)
  const error = await t.throwsAsync<MixosError>(build([root]))
  t.regex(error.message, /its last lines:\n {2}begun\n {2}x{400} … \(65136 more characters\)\n/)
  t.true(error.message.length < 3000)
  t.is(readFileSync(store.layout.log(hashDerivation(root))).length, 200_006)
})

test('a build that is killed is told of with the signal', async t => {
  const { build } = await storeForBuilds(t)
  const error = await t.throwsAsync<MixosError>(build([shellStep('killed', 'kill -SEGV $$')]))
  t.regex(error.message, /^killed-1 was killed by SIGSEGV/)
})

test('a build that leaves an output out is told of with its name', async t => {
  const { build } = await storeForBuilds(t)
  const root = shellStep('half', 'echo >"$out"', { outputs: ['out', 'dev'] })
  const error = await t.throwsAsync<MixosError>(build([root]))
  t.is(error.code, 'BUILD_OUTPUT_MISSING')
  t.is(error.message, 'half-1 wrote nothing to its output dev')
})

test('a build that leaves a fifo is refused, and nothing of it stays', async t => {
  const { store, build } = await storeForBuilds(t)
  const script = 'b="$busybox/usr/bin/busybox"; $b mkdir "$out"; $b mkfifo "$out/pipe"'
  const error = await t.throwsAsync<MixosError>(build([shellStep('fifo', script)]))
  t.is(error.code, 'BUILD_OUTPUT_INVALID')
  t.regex(error.message, /fifo-1: pipe is a fifo/)
  t.false(readdirSync(store.layout.objects).some(path => path.endsWith('-fifo-1')))
})

test('a build directory that cannot be deleted costs no finished build, and is told of', async t => {
  const { store } = await storeForBuilds(t)
  const root = shellStep('done', 'mkdir stuck; echo done >"$out"')
  const events: Event[] = []
  const host = watchedHost(store.host, (change, path) => {
    if (change !== 'removeDirectory' || basename(path) !== 'stuck') return
    throw Object.assign(new Error('EIO: i/o error, rmdir'), { code: 'EIO' })
  })
  const watched = openStore({ directory: store.directory, host })
  const options = { ...quietly(events), tools: toolsForBuilds }
  const path = (await realize(watched, [root], options)).get(root)?.out
  t.is(path && readFileSync(store.hostPath(path), 'utf8'), 'done\n')
  const warnings = events.flatMap(event => (event.type === 'warning' ? [event.message] : []))
  // Once after the build, and once more with all of the run's own.
  t.is(warnings.length, 2)
  for (const warning of warnings) t.regex(warning, /\/tmp\/.* could not be deleted: i\/o error/)
  await collect(store, options)
  t.deepEqual(readdirSync(store.layout.scratch), [])
})

test('what a build was doing when it failed is kept where that is asked for', async t => {
  const { build } = await storeForBuilds(t)
  const root = shellStep('kept', 'echo work >file; exit 1')
  const error = await t.throwsAsync<MixosError>(build([root], { keepFailed: true }))
  const [, kept = ''] = /the build directory was kept: (.*)/.exec(error.hint ?? '') ?? []
  t.is(readFileSync(join(kept, 'file'), 'utf8'), 'work\n')
})

test('a build that closes its directories fails as any other, and is kept where that is asked for', async t => {
  const { build } = await storeForBuilds(t)
  const closing = 'chmod 555 /build; chmod 000 /mix/store; exit 3'
  const error = await t.throwsAsync<MixosError>(
    build([shellStep('closing', closing)], { keepFailed: true }),
  )
  t.is(error.code, 'BUILD_FAILED')
  t.regex(error.hint ?? '', /the build directory was kept: /)
  const leaving = shellStep('leaving', 'echo text >"$out"; chmod 000 /mix/store')
  t.truthy((await build([leaving])).get(leaving)?.out)
})

test('a build that closes its console does not close that of the next', async t => {
  const { build } = await storeForBuilds(t)
  const closing = shellStep('closing', 'chmod 000 /dev/console || true; echo >"$out"')
  const next = shellStep('next', 'stat -c %a /dev/console >"$out"', { inputs: { closing } })
  t.truthy((await build([next])).get(next)?.out)
})

test('a variable that no program can be given is named', async t => {
  const { build } = await storeForBuilds(t)
  const root = shellStep('long', 'echo >"$out"', { env: { text: 'x'.repeat(131_072) } })
  const error = await t.throwsAsync<MixosError>(build([root]))
  t.is(error.code, 'BUILD_LIMIT')
  t.regex(error.message, /^long-1 has the variable text of 131078 bytes/)
})

test('a build of more inputs than files may be open is told of with both numbers', async t => {
  const { store } = await storeForBuilds(t)
  const inputs = Object.fromEntries(
    Array.from({ length: 80 }, (_, index) => [`i${index}`, filesStep(`i${index}`, {})]),
  )
  const root = shellStep('wide', 'echo >"$out"', { inputs })
  const line = 'Max open files            100                  140                  files'
  const limitedTo = (text: string): Host => ({
    ...store.host,
    files: {
      ...store.host.files,
      read: path =>
        path === '/proc/self/limits' ? Buffer.from(text) : store.host.files.read(path),
    },
  })
  const build = (text: string) =>
    realize(openStore({ directory: store.directory, host: limitedTo(text) }), [root], {
      ...quietly(),
      tools: toolsForBuilds,
    })
  const error = await t.throwsAsync<MixosError>(build(line))
  t.is(error.code, 'BUILD_LIMIT')
  t.regex(error.message, /^wide-1 needs 81 objects, each .* may have 140 of those$/)
  t.regex(error.hint ?? '', /ulimit -n/)
  await t.notThrowsAsync(build(line.replaceAll('140', '4096')))
})

test('a root that is a file is told of with the step', async t => {
  const { build } = await storeForBuilds(t)
  const file = shellStep('file', 'echo text >"$out"')
  const step = shellStep('rooted', 'echo >"$out"', { inputs: { root: file } })
  await t.throwsAsync(build([step]), {
    code: 'DERIVATION_INVALID',
    message: 'rooted-1: its input root is no directory',
  })
})

test('a build that comes out otherwise the second time is told of, file by file', async t => {
  const { build } = await storeForBuilds(t)
  const script =
    'b="$busybox/usr/bin/busybox"; $b mkdir "$out"; echo 1 >"$out/same"; $b head -c 16 /dev/urandom >"$out/random"'
  const error = await t.throwsAsync<MixosError>(
    build([shellStep('chance', script)], { check: true }),
  )
  t.is(error.code, 'NOT_REPRODUCIBLE')
  t.regex(error.message, /random: a file of 16 bytes .*, then a file of 16 bytes/)
  t.notRegex(error.message, /same/)
})

test('a build whose output has the path of its scratch directory is found by a check', async t => {
  const { build } = await storeForBuilds(t)
  // The own path in a form that cannot be found, as compression makes it.
  const script = 'echo "$out" | $busybox/usr/bin/busybox rev >"$out"'
  const error = await t.throwsAsync<MixosError>(
    build([shellStep('hidden', script)], { check: true }),
  )
  t.is(error.code, 'NOT_REPRODUCIBLE')
})

test('a build that is cancelled leaves nothing', async t => {
  const { store, build } = await storeForBuilds(t)
  const controller = new AbortController()
  const root = shellStep('slow', 'echo begun; $busybox/usr/bin/busybox sleep 60')
  const building = build([root], {
    signal: controller.signal,
    report: event => {
      if (event.type === 'log') controller.abort()
    },
  })
  const error = await t.throwsAsync<MixosError>(building)
  t.is(error.code, 'CANCELLED')
  t.deepEqual(readdirSync(store.layout.scratch), [])
  t.false(existsSync(store.layout.trace(hashDerivation(root))))
})
