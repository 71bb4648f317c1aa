import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { applyPatches } from '../build-support/patches.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

interface CurlTools extends TargetTools {
  readonly openssl: Derivation
  readonly zlib: Derivation
}

/** HTTP and HTTPS, and none of the older protocols. */
export function curl(lock: Lock, { openssl, zlib, ...tools }: CurlTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'curl',
    version: pinnedVersion(lock, 'curl'),
    description: 'Transfers data from and to URLs, as a command and as a library',
    license: 'curl',
    homepage: 'https://curl.se/',
    dependencies: ['ca-certificates'],
    libraries: { openssl, zlib },
    inputs: { source: pinned(lock, 'curl'), patches: pinned(lock, 'curl-patches') },
    env: { unwanted: unwanted.map(protocol => `--disable-${protocol}`).join(' ') },
    outputs: ['out', 'dev'],
    script: build,
  })
}

const unwanted = [
  'dict',
  'ftp',
  'gopher',
  'imap',
  'ipfs',
  'ldap',
  'ldaps',
  'mqtt',
  'pop3',
  'rtsp',
  'smb',
  'smtp',
  'telnet',
  'tftp',
]

// curl-config would refer to all that curl was built with.
const build = `
tar -xf "$source" --strip-components=1
${applyPatches({ except: 'ZZZgnutls|build-|11_omit|wcurl' })}
./configure --prefix="$out" --disable-static --disable-dependency-tracking $unwanted \\
  --disable-docs --disable-manual --without-libpsl --without-libidn2 --without-brotli --without-zstd \\
  --without-nghttp2 --with-openssl --with-zlib --with-ca-bundle=/etc/ssl/certs/ca-certificates.crt \\
  --without-ca-path
make -s -j"$BUILD_CORES"
make -s install
rm -f "$out/bin/curl-config" "$out/bin/wcurl"
rm -rf "$out/share/aclocal" "$out/share/fish" "$out/share/zsh"
`
