import type { Derivation } from '../../graph/derivation.ts'
import { grubModules } from '../boot/grub.ts'
import { menu, qemuCommandLine } from '../boot/menu.ts'
import { script } from '../build-support/script.ts'

export interface IsoSpec {
  readonly version: string
  readonly seeds: Derivation
  readonly grub: Derivation
  readonly kernel: Derivation
  readonly initramfs: Derivation
  readonly rootfs: Derivation
  /** What can be installed without a network. */
  readonly repository: Derivation
  /** What the kernel is told, beside where its root is. */
  readonly commandLine: readonly string[]
}

/**
 * An image that starts by BIOS and by UEFI, from a CD or a USB stick.
 *
 * A hash of what is on it names the medium: the file `/mixos/<hash>.medium`, by which GRUB and the initramfs
 * find it, the disk's GUID and the serial number of the EFI partition.
 */
export function iso({ version, commandLine, ...spec }: IsoSpec): Derivation {
  const { seeds, grub, kernel, initramfs, rootfs, repository } = spec
  return script({
    name: 'mixos.iso',
    version,
    root: seeds,
    inputs: { grub, kernel, initramfs, rootfs, repository },
    env: {
      version,
      commandLine: commandLine.join(' '),
      qemuCommandLine,
      modulesPc: [...grubModules.both, ...grubModules.medium, ...grubModules.pc].join(' '),
      modulesEfi: [...grubModules.both, ...grubModules.medium, ...grubModules.efi].join(' '),
    },
    script: `${stage}\n${boot}\n${write}`,
  })
}

// GRUB's object is named by its content, so its path can stand for it.
const stage = `
mkdir -p iso/boot/grub iso/mixos efi/EFI/BOOT
cp "$kernel/bzImage" iso/boot/vmlinuz
cp "$initramfs" iso/boot/initramfs
cp "$rootfs" iso/mixos/rootfs.squashfs
cp -r --no-preserve=mode "$repository" iso/mixos/repository

hash=$(
  { printf '%s\\n' "$version" "$commandLine" "$grub" "$repository"; cat iso/boot/vmlinuz iso/boot/initramfs iso/mixos/rootfs.squashfs; } |
    sha256sum | cut -c 1-32
)
marker=/mixos/$hash.medium
echo "MixOS $version" >"iso$marker"
# A random GUID (version 4), as far as its form goes.
guid=$(echo "$hash" | sed -E 's/^(.{12}).(.{3}).(.{15})$/\\14\\28\\3/')
serial=\${hash:0:8}
`

// The images hold their modules, so nothing is loaded from the medium but the menu.
const boot = `
cat >iso/boot/grub/grub.cfg <<END
${menu.begin}
function start {
  linux\\$variant /boot/vmlinuz mixos.medium=$hash $commandLine \\$tuning \\$@
  initrd\\$variant /boot/initramfs
}
menuentry 'MixOS $version' { start quiet loglevel=3 }
menuentry 'MixOS $version, with the messages of the kernel' { start }
menuentry 'MixOS $version, stopping in a shell before the root is mounted' { start mixos.rescue }
${menu.end}
END

cat >early.cfg <<END
search --no-floppy --set=root --file $marker
set prefix=(\\$root)/boot/grub
END
image() { # DIRECTORY FORMAT FILE MODULES
  "$grub/bin/grub-mkimage" -d "$grub/lib/grub/$1" -O "$2" -p /boot/grub -c early.cfg -o "$3" $4
}
image i386-pc i386-pc-eltorito iso/boot/grub/eltorito.img "$modulesPc"
image x86_64-efi x86_64-efi efi/EFI/BOOT/BOOTX64.EFI "$modulesEfi"
`

// Each step is as it is because two builds differed otherwise: the FAT's serial number, the order and times of its
// files, the times and dates of the ISO, the GUID.
const write = `
find iso efi -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
truncate -s 1440K efi.img
mformat -i efi.img -f 1440 -N "$serial" -v MIXOS_EFI ::
mmd -i efi.img ::/EFI
mmd -i efi.img ::/EFI/BOOT
mcopy -m -i efi.img efi/EFI/BOOT/BOOTX64.EFI ::/EFI/BOOT/BOOTX64.EFI

xorriso -report_about SORRY -preparer_id MIXOS -volume_date all_file_dates "=$SOURCE_DATE_EPOCH" \\
  -boot_image any "gpt_disk_guid=$guid" \\
  -as mkisofs -iso-level 3 -r -J -joliet-long -V MIXOS -A MIXOS -publisher MIXOS \\
  --modification-date="$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y%m%d%H%M%S)00" \\
  --grub2-mbr "$grub/lib/grub/i386-pc/boot_hybrid.img" -partition_offset 16 \\
  -append_partition 2 C12A7328-F81F-11D2-BA4B-00A0C93EC93B efi.img -appended_part_as_gpt \\
  -b boot/grub/eltorito.img -no-emul-boot -boot-load-size 4 -boot-info-table --grub2-boot-info -c boot/boot.cat \\
  -eltorito-alt-boot -e --interval:appended_partition_2:all:: -no-emul-boot \\
  -o "$out" iso
`
