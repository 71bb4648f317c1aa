import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
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
    'whose packages need each other shows the way round',
    'import { type PackageSet } from "mixos"\nexport const hello = (packages: PackageSet) => packages.get("world")\nexport const world = (packages: PackageSet) => packages.get("hello")',
    /cycle: hello -> world -> hello/,
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

test('a recipe file that is not there is named', async t => {
  const { code, stderr } = await place(t).mixos('explain', 'hello', '-f', 'hello.ts')
  t.is(code, 1)
  t.is(stderr, 'error: there is no recipe file hello.ts\n')
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
