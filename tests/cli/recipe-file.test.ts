import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import test from 'ava'
import { place } from '../helpers/run-cli.ts'

const invalid: [title: string, source: string, message: RegExp][] = [
  [
    'that throws shows what and where',
    'const text = "x"\nthrow new Error(`boom ${text}`)',
    /^error: hello\.ts cannot be loaded\n {2}because: Error: boom x \(hello\.ts, line 2\)\n$/,
  ],
  [
    'that exports nothing is refused',
    'const hello = 1',
    /^error: hello\.ts exports nothing\nhint: /,
  ],
  [
    'that exports something else shows its name and type',
    'export const size = 3',
    /^error: hello\.ts exports size, which is a number\nhint: /,
  ],
  [
    'with a default export is refused',
    'export default 3',
    /^error: hello\.ts has a default export/,
  ],
  [
    'with syntax that cannot be stripped shows which and where',
    '\nexport enum Color { red }',
    /because: SyntaxError: TypeScript enum is not supported.*line 2/,
  ],
  [
    'that is not a program is refused',
    'export const = ',
    /^error: hello\.ts cannot be loaded\n {2}because: SyntaxError/,
  ],
  [
    'that imports what is not there names it',
    'import { a } from "./absent.ts"\nexport const b = a',
    /because: Error: Cannot find module .*absent\.ts/,
  ],
  [
    'whose package is not a derivation is refused',
    'export const hello = () => ({ name: "hello" })',
    /^error: hello\.ts: the package hello is an object, not a derivation/,
  ],
  [
    'whose package throws shows what and where',
    'export const hello = (packages: { none: { get(): void } }) => packages.none.get()',
    /^error: hello\.ts: the package hello throws\n {2}because: TypeError: .*\(hello\.ts, line 1\)/,
  ],
  [
    'with an invalid derivation shows the field and the rule',
    'import { derivation } from "mixos"\nexport const hello = derivation({ name: "hello world", version: "1", builder: ["x"] })',
    /^error: hello\.ts: derivation "hello world": invalid name "hello world"\nhint: use letters/,
  ],
  [
    'that needs a package that nobody defines shows the nearest name',
    'import { type PackageSet } from "mixos"\nexport const hello = (packages: PackageSet) => packages.get("muls")',
    /^error: hello\.ts: the package hello: unknown package "muls"\nhint: did you mean musl\?/,
  ],
  [
    'that ends the program is refused, also with success',
    'process.exit(0)\nexport const hello = 1',
    /^error: hello\.ts: it ends the program, with exit code 0\n/,
  ],
  [
    'of which a package ends the program is refused',
    'export const hello = () => process.exit(5)',
    /^error: hello\.ts: the package hello: it ends the program, with exit code 5\n/,
  ],
  [
    'that never ends loading says so',
    'await new Promise(() => {})\nexport const hello = 1',
    /^error: hello\.ts: it never ends loading\n/,
  ],
  [
    'whose package is async is told that it cannot be',
    'export const hello = async () => 1',
    /^error: hello\.ts: the package hello is a promise, not a derivation\nhint: a recipe cannot be async/,
  ],
  [
    'with a misspelled field shows the nearest',
    'import { derivation } from "mixos"\nexport const hello = derivation({ name: "hello", version: "1", builder: ["/bin/sh"], input: {} })',
    /unknown field "input"\nhint: did you mean inputs\?/,
  ],
  [
    'whose packages need each other shows the way round',
    'import { type PackageSet } from "mixos"\nexport const hello = (packages: PackageSet) => packages.get("world")\nexport const world = (packages: PackageSet) => packages.get("hello")',
    /^error: hello\.ts: the package \w+: packages depend on each other in a cycle: hello -> world -> hello/,
  ],
]

for (const [title, source, message] of invalid) {
  test(`a recipe file ${title}`, async t => {
    const { directory, mixos } = place(t)
    writeFileSync(join(directory, 'hello.ts'), source)
    const { code, stdout, stderr } = await mixos('explain', 'hello', '-f', 'hello.ts')
    t.is(code, 1)
    t.is(stdout, '')
    t.regex(stderr, message)
  })
}

test('what a recipe file prints is for people, beside the result', async t => {
  const { directory, mixos } = place(t)
  const source = `import { textFiles } from 'mixos'
console.log('loading')
export const hello = () => {
  console.log('making')
  return textFiles({ name: 'hello', version: '1', files: {} })
}`
  writeFileSync(join(directory, 'hello.ts'), source)
  const { stdout, stderr } = await mixos('explain', 'hello', '-f', 'hello.ts', '--json')
  t.notThrows(() => JSON.parse(stdout))
  t.regex(stderr, /^loading\nmaking\n/)
})

test('a recipe file that is a directory says so', async t => {
  const { directory, mixos } = place(t)
  mkdirSync(join(directory, 'recipes'))
  const { code, stderr } = await mixos('explain', 'hello', '-f', 'recipes')
  t.is(code, 1)
  t.regex(stderr, /^error: the recipe file recipes is a directory\nhint: /)
})

test('a recipe file that is no file is refused, also behind a link: who reads a pipe may wait for ever', async t => {
  const { directory, mixos } = place(t)
  execFileSync('mkfifo', [join(directory, 'pipe.ts')])
  symlinkSync('pipe.ts', join(directory, 'link.ts'))
  for (const file of ['pipe.ts', 'link.ts', '/dev/null']) {
    const { code, stderr } = await mixos('explain', 'hello', '-f', file)
    t.is(code, 1)
    t.is(
      stderr,
      `error: the recipe file ${file} is not a regular file\nhint: write the recipes to a file, and name it with -f FILE\n`,
    )
  }
})

for (const [where, source] of [
  ['while it is loaded', 'console.log("begun")\nfor (;;) {}'],
  ['in a package', 'export const hello = () => { console.log("begun"); for (;;) {} }'],
] as const) {
  test(`a recipe file that never comes to an end ${where} can be interrupted`, async t => {
    const { directory, start } = place(t)
    writeFileSync(join(directory, 'hello.ts'), source)
    const { process, result } = start('explain', 'hello', '-f', 'hello.ts')
    process.stderr?.once('data', () => process.kill('SIGINT'))
    t.is((await result).stderr, 'begun\n')
    t.is(process.signalCode, 'SIGINT')
  })
}

const late: [title: string, fails: string, code: number, error: object, message: RegExp][] = [
  [
    'of its own making is told of with its place',
    'throw new Error("late")',
    1,
    { code: 'RECIPE_INVALID', message: 'hello.ts fails after it was loaded' },
    /^error: hello\.ts fails after it was loaded\n {2}because: Error: late \(hello\.ts, line 2\)\nhint: /m,
  ],
  [
    'that does not name it counts as a bug',
    'throw Object.assign(new Error("late"), { stack: "Error: late" })',
    70,
    { code: 'BUG', message: 'late' },
    /^error: Error: late\nhint: this is a bug/m,
  ],
]

for (const [title, fails, code, error, message] of late) {
  test(`an error that a recipe file leaves to nobody stops the run, which cleans up; one ${title}`, async t => {
    // Nothing is answered to what is to be fetched: the other request is, by then.
    const fetched = Promise.withResolvers<void>()
    const server = createServer(async (request, response) => {
      if (request.url === '/hello') return fetched.resolve()
      await fetched.promise
      response.end()
    })
    await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const { directory, home, mixos } = place(t)
    const hash = `sha256:${'0'.repeat(64)}`
    const spec = { name: 'hello', version: '1', builder: ['builtin:fetch-url'] }
    writeFileSync(
      join(directory, 'hello.ts'),
      `import { derivation } from 'mixos'
fetch('${base}/late').then(() => { ${fails} })
export const hello = derivation(${JSON.stringify({ ...spec, fetch: { urls: [`${base}/hello`], hash, size: 5 } })})`,
    )
    const result = await mixos('realize', 'hello', '-f', 'hello.ts', '--json')
    t.is(result.code, code)
    t.regex(result.stderr, message)
    t.like(JSON.parse(result.stdout), { error })
    // What was fetched of a file stays, for the next run to go on with.
    t.deepEqual(readdirSync(join(home, 'tmp')), [`${hash.replace(':', '-')}.part`])
  })
}

test('an error that a recipe file leaves to nobody is told of by commands that nothing stops, too', async t => {
  const { directory, mixos } = place(t)
  const source = `import { textFiles } from 'mixos'
Promise.reject(new Error('late'))
export const hello = textFiles({ name: 'hello', version: '1', files: {} })`
  writeFileSync(join(directory, 'hello.ts'), source)
  const { code, stdout, stderr } = await mixos('graph', 'hello', '-f', 'hello.ts')
  t.is(code, 1)
  t.is(stdout, '')
  t.regex(stderr, /because: Error: late \(hello\.ts, line 2\)\nhint: await what it begins/)
})

test('a recipe file that is not there is named', async t => {
  const { code, stderr } = await place(t).mixos('explain', 'hello', '-f', 'hello.ts')
  t.is(code, 1)
  t.is(stderr, 'error: there is no recipe file hello.ts\nhint: name another with -f FILE\n')
})

test('a recipe file may import others, and replace a package for all that depend on it', async t => {
  const { directory, mixos } = place(t)
  mkdirSync(join(directory, 'parts'))
  writeFileSync(
    join(directory, 'parts', 'files.ts'),
    `import { textFiles } from 'mixos'
    export const files = (text: string) => textFiles({ name: 'init', version: '2', files: { text } })`,
  )
  writeFileSync(
    join(directory, 'mine.ts'),
    `import { files } from './parts/files.ts'\nexport const init = files('hello')`,
  )
  const { code, stdout, stderr } = await mixos('why-depends', 'iso', 'init', '-f', 'mine.ts')
  t.is(stderr, '')
  t.is(code, 0)
  t.regex(stdout, /── init-2, as its input init$/m)
})

test('the example of a changed package changes it, and the image', async t => {
  const { directory, mixos } = place(t)
  writeFileSync(join(directory, 'mine.ts'), exampleOf('Change one'))
  const changed = await mixos('explain', 'busybox', '-f', 'mine.ts')
  t.is(changed.code, 0, changed.stderr)
  t.regex(changed.stdout, /CONFIG_HTTPD=y/)
  t.notRegex((await mixos('explain', 'busybox')).stdout, /CONFIG_HTTPD=y/)
  const images = await Promise.all([
    mixos('explain', 'iso'),
    mixos('explain', 'iso', '-f', 'mine.ts'),
  ])
  t.is(new Set(images.map(({ stdout }) => stdout)).size, 2)
})

test('the worked example of the recipes is planned as it stands', async t => {
  const { directory, mixos } = place(t)
  writeFileSync(join(directory, 'hello.ts'), exampleOf('Write one'))
  const { code, stdout } = await mixos('realize', 'hello', '-f', 'hello.ts', '--dry-run', '--json')
  t.is(code, 0)
  const steps: { label: string; action: string }[] = JSON.parse(stdout).plan
  t.is(steps.at(-1)?.label, 'hello-1.0')
  t.true(steps.some(step => step.label.startsWith('toolchain-') && step.action === 'build'))
})

/** The program below a heading of what recipes are described in. */
function exampleOf(heading: string): string {
  const readme = readFileSync(join(import.meta.dirname, '../../derivations/README.md'), 'utf8')
  const section = readme.split(`## ${heading}\n`)[1] ?? ''
  return /^```ts\n([\s\S]*?)^```/m.exec(section)?.[1] ?? ''
}
