import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { applyPatches } from '../build-support/patches.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export interface JqTools extends TargetTools {
  readonly autotools: Derivation
  readonly oniguruma: Derivation
}

export function jq(lock: Lock, { autotools, oniguruma, ...tools }: JqTools): Derivation {
  const version = pinnedVersion(lock, 'jq')
  return targetPackage({
    ...tools,
    name: 'jq',
    version,
    description: 'Reads, filters and changes JSON',
    license: 'MIT AND ICU AND CC-BY-3.0',
    homepage: 'https://jqlang.org/',
    libraries: { oniguruma },
    inputs: {
      source: pinned(lock, 'jq'),
      autotools,
      patches: pinned(lock, 'jq-patches'),
    },
    env: { version },
    script: build,
  })
}

// What is left out of the patches is how Debian builds it. The version would come from a git repository, and the
// program would tell how it was configured, headers' paths included.
const build = `
export PATH="$autotools/bin:$PATH"
tar -xf "$source" --strip-components=1
${applyPatches({ except: '0006|0008|disable-static|dont-distribute|libtool' })}
printf '#!/bin/sh\\necho %s\\n' "$version" >scripts/version
autoreconf -fi
./configure --build=$host --host=$host --prefix="$out" --disable-shared --enable-static --disable-docs >/dev/null
echo '#define JQ_CONFIG ""' >src/config_opts.inc
make -s -j"$BUILD_CORES" >/dev/null
make -s install >/dev/null
rm -r "$out/lib" "$out/include"
`
