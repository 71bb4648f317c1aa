import type { Derivation } from '../../graph/derivation.ts'
import { plainPackage } from '../build-support/target-package.ts'

export interface BootSpec {
  /** Of the kernel. */
  readonly version: string
  readonly seeds: Derivation
  readonly kernel: Derivation
  readonly initramfs: Derivation
}

/** What a boot loader starts, as a package: each generation of an installed system holds its own. */
export function boot({ version, seeds, kernel, initramfs }: BootSpec): Derivation {
  return plainPackage({
    about: {
      description: 'The Linux kernel, and the first programs that it starts',
      license: 'GPL-2.0-only',
      homepage: 'https://www.kernel.org/',
    },
    name: 'boot',
    version,
    root: seeds,
    inputs: { kernel, initramfs },
    script: collect,
  })
}

const collect = `
mkdir -p "$out/boot"
cp "$kernel/bzImage" "$out/boot/vmlinuz"
cp "$kernel/config" "$out/boot/config"
cp "$initramfs" "$out/boot/initramfs"
`
