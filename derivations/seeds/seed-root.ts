import { type Derivation, derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { debs } from './debs.ts'

/**
 * A file system to build in: the binary packages of one seed, unpacked on top of each other by the
 * static BusyBox in a sandbox that holds nothing else. No maintainer script runs, so the links that
 * scripts would have made are made here.
 */
export function seedRoot(
  lock: Lock,
  seed: string,
  { busybox }: { busybox: Derivation },
): Derivation {
  const packages = debs(lock, seed)
  return derivation({
    name: `seeds-${seed}`,
    version: '13',
    builder: ['busybox/usr/bin/busybox', 'sh', '-eu', '-o', 'pipefail', '-c', unpack, 'unpack'],
    env: { packages: Object.keys(packages).join(' ') },
    inputs: { busybox, ...packages },
  })
}

// Setuid programs are left out: the sandbox refuses to make them, and in a build they would do nothing.
// Documentation is a tenth of the files, and no build reads it.
const unpack = `
mkdir /build/bin
"$busybox/usr/bin/busybox" --install -s /build/bin
export PATH=/build/bin
mkdir -p "$out/usr/bin" "$out/usr/sbin" "$out/usr/lib" "$out/usr/lib64"
for directory in bin sbin lib lib64; do ln -s "usr/$directory" "$out/$directory"; done

for package in $packages; do eval "echo \\$$package"; done >packages
cat >unpack-some <<'END'
set -eu -o pipefail
for deb; do
  ar p "$deb" data.tar.xz | unxz >$$.tar
  tar -tvf $$.tar | awk '$1 ~ /^-(..|.....)[sS]/ { print $NF }' >$$.setuid
  if [ -s $$.setuid ]; then
    tar -tf $$.tar | grep '^./usr/.*[^/]$' | grep -vxFf $$.setuid | xargs tar -xf $$.tar -C "$out" --no-same-permissions
  else
    tar -xf $$.tar -C "$out" --no-same-permissions ./usr
  fi || { echo "error: cannot unpack $deb" >&2; exit 1; }
done
rm $$.tar
END
xargs -n 8 -P "$BUILD_CORES" sh unpack-some <packages

cd "$out/usr/share"
rm -rf bug doc doc-base info lintian locale man
for link in sh:bash awk:gawk; do
  [ ! -e "$out/usr/bin/\${link#*:}" ] || ln -s "\${link#*:}" "$out/usr/bin/\${link%:*}"
done
`
