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
  ...['no-tests', 'no-docs', 'no-module', 'no-engine', 'no-legacy', 'no-comp', 'no-afalgeng'],
  // What is old, or has other programs than those here for its users.
  ...[
    'no-ssl3',
    'no-tls1',
    'no-tls1_1',
    'no-dtls',
    'no-quic',
    'no-srp',
    'no-psk',
    'no-cmp',
    'no-gost',
  ],
  ...[
    'no-aria',
    'no-bf',
    'no-camellia',
    'no-cast',
    'no-idea',
    'no-md2',
    'no-mdc2',
    'no-rc2',
    'no-rc4',
  ],
  ...['no-rc5', 'no-seed', 'no-sm2', 'no-sm3', 'no-sm4', 'no-weak-ssl-ciphers', 'no-whirlpool'],
  // musl has no getcontext(), which it would switch stacks with.
  'no-async',
  'enable-ec_nistp_64_gcc_128',
]

// To make everything would compile each file twice, for static libraries as well.
const build = `
tar -xf "$source" --strip-components=1
${applyPatches({ except: 'debian-targets|man-section|no-symbolic|pic|c_rehash-compat|Configure-allow' })}
sed -i 's|OPENSSLDIR "/cert.pem"|OPENSSLDIR "/certs/ca-certificates.crt"|' include/internal/common.h
perl Configure linux-x86_64 $options --prefix="$out" --libdir=lib --openssldir=/etc/ssl \\
  $CFLAGS $LDFLAGS -Wl,-rpath,"$out/lib"
make -s build_generated
make -s -j"$BUILD_CORES" libcrypto.so libssl.so apps/openssl
mkdir -p "$out/bin" "$out/lib" "$out/include"
cp apps/openssl "$out/bin/"
cp -d libcrypto.so* libssl.so* "$out/lib/"
cp -r include/openssl "$out/include/"
rm "$out"/include/openssl/*.in "$out"/include/openssl/__DECC*
install -D -m 644 apps/openssl.cnf "$out/etc/ssl/openssl.cnf"
`
