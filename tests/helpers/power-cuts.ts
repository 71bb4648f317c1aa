import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { installedMachine, type Started } from './installed-machine.ts'

/** One change of an installed system, whose machine lost its power in the middle or soon after. */
export interface Cut {
  /** What was typed. */
  readonly command: string
  /** From then on. */
  readonly milliseconds: number
  /** What the machine was like afterwards. */
  readonly state: 'old' | 'new'
  /** What is wrong with it; empty where all is well. */
  readonly problems: readonly string[]
}

interface Change {
  readonly command: string
  /** The packages afterwards; undefined for a command that leaves them as they are. */
  readonly packages: Packages | undefined
}

/** Versions by name. */
type Packages = ReadonlyMap<string, string>

interface State {
  readonly current: number
  /** The generation that the current one was made from. */
  readonly from: number | undefined
  readonly generations: ReadonlyMap<number, Packages>
}

// As long as the changes take in a machine that is emulated.
const millisecondsOf = ({ command }: Change): number =>
  command.includes('install nginx') ? 12_000 : 5_000

/**
 * Cuts the power of an installed machine again and again, at moments that the seed decides. After each start,
 * its packages must be those from before the change or those from after it, and its store whole.
 */
export async function* powerCuts(
  directory: string,
  { count, seed }: { readonly count: number; readonly seed: number },
): AsyncGenerator<Cut> {
  const random = randomFrom(seed)
  const machine = installedMachine(directory)
  try {
    let shell = await machine.start()
    await bringNotes(shell, directory)
    let state = await stateOf(shell, undefined)
    for (let done = 0; done < count; done++) {
      const changes = changesOf(state)
      const change = changes[Math.floor(random() * changes.length)] as Change
      const milliseconds = Math.floor(random() * millisecondsOf(change))
      shell.send(change.command)
      await sleep(milliseconds)
      await machine.cutPower()
      shell = await machine.start()
      const problems = await problemsOf(shell)
      const before = state
      state = await stateOf(shell, { before, change })
      const isNew = state.current !== before.current
      const found = state.generations.get(state.current)
      const wanted = isNew ? change.packages : before.generations.get(before.current)
      if (shown(found) !== shown(wanted)) {
        problems.push(`there is ${shown(found)}, expected ${shown(wanted)}`)
      }
      yield { command: change.command, milliseconds, state: isNew ? 'new' : 'old', problems }
    }
    await machine.powerOff()
  } finally {
    await machine.cutPower()
  }
}

function changesOf({ current, from, generations }: State): Change[] {
  const packages = generations.get(current) ?? new Map()
  const without = (name: string): Packages =>
    new Map([...packages].filter(([other]) => other !== name))
  const notes = packages.get('notes') === '1' ? '2' : '1'
  return [
    {
      command: `mix install ./notes${notes}.mixpkg --yes`,
      packages: new Map([...packages, ['notes', notes]]),
    },
    packages.has('nginx')
      ? { command: 'mix remove nginx --yes', packages: without('nginx') }
      : {
          command: 'mix install nginx --yes',
          packages: new Map([...packages, ['nginx', 'any']]),
        },
    { command: 'mix gc --keep 1', packages: undefined },
    ...(from !== undefined && generations.has(from)
      ? [{ command: 'mix rollback', packages: generations.get(from) }]
      : []),
  ]
}

/** What the machine has now. Older generations have what they had. */
async function stateOf(
  { ask }: Started,
  past: { readonly before: State; readonly change: Change } | undefined,
): Promise<State> {
  const { generations } = JSON.parse(await ask('mix generations --json'))
  const listed = JSON.parse(await ask('mix list --json'))
  const packages = packagesIn(listed)
  const { number: current, from } = generations.find(
    ({ isCurrent }: { isCurrent: boolean }) => isCurrent,
  )
  const known = (number: number): Packages =>
    past?.before.generations.get(number) ?? past?.change.packages ?? packages
  return {
    current,
    from,
    generations: new Map(
      generations.map(({ number }: { number: number }) => [
        number,
        number === current ? packages : known(number),
      ]),
    ),
  }
}

interface Listed {
  readonly name: string
  readonly version: string
}

// Which nginx there is does not matter.
const packagesIn = ({ packages }: { readonly packages: readonly Listed[] }): Packages =>
  new Map(packages.map(({ name, version }) => [name, name === 'nginx' ? 'any' : version]))

const shown = (packages: Packages | undefined): string =>
  [...(packages ?? [])]
    .map(([name, version]) => `${name} ${version}`)
    .sort()
    .join(', ')

async function problemsOf({ ask }: Started): Promise<string[]> {
  const problems: string[] = []
  const expect = async (command: string, pattern: RegExp): Promise<void> => {
    const answer = await ask(command)
    if (!pattern.test(answer)) problems.push(`${command}: ${answer}`)
  }
  await expect('mix verify; echo status $?', /status 0\n$/)
  await expect('ls /mix/profiles/system/journal 2>&1', /No such file/)
  // Configuration is there exactly where its package is.
  for (const [program, file] of [
    ['nginx', 'nginx/nginx.conf'],
    ['notes', 'notes.conf'],
  ]) {
    await expect(`[ -e /bin/${program} ]; echo $?; [ -s /etc/${file} ]; echo $?`, /^(\d)\n\1\n$/)
  }
  await expect(
    'for link in $(find /etc -type l); do [ -e $link ] || echo $link; done',
    /^(\/etc\/(mtab|resolv.conf)\n)*$/,
  )
  return problems
}

/** Two versions of a small package, in the machine. */
async function bringNotes({ askUntil }: Started, directory: string): Promise<void> {
  const recipe = join(directory, 'notes.ts')
  writeFileSync(recipe, NOTES)
  const names = ['notes1.mixpkg', 'notes2.mixpkg']
  const run = promisify(execFile)
  const paths = new Map<string, string>()
  for (const name of names) {
    const realize = ['cli/mixos.ts', 'realize', name, '-f', recipe]
    const link = ['--out-link', join(directory, 'link')]
    const { stdout } = await run(process.execPath, [...realize, ...link])
    paths.set(`/${name}`, stdout.trim())
  }
  const server = createServer((request, response) => {
    response.end(readFileSync(paths.get(request.url ?? '') ?? ''))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  for (const name of names) {
    await askUntil(`wget -qO ${name} http://10.0.2.2:${port}/${name}; echo $?`, /^0\n/)
  }
  server.close()
  await askUntil('sync; echo $?', /^0\n/)
}

const NOTES = `
import { type PackageSet, script } from 'mixos'

const notes = (version: string) => ({ get }: PackageSet) => script({
  name: 'notes',
  version,
  root: get('seeds-image'),
  env: {
    packageInfoPath: 'share/mix/packages/notes.json',
    packageInfo: JSON.stringify({
      name: 'notes', version, description: 'notes', license: 'MIT',
      dependencies: [], services: [], config: ['notes.conf'],
    }),
  },
  script: \`
    mkdir -p "$out/bin" "$out/etc" "$out/share/mix/packages"
    echo "#!/bin/sh" >"$out/bin/notes"
    chmod +x "$out/bin/notes"
    echo "of \${version}" >"$out/etc/notes.conf"
    printf '%s' "$packageInfo" >"$out/$packageInfoPath"
  \`,
})
export const notes1 = notes('1')
export const notes2 = notes('2')
`

/**
 * Numbers from 0 to 1, the same for the same seed: a linear
 * congruential generator, with the constants of Numerical Recipes.
 */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state / 2 ** 32
  }
}
