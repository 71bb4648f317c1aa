import { type Derivation, output } from '../../graph/derivation.ts'
import { script } from '../build-support/script.ts'

export interface ToolchainParts {
  readonly seeds: Derivation
  readonly gcc: Derivation
  readonly libraries: Derivation
  readonly headers: Derivation
  readonly musl: Derivation
}

/**
 * What target code is built with: `bin/x86_64-linux-musl-gcc`, `-g++` and binutils, in a build whose
 * root is the build seed. Programs it links name the loader and the libraries by their store paths.
 */
export function toolchain({ seeds, gcc, ...parts }: ToolchainParts): Derivation {
  return script({
    name: 'toolchain',
    version: gcc.version,
    root: seeds,
    inputs: { gcc, ...parts, musl_dev: output(parts.musl, 'dev') },
    script: build,
  })
}

// The driver is copied, since it finds everything else from where it is; the rest are links. A file
// named specs in its directory replaces its built-in rules: here by themselves, with more behind them.
// -shared-libgcc is how the driver says that it links C++: only then does a program need to find
// GCC's libraries.
const build = `
target=x86_64-linux-musl
files=lib/gcc/$target/$(ls "$gcc/lib/gcc/$target")
mkdir -p "$out/bin" "$out/$files" "$out/$target/sysroot/include"
cp "$gcc/bin/$target-gcc" "$gcc/bin/$target-g++" "$gcc/bin/$target-cpp" "$out/bin/"
for tool in addr2line ar as ld nm objcopy objdump ranlib readelf size strings strip; do
  ln -s "/usr/bin/$tool" "$out/bin/$target-$tool"
done
ln -s "$gcc/libexec" "$out/libexec"
ln -s "$gcc/$files"/* "$out/$files/"
ln -s "$gcc/$target"/* "$out/$target/"
ln -s "$musl_dev/lib" "$out/$target/sysroot/lib"
cp -rs --no-preserve=mode "$musl_dev/include/." "$headers/include/." "$out/$target/sysroot/include/"

"$out/bin/$target-gcc" -dumpspecs >"$out/$files/specs"
cat >>"$out/$files/specs" <<END
*cc1:
+ %{!fno-stack-clash-protection:-fstack-clash-protection}

*link:
+ -z relro -z now %{!static:%{!static-pie:%{!shared:%{!r:-dynamic-linker $musl/lib/ld-musl-x86_64.so.1}} %{shared-libgcc:-rpath $libraries/lib}}}

END

# A compiler that cannot link is better found here than in the first package.
echo 'int main() { return 0; }' >probe.cc
"$out/bin/$target-g++" -xc++ probe.cc -o probe
readelf -l -d probe | grep -F "$musl/lib/ld-musl-x86_64.so.1" >/dev/null
readelf -d probe | grep -F "$libraries/lib" >/dev/null
./probe
`
