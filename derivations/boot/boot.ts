import type { Derivation } from '../../graph/derivation.ts'
import { script } from '../build-support/script.ts'
import { descriptionOf } from '../build-support/target-package.ts'

export interface BootSpec {
  /** Of the kernel. */
  readonly version: string
  readonly seeds: Derivation
  readonly kernel: Derivation
  readonly initramfs: Derivation
}

/** What a boot loader starts, as a package: each generation of an installed system holds its own. */
export function boot({ version, seeds, kernel, initramfs }: BootSpec): Derivation {
  const [packageInfoPath, packageInfo] = descriptionOf({
    name: 'boot',
    version,
    description: 'The Linux kernel, and the first programs that it starts',
    license: 'GPL-2.0-only',
    homepage: 'https://www.kernel.org/',
  })
  return script({
    name: 'boot',
    version,
    root: seeds,
    inputs: { kernel, initramfs },
    env: { packageInfo, packageInfoPath },
    script: collect,
  })
}

const collect = `
mkdir -p "$out/boot" "$out/$(dirname "$packageInfoPath")"
cp "$kernel/bzImage" "$out/boot/vmlinuz"
cp "$kernel/config" "$out/boot/config"
cp "$initramfs" "$out/boot/initramfs"
printf '%s' "$packageInfo" >"$out/$packageInfoPath"
`
