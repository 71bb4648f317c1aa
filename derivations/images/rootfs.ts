import { type Derivation, derivation } from '../../graph/derivation.ts'
import { script } from '../build-support/script.ts'

export interface RootfsSpec {
  readonly version: string
  readonly seeds: Derivation
  /** The profile that the system starts with. */
  readonly system: Derivation
  /** The package manager, which is in no profile that it changes. */
  readonly mix: Derivation
  /** What the medium offers to install; its index is believed as a part of this image. */
  readonly repository: Derivation
  /** Those of the profile's services that are enabled. */
  readonly services?: readonly string[]
  /** Of squashfs, for zstd: 19 for a release, 1 for trying things out. */
  readonly level?: number
}

/**
 * The root file system as one squashfs: `/mix` with the closure of the system's profile and its records,
 * and a root that reaches everything through `/mix/profiles/system/current`.
 */
export function rootfs(spec: RootfsSpec): Derivation {
  const { version, seeds, services = [], level = 19, ...parts } = spec
  const closure = derivation({
    name: 'rootfs-closure',
    version,
    builder: ['builtin:closure-info'],
    inputs: { root: parts.system, mix: parts.mix },
  })
  return script({
    name: 'rootfs',
    version,
    root: seeds,
    inputs: { closure, ...parts },
    env: { level: String(level), services: services.join(' '), state: state.join(' ') },
    script: build,
  })
}

/**
 * The files of `/etc` that belong to the machine and change on it: copied once, while every other one stays
 * a link into the profile and changes with it.
 */
const state = [
  ...['fstab', 'group', 'hostname', 'hosts', 'ntp.conf', 'passwd', 'shadow'],
  'mix/repositories.json',
]

// Objects keep the time that they have in every store, 1; the squashfs itself is dated by SOURCE_DATE_EPOCH.
const build = `
mkdir root
cd root
mkdir -p dev etc home mnt proc root/.ssh run sys tmp usr var/cache var/empty var/lib var/log var/spool var/tmp
mkdir -p mix/db/objects mix/db/traces mix/locks mix/log mix/roots mix/store mix/tmp
mkdir -p mix/profiles/system mix/profiles/mix var/lib/mix/medium
echo 1 >mix/version
xargs -a "$closure/paths" cp -a -t mix/store
cp "$closure"/db/objects/*.json mix/db/objects/

ln -s "$system" mix/profiles/system/1
ln -s 1 mix/profiles/system/current
ln -s "$mix" mix/profiles/mix/1
ln -s 1 mix/profiles/mix/current
cp "$repository/packages.json" var/lib/mix/medium/
for directory in bin sbin; do
  ln -s mix/profiles/system/current/bin $directory
  ln -s ../mix/profiles/system/current/bin usr/$directory
done
current=/mix/profiles/system/current/etc
for file in $(ls -A "$system/etc"); do ln -s "$current/$file" etc/; done
for file in $state; do
  # In a directory of its own, the other files are links.
  directory=$(dirname "$file")
  if [ -L "etc/$directory" ]; then
    rm "etc/$directory"
    mkdir "etc/$directory"
    for other in $(ls -A "$system/etc/$directory"); do ln -s "$current/$directory/$other" "etc/$directory/"; done
  fi
  rm "etc/$file"
  cp -L "$system/etc/$file" "etc/$file"
  chmod 0644 "etc/$file"
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
