import type { Derivation } from '../../graph/derivation.ts'
import { formatPackageInfo, type PackageInfo, packageInfoPath } from '../../graph/package-info.ts'
import { type ScriptSpec, script } from './script.ts'

export interface TargetPackageSpec
  extends Omit<PackageInfo, 'dependencies' | 'services' | 'config'>,
    Pick<ScriptSpec, 'inputs' | 'env' | 'script'> {
  readonly seeds: Derivation
  readonly toolchain: Derivation
  readonly dependencies?: readonly string[]
  readonly services?: readonly string[]
  readonly config?: readonly string[]
}

/**
 * A package for the target, compiled by our own toolchain, which is first in the path; `$host` is its triple, and the
 * usual variables name its tools. What the script leaves in `$out` is stripped, loses its manuals, and gets the
 * package's description of itself.
 */
export function targetPackage(spec: TargetPackageSpec): Derivation {
  const { seeds, toolchain, inputs, env, script: build, ...about } = spec
  const info = { dependencies: [], services: [], config: [], ...about }
  const { name, version } = info
  return script({
    name,
    version,
    root: seeds,
    inputs: { toolchain, ...inputs },
    env: { ...env, packageInfo: formatPackageInfo(info), packageInfoPath: packageInfoPath(name) },
    script: `${prepare}\n${build}\n${finish}`,
  })
}

const prepare = `
host=x86_64-linux-musl
export PATH="$toolchain/bin:$PATH"
export CC=$host-gcc CXX=$host-g++ AR=$host-ar RANLIB=$host-ranlib STRIP=$host-strip
export CFLAGS="-O2 -fstack-protector-strong -D_FORTIFY_SOURCE=2" CXXFLAGS="-O2 -fstack-protector-strong"
`

// The search path of libraries is kept as the linker wrote it: those are the references to what is linked.
const finish = `
cd "$out"
rm -rf share/man share/info share/doc share/locale man lib/*.la
find . -type f \\( -perm -0100 -o -name '*.so*' \\) | while read -r file; do
  if [ "$(head -c 4 "$file" | tail -c 3)" = ELF ]; then $STRIP --strip-unneeded "$file"; fi
done
mkdir -p "$(dirname "$packageInfoPath")"
printf '%s' "$packageInfo" >"$packageInfoPath"
`

/** True for what targetPackage() made: it can be installed on a running system. */
export function isTargetPackage({ env }: Derivation): boolean {
  return env.packageInfo !== undefined && env.packageInfoPath !== undefined
}
