import { formatBootMenu } from '../../graph/boot-menu.ts'
import type { Derivation } from '../../graph/derivation.ts'
import { menu, qemuCommandLine } from '../boot/menu.ts'
import { script } from '../build-support/script.ts'
import { type RootTreeSpec, rootTree } from './root-tree.ts'

export interface DiskSpec extends RootTreeSpec {
  readonly seeds: Derivation
  /** The boot loader. */
  readonly grubImages: Derivation
  /** Makes the file system. */
  readonly e2fsprogs: Derivation
  /** Makes the partitions. */
  readonly utilLinux: Derivation
  /** What the kernel is told, beside where its root is. */
  readonly commandLine: readonly string[]
  /** Of the whole disk; the root gets what is left. */
  readonly megabytes?: number
}

/**
 * A disk with an installed system that starts by BIOS and by UEFI: a GPT of GRUB's own partition, the EFI partition,
 * and the root, an ext4 file system. All of it can be changed, and stays.
 *
 * A hash of what is on it gives the UUIDs. The kernel and the initramfs come from
 * the generation that is started, through the link `/mix/profiles/system/N`.
 */
export function disk(spec: DiskSpec): Derivation {
  const { version, seeds, grubImages, e2fsprogs, utilLinux, commandLine, megabytes = 1024 } = spec
  const { inputs, env, script: tree } = rootTree(spec)
  const first = { entries: [{ number: 1, title: `MixOS ${version}` }], current: 1, attempt: '1' }
  return script({
    name: 'disk',
    version,
    root: seeds,
    inputs: { ...inputs, grub: grubImages, e2fsprogs, utilLinux },
    env: {
      ...env,
      version,
      commandLine: commandLine.join(' '),
      megabytes: String(megabytes),
      generations: formatBootMenu(first),
      qemuCommandLine,
    },
    script: `${tree}\n${boot}\n${write}`,
  })
}

// The generation that is current is started once, until one start has reached the login prompt: what starts
// writes that down (`good`), GRUB writes down what it has tried.
const boot = `
id=$(
  printf '%s\\n' "$version" "$commandLine" "$services" "$grub" "$system" "$mix" "$repository" |
    sha256sum | cut -c 1-32
)
# A random UUID (version 4), as far as its form goes.
uuid=$(echo "$id" | sed -E 's/^(.{8})(.{4}).(.{3}).(.{3})(.{12})$/\\1-\\2-4\\3-8\\4-\\5/')

rm root/var/lib/mix/medium/repository
cp -r --no-preserve=mode "$repository" root/var/lib/mix/medium/repository
mkdir -p root/boot/grub
printf '%s' "$generations" >root/boot/grub/generations.cfg
{ echo '# GRUB Environment Block'; head -c 999 /dev/zero | tr '\\0' '#'; } >root/boot/grub/grubenv
cat >root/boot/grub/grub.cfg <<END
${menu.begin}
function start {
  set unit=/mix/profiles/system/\\$1/boot
  linux\\$variant \\$unit/vmlinuz mixos.root=$uuid mixos.generation=\\$1 $commandLine \\$tuning quiet loglevel=3
  initrd\\$variant \\$unit/initramfs
}
load_env
source /boot/grub/generations.cfg
set default=generation-\\$current
if [ "\\$good" != "\\$current" ]; then
  if [ -n "\\$good" -a "\\$tried" = "\\$attempt" ]; then
    set default=generation-\\$good
  else
    set tried=\\$attempt
    save_env tried
  fi
fi
${menu.end}
END
`

// In sectors of 512 bytes. What mke2fs copies belongs to whoever builds, so its owner is set afterwards.
const write = `
first=64
efi=2048
root=18432
end=$((megabytes * 2048 - 2048))
guid() { echo "\${uuid%??}0$1"; }

find root -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
find root/mix/store -exec touch -h -d @1 {} +
truncate -s $(((end - root) / 2 * 1024)) root.img
MKE2FS_CONFIG="$e2fsprogs/etc/mke2fs.conf" "$e2fsprogs/bin/mke2fs" -q -F -t ext4 -d root -L mixos -U "$uuid" \\
  -E "hash_seed=$uuid,root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0" root.img
find root -mindepth 1 -printf 'sif "/%P" uid 0\\nsif "/%P" gid 0\\n' >owners
"$e2fsprogs/bin/debugfs" -w -f owners root.img >owners.log 2>&1
if grep -v -e '^debugfs: sif ' -e '^debugfs 1' owners.log; then exit 1; fi

mkfs.vfat --invariant -C -i "\${id%????????????????????????}" -n MIXOS_EFI efi.img $(((root - efi) / 2)) >/dev/null
mmd -i efi.img ::/EFI ::/EFI/BOOT
cp "$grub/share/grub/BOOTX64.EFI" .
touch -d "@$SOURCE_DATE_EPOCH" BOOTX64.EFI
mcopy -m -i efi.img BOOTX64.EFI ::/EFI/BOOT/BOOTX64.EFI

truncate -s "\${megabytes}M" "$out"
"$utilLinux/bin/sfdisk" --quiet "$out" <<END
label: gpt
label-id: $uuid
unit: sectors
first-lba: $first
start=$first, size=$((efi - first)), type=21686148-6449-6E6F-744E-656564454649, uuid=$(guid 1)
start=$efi, size=$((root - efi)), type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B, uuid=$(guid 2)
start=$root, size=$((end - root)), type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709, uuid=$(guid 3)
END

put() { # FILE AT, in bytes
  dd if="$1" of="$out" bs=512 seek="$2" oflag=seek_bytes conv=notrunc,sparse status=none
}
put "$grub/share/grub/boot.img" 0
put "$grub/share/grub/core.img" $((first * 512))
put efi.img $((efi * 512))
put root.img $((root * 512))
`
