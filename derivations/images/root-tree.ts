import { type Derivation, derivation } from '../../graph/derivation.ts'

export interface RootTreeSpec {
  readonly version: string
  /** The profile that the system starts with. */
  readonly system: Derivation
  /** The package manager, which is in no profile that it changes. */
  readonly mix: Derivation
  /** What can be installed without a network; its index is believed as a part of the image. */
  readonly repository: Derivation
  /** Those of the profile's services that are enabled. */
  readonly services: readonly string[]
}

/** What a script needs that begins with `script`, and leaves the tree of a system in `root`. */
export interface RootTree {
  readonly inputs: Readonly<Record<string, Derivation>>
  readonly env: Readonly<Record<string, string>>
  readonly script: string
}

/**
 * The root of a system: `/mix` with the closure of its profile and their records, and a root that reaches everything
 * through `/mix/profiles/system/current`.
 */
export function rootTree(spec: RootTreeSpec): RootTree {
  const { version, services, system, mix, repository } = spec
  const closure = derivation({
    name: 'rootfs-closure',
    version,
    builder: ['builtin:closure-info'],
    inputs: { root: system, mix },
  })
  return {
    inputs: { closure, system, mix, repository },
    env: { services: services.join(' '), state: state.join(' ') },
    script: build,
  }
}

/**
 * The files of `/etc` that belong to the machine and change on it: copied once, while every other one stays
 * a link into the profile and changes with it.
 */
const state = [
  ...['fstab', 'group', 'hostname', 'hosts', 'ntp.conf', 'passwd', 'shadow'],
  'mix/repositories.json',
]

// Objects keep the time that they have in every store, 1.
const build = `
mkdir root
cd root
mkdir -p dev etc home mnt proc root/.ssh run sys tmp usr var/cache var/empty var/lib var/log var/tmp
mkdir -p var/spool/cron/crontabs
mkdir -p mix/db/objects mix/db/traces mix/log mix/roots mix/store mix/tmp
mkdir -p mix/profiles/system mix/profiles/mix var/lib/mix/medium
echo 1 >mix/version
xargs -a "$closure/paths" cp -a -t mix/store
cp "$closure"/db/objects/*.json mix/db/objects/

ln -s "$system" mix/profiles/system/1
ln -s 1 mix/profiles/system/current
ln -s "$mix" mix/profiles/mix/1
ln -s 1 mix/profiles/mix/current
cp "$repository/packages.json" var/lib/mix/medium/
ln -s /run/mixos/medium/mixos/repository var/lib/mix/medium/repository
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
chmod 0700 root root/.ssh var/spool/cron/crontabs
chmod 1777 tmp var/tmp
cd ..

find root -exec touch -h -d @1 {} +
`
