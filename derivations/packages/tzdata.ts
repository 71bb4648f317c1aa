import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

/** `share/zoneinfo`, and `etc/zoneinfo` as a link to it, which is where musl looks. */
export function tzdata(lock: Lock, tools: TargetTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'tzdata',
    version: pinnedVersion(lock, 'tzdata'),
    description: 'Time zones of the world and their history',
    license: 'LicenseRef-Public-Domain',
    homepage: 'https://www.iana.org/time-zones',
    inputs: { source: pinned(lock, 'tzdata'), glibc: pinned(lock, 'glibc') },
    script: build,
  })
}

// glibc would generate the two empty headers. Zones with several
// names come as hard links, which an object does not have.
const build = `
tar -xf "$source"
mkdir zic
tar -xf "$glibc" --strip-components=2 -C zic --wildcards '*/timezone/*.[ch]'
touch zic/version.h zic/tzdir.h
gcc -O1 -Izic -DPKGVERSION='""' -DTZVERSION='""' -DREPORT_BUGS_TO='""' -DTZDIR='""' -DTZDEFAULT='""' zic/zic.c -o zic/zic
zones=$out/share/zoneinfo
mkdir -p "$zones" "$out/etc"
zic/zic -b slim -d "$zones" africa antarctica asia australasia europe northamerica southamerica etcetera factory backward
cp zone.tab zone1970.tab iso3166.tab "$zones/"
find "$zones" -type f -links +1 -printf '%i %p\\n' | LC_ALL=C sort -k1,1n -k2,2 | while read -r inode file; do
  if [ "$inode" = "\${first_inode:-}" ]; then ln -sfr "$first" "$file"; else first_inode=$inode first=$file; fi
done
ln -s ../share/zoneinfo "$out/etc/zoneinfo"
`
