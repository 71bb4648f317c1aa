import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { script } from '../build-support/script.ts'

/** What is linked into GRUB's images: enough to find a medium, show a menu, and start Linux. */
export const grubModules = {
  both: [
    ...['normal', 'configfile', 'linux', 'search', 'part_gpt'],
    ...['part_msdos', 'serial', 'terminal', 'test', 'echo', 'keystatus', 'smbios', 'ls', 'cat'],
    ...['halt', 'reboot'],
  ],
  pc: ['biosdisk', 'linux16'],
  efi: ['efi_gop'],
  /** For a medium that is found by a file. */
  medium: ['iso9660', 'search_fs_file'],
  /** For an installed system: its root, and a note of what was started. */
  disk: ['ext2', 'loadenv'],
} as const

/**
 * GRUB for BIOS and UEFI: `bin/grub-mkimage`, and in `lib/grub/i386-pc` and `lib/grub/x86_64-efi` what it
 * makes images of.
 */
export function grub(lock: Lock, { seeds }: { seeds: Derivation }): Derivation {
  return script({
    name: 'grub',
    version: pinnedVersion(lock, 'grub'),
    root: seeds,
    inputs: { source: pinned(lock, 'grub') },
    env: {
      modules: [
        ...[...grubModules.both, ...grubModules.medium, ...grubModules.disk],
        ...needed.both,
      ].join(' '),
      modulesPc: [...grubModules.pc, ...needed.pc].join(' '),
      modulesEfi: grubModules.efi.join(' '),
    },
    script: build,
  })
}

// What those modules need in turn. Building only these takes a quarter of the time that all 250 take;
// where one is missing, genmoddep.awk names it.
const needed = {
  both: [
    ...[
      'acpi',
      'boot',
      'bufio',
      'crypto',
      'datetime',
      'extcmd',
      'fshelp',
      'gettext',
      'mmap',
      'net',
    ],
    ...[
      'disk',
      'priority_queue',
      'relocator',
      'search_fs_uuid',
      'search_label',
      'terminfo',
      'video',
    ],
    ...['video_fb'],
  ],
  pc: ['pci', 'vbe', 'vga'],
}

// extra_deps.lst is missing from the release. Headers that are made are needed by an image and by the modules of the
// menu's language, and not named by their rules.
// CFLAGS must stay unset: it reaches the boot code, which then starts with something else than its start.
const build = `
mkdir grub
tar -xf "$source" -C grub --strip-components=1
echo 'depends bli part_gpt' >grub/grub-core/extra_deps.lst

language='grub_script.tab.h grub_script.yy.h'
build() { # PLATFORM CPU IMAGES MODULES
  mkdir "$1"
  cd "$1"
  ../grub/configure --prefix=/grub --with-platform="$1" --target="$2" --disable-werror --disable-nls \\
    --disable-efiemu --disable-grub-mkfont --disable-grub-themes --disable-grub-mount \\
    --disable-device-mapper --disable-libzfs --disable-liblzma >configure.log 2>&1 ||
    { tail -n 20 configure.log; exit 1; }
  objects=$(printf '%s.module ' $4)
  files="$3 $(printf '%s.mod ' $4) moddep.lst"
  headers=$language
  [ "$1" != pc ] || headers="$headers rs_decoder.h"
  make -s -C grub-core $headers
  make -s -j"$BUILD_CORES" -C grub-core MODULE_FILES="$objects" MARKER_FILES= $files
  mkdir -p "$out/lib/grub/$2-$1"
  for file in $files; do cp "grub-core/$file" "$out/lib/grub/$2-$1/"; done
  cd ..
}
build pc i386 'kernel.img boot.img boot_hybrid.img cdboot.img diskboot.img lzma_decompress.img' \\
  "$modules $modulesPc"
build efi x86_64 kernel.img "$modules $modulesEfi"

make -s -j"$BUILD_CORES" -C efi/grub-core/lib/gnulib
make -s -C efi $language
make -s -j"$BUILD_CORES" -C efi grub-mkimage
mkdir "$out/bin"
strip -o "$out/bin/grub-mkimage" efi/grub-mkimage
`
