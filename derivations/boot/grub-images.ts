import type { Derivation } from '../../graph/derivation.ts'
import { plainPackage } from '../build-support/target-package.ts'
import { grubModules } from './grub.ts'

export interface GrubImagesSpec {
  /** Of GRUB. */
  readonly version: string
  readonly seeds: Derivation
  readonly grub: Derivation
}

/**
 * GRUB for a disk with a GPT whose third partition is the root of an installed system, as a package: in `share/grub`,
 * `boot.img` for the first sector, `core.img` for a partition of its own, which begins at sector 64, and `BOOTX64.EFI`
 * for the EFI partition. Where they are started from is the disk where they look for `/boot/grub/grub.cfg`.
 */
export function grubImages({ version, seeds, grub }: GrubImagesSpec): Derivation {
  return plainPackage({
    about: {
      description: 'The boot loader of an installed system, for BIOS and UEFI',
      license: 'GPL-3.0-or-later',
      homepage: 'https://www.gnu.org/software/grub/',
    },
    name: 'grub-images',
    version,
    root: seeds,
    inputs: { grub },
    env: {
      modulesPc: [...grubModules.both, ...grubModules.disk, ...grubModules.pc].join(' '),
      modulesEfi: [...grubModules.both, ...grubModules.disk, ...grubModules.efi].join(' '),
    },
    script: build,
  })
}

// The first sector of the disk loads the one where its own field says, and that one loads those after it.
const build = `
mkdir -p "$out/share/grub"
cd "$out/share/grub"
image() { # DIRECTORY FORMAT FILE MODULES
  "$grub/bin/grub-mkimage" -d "$grub/lib/grub/$1" -O "$2" -p '(,gpt3)/boot/grub' -o "$3" $4
}
image i386-pc i386-pc core.img "$modulesPc"
image x86_64-efi x86_64-efi BOOTX64.EFI "$modulesEfi"
head -c 440 "$grub/lib/grub/i386-pc/boot.img" >boot.img
number() { # VALUE below 256, as 8 bytes
  printf "\\\\x$(printf %x "$1")\\0\\0\\0\\0\\0\\0\\0"
}
number 64 | dd of=boot.img bs=1 seek=92 conv=notrunc status=none
number 65 | dd of=core.img bs=1 seek=500 conv=notrunc status=none
`
