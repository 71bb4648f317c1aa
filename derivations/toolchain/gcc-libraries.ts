import type { Derivation } from '../../graph/derivation.ts'
import { script } from '../build-support/script.ts'

/** `libstdc++.so.6` and `libgcc_s.so.1`: all of GCC that a program needs when it runs. */
export function gccLibraries({ seeds, gcc }: { seeds: Derivation; gcc: Derivation }): Derivation {
  return script({
    name: 'gcc-libraries',
    version: gcc.version,
    root: seeds,
    inputs: { gcc },
    script: `
mkdir -p "$out/lib"
cp -d "$gcc"/x86_64-linux-musl/lib64/lib{stdc++,gcc_s}.so.[0-9]* "$out/lib/"
`,
  })
}
