import { type Derivation, derivation } from '../../graph/derivation.ts'
import { script } from '../build-support/script.ts'

export interface RootfsSpec {
  readonly version: string
  readonly seeds: Derivation
  /** The profile that the system starts with. */
  readonly system: Derivation
  /** Those of the profile's services that are enabled. */
  readonly services?: readonly string[]
  /** Of squashfs, for zstd: 19 for a release, 1 for trying things out. */
  readonly level?: number
}

/**
 * The root file system as one squashfs: `/mix` with the closure of the system's profile and its records,
 * and a root that reaches everything through `/mix/profiles/system/current`.
 */
export function rootfs({
  version,
  seeds,
  system,
  services = [],
  level = 19,
}: RootfsSpec): Derivation {
  const closure = derivation({
    name: 'rootfs-closure',
    version,
    builder: ['builtin:closure-info'],
    inputs: { root: system },
  })
  return script({
    name: 'rootfs',
    version,
    root: seeds,
    inputs: { closure, system },
    env: { level: String(level), services: services.join(' '), state: state.join(' ') },
    script: build,
  })
}

/**
 * The files of `/etc` that belong to the machine and change on it: copied once, while every other one stays
 * a link into the profile and changes with it.
 */
const state = ['fstab', 'group', 'hostname', 'hosts', 'ntp.conf', 'passwd', 'shadow']

// Objects keep the time that they have in every store, 1; the squashfs itself is dated by SOURCE_DATE_EPOCH.
const build = `
mkdir root
cd root
mkdir -p dev etc home mnt proc root/.ssh run sys tmp usr var/cache var/empty var/lib var/log var/spool var/tmp
mkdir -p mix/db/objects mix/db/traces mix/locks mix/log mix/profiles/system mix/roots mix/store mix/tmp
xargs -a "$closure/paths" cp -a -t mix/store
cp "$closure"/db/objects/*.json mix/db/objects/

ln -s "$system" mix/profiles/system/1
ln -s 1 mix/profiles/system/current
for directory in bin sbin; do
  ln -s mix/profiles/system/current/bin $directory
  ln -s ../mix/profiles/system/current/bin usr/$directory
done
for file in $(ls -A "$system/etc"); do
  case " $state " in
    *" $file "*) cp -L "$system/etc/$file" etc/ && chmod 0644 "etc/$file" ;;
    *) ln -s "/mix/profiles/system/current/etc/$file" etc/ ;;
  esac
done
mkdir etc/service
for service in $services; do
  ln -s "/mix/profiles/system/current/etc/sv/$service" etc/service/
done
ln -s ../proc/self/mounts etc/mtab
ln -s ../run var/run
chmod 0600 etc/shadow
chmod 0700 root root/.ssh
chmod 1777 tmp var/tmp
cd ..

find root -exec touch -h -d @1 {} +
mksquashfs root "$out" -noappend -quiet -no-progress -all-root -no-xattrs -no-hardlinks -no-exports \\
  -comp zstd -Xcompression-level "$level" -b 256K -processors 1
`
