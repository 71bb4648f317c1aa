import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned } from '../build-support/pinned.ts'
import { script } from '../build-support/script.ts'
import { setLoader } from '../build-support/set-loader.ts'
import { plainPackage } from '../build-support/target-package.ts'
import { textFiles } from '../build-support/text-files.ts'

export interface MixParts {
  readonly version: string
  readonly seeds: Derivation
  readonly musl: Derivation
  /** Of GCC. */
  readonly libraries: Derivation
  /** The program in TypeScript, by path; `cli/mix/on-bun.ts` is where it starts. */
  readonly sources: Readonly<Record<string, string>>
}

/** What is bundled with it. */
const PACKAGES = [
  '@gar/promise-retry',
  '@tufjs/canonical-json',
  '@tufjs/models',
  'ansi-regex',
  'balanced-match',
  'brace-expansion',
  'chalk',
  'cmd-ts',
  'debug',
  'didyoumean',
  'fastest-levenshtein',
  'minimatch',
  'ms',
  'strip-ansi',
  'tuf-js',
]

/**
 * The target's package manager: `bin/mix`, a program of the pinned Bun runtime, and in `lib` the loader and the
 * libraries that this needs.
 *
 * The object refers to nothing but itself, so that no upgrade of musl or GCC is one of `mix`, and a machine with half
 * a profile still has a `mix` that works. Rejected: a starter that calls the loader, since the running program
 * would then be the loader, by which it is not found again; and a reference to musl's object, which has to be there.
 */
export function mix(lock: Lock, parts: MixParts): Derivation {
  const { version, seeds, musl, libraries } = parts
  return plainPackage({
    name: 'mix',
    version,
    about: {
      description:
        'Installs, upgrades and removes packages, in generations that can be returned to',
      license: 'MIT',
    },
    root: seeds,
    inputs: {
      musl,
      libraries,
      runtime: pinned(lock, 'bun'),
      blake3: pinned(lock, 'npm/blake-hash-linux-x64-musl'),
      bundle: bundle(lock, parts),
    },
    env: { setLoader },
    script: compile,
  })
}

/** The program as one JavaScript file. A step of its own: what does not show here is not compiled again. */
function bundle(lock: Lock, { version, seeds, musl, libraries, sources }: MixParts): Derivation {
  const packages = Object.fromEntries(
    PACKAGES.map(name => [inputName(name), pinned(lock, pinName(name))]),
  )
  return script({
    name: 'mix-bundle',
    version,
    root: seeds,
    inputs: {
      musl,
      libraries,
      runtime: pinned(lock, 'bun'),
      sources: textFiles({ name: 'mix-sources', version, files: sources }),
      ...packages,
    },
    env: { packages: PACKAGES.join(' '), blake3Loader },
    script: gather,
  })
}

const pinName = (name: string): string => `npm/${name.replace(/^@/, '').replace('/', '-')}`
const inputName = (name: string): string => `npm_${name.replaceAll(/[^a-z0-9]/g, '_')}`

// The runtime is told nothing by the files that lie around, and is started by its loader's name, which is
// not where it looks for it.
const unpackRuntime = `
tar -xzf "$runtime" --strip-components=2 package/bin/bun
bun() { "$musl/lib/ld-musl-x86_64.so.1" --library-path "$libraries/lib" ./bun "$@"; }
`

// In a bundle, a library of machine code would be unpacked to /tmp at each start: here it is a file beside the program.
const blake3Loader = `
const { dirname, join } = require('node:path')
module.exports = require(join(dirname(process.execPath), '../lib/blake3.node'))
`

const gather = `
${unpackRuntime}
cp -r --no-preserve=mode "$sources"/. .
for package in $packages; do
  mkdir -p "node_modules/$package"
  input=npm_\${package//[^a-z0-9]/_}
  tar -xzf "\${!input}" --strip-components=1 -C "node_modules/$package"
done
mkdir -p node_modules/@napi-rs/blake-hash
printf '%s' "$blake3Loader" >node_modules/@napi-rs/blake-hash/index.js
bun build --target=bun --minify cli/mix/on-bun.ts --outfile="$out"
`

// The name of the file is part of what is compiled. Bytecode halves the time that a start takes.
const compile = `
${unpackRuntime}
mkdir -p "$out/bin" "$out/lib"
cp "$bundle" mix.js
bun build --compile --compile-executable-path=./bun --bytecode --format=esm \\
  --no-compile-autoload-dotenv --no-compile-autoload-bunfig mix.js --outfile=mix
cp "$musl/lib/libc.so" "$out/lib/ld-musl-x86_64.so.1"
cp -L "$libraries"/lib/lib{stdc++.so.6,gcc_s.so.1} "$out/lib/"
tar -xzf "$blake3" --strip-components=1 package/blake.linux-x64-musl.node
cp blake.linux-x64-musl.node "$out/lib/blake3.node"
printf '%s' "$setLoader" >set-loader.py
python3 set-loader.py mix "$out/lib/ld-musl-x86_64.so.1" "$out/lib"
cp mix "$out/bin/mix"

# One that does not start is better found here than on a machine.
"$out/bin/mix" --version
`
