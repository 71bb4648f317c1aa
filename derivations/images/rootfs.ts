import type { Derivation } from '../../graph/derivation.ts'
import { script } from '../build-support/script.ts'
import { type RootTreeSpec, rootTree } from './root-tree.ts'

export interface RootfsSpec extends RootTreeSpec {
  readonly seeds: Derivation
  /** Of squashfs, for zstd: 19 for a release, 1 for trying things out. */
  readonly level?: number
}

/** The root of a live system, as one squashfs. */
export function rootfs({ seeds, level = 19, ...spec }: RootfsSpec): Derivation {
  const { inputs, env, script: tree } = rootTree(spec)
  return script({
    name: 'rootfs',
    version: spec.version,
    root: seeds,
    inputs,
    env: { ...env, level: String(level) },
    script: `${tree}\n${pack}`,
  })
}

// The squashfs itself is dated by SOURCE_DATE_EPOCH.
const pack = `
mksquashfs root "$out" -noappend -quiet -no-progress -all-root -no-xattrs -no-hardlinks -no-exports \\
  -comp zstd -Xcompression-level "$level" -b 256K -processors 1
`
