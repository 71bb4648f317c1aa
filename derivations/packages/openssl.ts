import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { applyPatches } from '../build-support/patches.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

/** TLS 1.2 and later; nothing of it is loaded at run time. Certificates it trusts are those of ca-certificates. */
export function openssl(lock: Lock, tools: TargetTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'openssl',
    version: pinnedVersion(lock, 'openssl'),
    description: 'TLS and cryptography, as libraries and as a command',
    license: 'Apache-2.0',
    homepage: 'https://www.openssl.org/',
    config: ['ssl/openssl.cnf'],
    inputs: { source: pinned(lock, 'openssl'), patches: pinned(lock, 'openssl-patches') },
    env: { options: options.join(' ') },
    outputs: ['out', 'dev'],
    script: build,
  })
}

const options = [
  'no-tests',
  'no-docs',
  'no-module',
  'no-engine',
  'no-legacy',
  'no-ssl3',
  'no-tls1',
  'no-tls1_1',
  'no-dtls1',
  'no-comp',
  'no-weak-ssl-ciphers',
  'no-idea',
  'no-mdc2',
  'no-md2',
  'no-rc5',
  'no-seed',
  'no-whirlpool',
  'no-srp',
  'no-psk',
  'no-afalgeng',
  // musl has no getcontext(), which it would switch stacks with.
  'no-async',
  'enable-ec_nistp_64_gcc_128',
]

// The directory of settings is the machine's, but what would be installed there goes to the package.
const build = `
tar -xf "$source" --strip-components=1
${applyPatches({ except: 'debian-targets|man-section|no-symbolic|pic|c_rehash-compat|Configure-allow' })}
sed -i 's|OPENSSLDIR "/cert.pem"|OPENSSLDIR "/certs/ca-certificates.crt"|' include/internal/common.h
perl Configure linux-x86_64 $options --prefix="$out" --libdir=lib --openssldir=/etc/ssl \\
  $CFLAGS $LDFLAGS -Wl,-rpath,"$out/lib"
make -s -j"$BUILD_CORES" build_sw
make -s install_sw
rm -rf "$out"/lib/*.a "$out"/lib/cmake "$out"/bin/c_rehash
install -D -m 644 apps/openssl.cnf "$out/etc/ssl/openssl.cnf"
`
