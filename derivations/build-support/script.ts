import { type Derivation, derivation, type Output } from '../../graph/derivation.ts'

export interface ScriptSpec {
  readonly name: string
  readonly version: string
  /** The file system at `/` while the script runs; it needs a `/bin/sh` that is bash. */
  readonly root: Derivation | Output
  readonly inputs?: Readonly<Record<string, Derivation | Output>>
  readonly env?: Readonly<Record<string, string>>
  readonly outputs?: readonly string[]
  readonly script: string
}

/** A step run by the root's shell, which stops at the first command, pipe or variable that fails. */
export function script({ root, inputs, script, ...rest }: ScriptSpec): Derivation {
  return derivation({
    ...rest,
    builder: ['/bin/sh', '-eu', '-o', 'pipefail', '-c', script],
    inputs: { root, ...inputs },
  })
}
