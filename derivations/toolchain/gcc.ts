import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { script } from '../build-support/script.ts'

export interface GccTools {
  readonly seeds: Derivation
  readonly headers: Derivation
  /** Used to build GCC's own libraries; programs are linked with another one, see toolchain.ts. */
  readonly musl: Derivation
}

/** The C and C++ compilers for `x86_64-linux-musl`, which run in the build seed, and their libraries. */
export function gcc(lock: Lock, { seeds, headers, musl }: GccTools): Derivation {
  return script({
    name: 'gcc',
    version: pinnedVersion(lock, 'gcc'),
    root: seeds,
    inputs: { source: pinned(lock, 'gcc'), headers, musl },
    env: { configuration: configuration.join(' ') },
    script: build,
  })
}

// The prefix is fictitious: GCC finds its files relative to its own program, and a real one would be
// hashed into cc1's checksum, so that no two builds agreed.
const configuration = [
  '--target=x86_64-linux-musl',
  '--prefix=/gcc',
  '--with-sysroot=/gcc/x86_64-linux-musl/sysroot',
  '--with-build-sysroot=/build/sysroot',
  '--with-native-system-header-dir=/include',
  '--with-as=/usr/bin/as',
  '--with-ld=/usr/bin/ld',
  '--with-system-zlib',
  '--without-zstd',
  '--without-isl',
  '--enable-languages=c,c++',
  '--enable-default-pie',
  '--enable-default-ssp',
  '--enable-checking=release',
  ...[
    'analyzer',
    'bootstrap',
    'decimal-float',
    'gcov',
    'libatomic',
    'libcc1',
    'libgomp',
    'libitm',
    'libquadmath',
    'libsanitizer',
    'libssp',
    'libstdcxx-backtrace',
    'libstdcxx-filesystem-ts',
    'libstdcxx-pch',
    'libvtv',
    'lto',
    'multilib',
    'nls',
    'plugin',
    'static',
  ].map(feature => `--disable-${feature}`),
]

// The compiler is optimised only a little: it is run for minutes here, and takes minutes to make.
// The documentation is left out of Debian's archive, which the makefile takes for something to do.
const build = `
say() { echo "$SECONDS s: $*"; }

mkdir -p /build/source /build/objects/gcc /build/sysroot/include
tar -xOf "$source" --wildcards '*/gcc-*.tar.xz' | xz -dc -T0 | tar -x -C /build/source --strip-components=1 \\
  --exclude='*/gcc/testsuite' --exclude='*/libstdc++-v3/testsuite/[0-9a-z]*' --exclude='*/gcc/ada' \\
  --exclude='*/gcc/d/dmd' --exclude='*/gcc/m2' --exclude='*/gcc/po' --exclude='*/ChangeLog*'
mkdir -p /build/source/gcc/testsuite/selftests
sed -i 's/^s-tm-texi:.*/s-tm-texi:/' /build/source/gcc/Makefile.in
touch /build/objects/gcc/s-tm-texi
ln -s "$musl/lib" /build/sysroot/lib
cp -rs --no-preserve=mode "$musl/include/." "$headers/include/." /build/sysroot/include/
mkdir /build/bin
for tool in ar as ld nm objcopy objdump ranlib readelf strip; do
  ln -s "/usr/bin/$tool" "/build/bin/x86_64-linux-musl-$tool"
done
export PATH="/build/bin:$PATH"
say unpacked

cd /build/objects
target_flags='-O2 -g0 -pipe -fstack-clash-protection'
../source/configure $configuration MAKEINFO=true \\
  CFLAGS='-Og -g0 -pipe' CXXFLAGS='-Og -g0 -pipe' \\
  CFLAGS_FOR_TARGET="$target_flags" CXXFLAGS_FOR_TARGET="$target_flags"
without='SELFTEST_TARGETS= GENERATED_MANPAGES= BUILD_INFO='
make -j"$BUILD_CORES" all-gcc $without
say compiler
make -j"$BUILD_CORES" all-target-libgcc all-target-libstdc++-v3
say libraries
make DESTDIR=/build/installed install-gcc install-target-libgcc install-target-libstdc++-v3 $without
say installed

cd /build/installed/gcc
rm -rf share lib/gcc/*/*/install-tools libexec/gcc/*/*/install-tools
find . -name '*.la' -delete -o -name '*.py' -delete
strip bin/* $(find libexec -type f)
strip --strip-unneeded x86_64-linux-musl/lib64/*.so.*
cp -r . "$out"
`
