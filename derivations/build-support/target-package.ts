import { type Derivation, output } from '../../graph/derivation.ts'
import { formatPackageInfo, type PackageInfo, packageInfoPath } from '../../graph/package-info.ts'
import { type ScriptSpec, script } from './script.ts'

type Lists = Pick<PackageInfo, 'dependencies' | 'services' | 'config'>
/** What a package says of itself; lists that are left out are empty. */
export type PackageSpec = Omit<PackageInfo, keyof Lists> & Partial<Lists>

export interface TargetTools {
  readonly seeds: Derivation
  readonly toolchain: Derivation
}

export interface TargetPackageSpec
  extends TargetTools,
    PackageSpec,
    Pick<ScriptSpec, 'inputs' | 'env' | 'outputs' | 'script'> {
  /** What is linked, by input name; each has its headers in an output of its own, `dev`. */
  readonly libraries?: Readonly<Record<string, Derivation>>
}

/** The file by which an object is a package, in which it says what it is: its path and its text. */
export function infoFile(spec: PackageSpec): readonly [path: string, text: string] {
  const info = { dependencies: [], services: [], config: [], ...spec }
  return [packageInfoPath(info.name), formatPackageInfo(info)]
}

/**
 * A package for the target, compiled by our own toolchain, which is first in the path; `$host` is its triple, and the
 * usual variables name its tools and say where its libraries are. What the script leaves in `$out` is stripped, loses
 * its manuals, and gets the package's description of itself; what others need in order to link it goes to `$dev`, if
 * there is such an output.
 */
export function targetPackage(spec: TargetPackageSpec): Derivation {
  const { seeds, toolchain, libraries = {}, inputs, env, outputs, script: build, ...about } = spec
  const { name, version } = about
  const [packageInfoPath, packageInfo] = infoFile(about)
  return script({
    name,
    version,
    root: seeds,
    inputs: { toolchain, ...libraries, ...headersOf(libraries), ...inputs },
    env: { ...env, packageInfo, packageInfoPath },
    ...(outputs && { outputs }),
    script: `${prepare}${link(Object.keys(libraries))}\n${build}\n${finish}`,
  })
}

export interface PlainPackageSpec extends ScriptSpec {
  /** Beside its name and version, which are those of the derivation. */
  readonly about: Omit<PackageSpec, 'name' | 'version'>
}

/** A package that is not compiled: a script that fills `$out`, which is then given what the package says of itself. */
export function plainPackage({ about, ...spec }: PlainPackageSpec): Derivation {
  const { name, version } = spec
  const [packageInfoPath, packageInfo] = infoFile({ ...about, name, version })
  return script({
    ...spec,
    env: { ...spec.env, packageInfo, packageInfoPath },
    script: `${spec.script}\ncd "$out"\n${describe}`,
  })
}

const headersOf = (libraries: Readonly<Record<string, Derivation>>) =>
  Object.fromEntries(
    Object.entries(libraries).map(([name, library]) => [`${name}_dev`, output(library, 'dev')]),
  )

// musl looks for a library nowhere but where the program says, so each is found by its own store path.
const link = (libraries: readonly string[]): string => `\
export CPPFLAGS="${libraries.map(name => `-I$${name}_dev/include`).join(' ')}"
export LDFLAGS="-Wl,--as-needed ${libraries.map(name => `-L$${name}/lib -Wl,-rpath,$${name}/lib`).join(' ')}"
`

const prepare = `
host=x86_64-linux-musl
export PATH="$toolchain/bin:$PATH"
export CC=$host-gcc CXX=$host-g++ AR=$host-ar RANLIB=$host-ranlib STRIP=$host-strip
export CFLAGS="-O2 -fstack-protector-strong" CXXFLAGS="-O2 -fstack-protector-strong"
`

const describe = `\
mkdir -p "$(dirname "$packageInfoPath")"
printf '%s' "$packageInfo" >"$packageInfoPath"
`

// The search path of libraries is kept as the linker wrote it: those are the references to what is linked.
const finish = `
cd "$out"
rm -rf share/man share/info share/doc share/locale man lib/*.la
if [ -n "\${dev:-}" ]; then
  mkdir -p "$dev"
  mv include "$dev/"
  rm -rf lib/pkgconfig lib/cmake
fi
find . -type f \\( -perm -0100 -o -name '*.so*' \\) | while read -r file; do
  if [ "$(head -c 4 "$file" | tail -c 3)" = ELF ]; then $STRIP --strip-unneeded "$file"; fi
done
${describe}`

/** True for what describes itself, by whatever builder: it can be installed on a running system. */
export function isTargetPackage({ name, env }: Derivation): boolean {
  return Object.values(env).some(value => value.includes(packageInfoPath(name)))
}
