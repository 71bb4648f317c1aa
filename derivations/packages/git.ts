import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export interface GitTools extends TargetTools {
  readonly curl: Derivation
  readonly pcre2: Derivation
  readonly zlib: Derivation
}

/** Without the commands that are Perl, Python or Tcl; over SSH where an ssh is installed, and over HTTPS. */
export function git(lock: Lock, { curl, pcre2, zlib, ...tools }: GitTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'git',
    version: pinnedVersion(lock, 'git'),
    description: 'Keeps the history of a tree of files, and exchanges it with others',
    license: 'GPL-2.0-only',
    homepage: 'https://git-scm.com/',
    dependencies: ['ca-certificates'],
    libraries: { curl, pcre2, zlib },
    inputs: { source: pinned(lock, 'git') },
    env: { options: options.join(' ') },
    script: build,
  })
}

const options = [
  'INSTALL_SYMLINKS=YesPlease',
  'NO_EXPAT=YesPlease',
  'NO_GETTEXT=YesPlease',
  'NO_GITWEB=YesPlease',
  'NO_OPENSSL=YesPlease',
  'NO_PERL=YesPlease',
  'NO_PYTHON=YesPlease',
  'NO_REGEX=NeedsStartEnd',
  'NO_TCLTK=YesPlease',
  'USE_LIBPCRE2=YesPlease',
  'CURL_CONFIG=false',
  'CURL_LDFLAGS=-lcurl',
  'SHELL_PATH=/bin/sh',
  'gitexecdir=libexec/git-core',
  'sysconfdir=/etc',
]

// Its Makefile takes neither CPPFLAGS nor LDFLAGS apart, and would write the build's user and machine into it. What
// libcurl needs is found when that is loaded, by its own paths, which the linker does not follow.
const build = `
tar -xf "$source" --strip-components=1
LDFLAGS="$LDFLAGS -Wl,--allow-shlib-undefined"
build="make -s -j$BUILD_CORES prefix=$out CC=$CC AR=$AR $options"
$build CFLAGS="$CFLAGS $CPPFLAGS" LDFLAGS="$LDFLAGS" >/dev/null
$build CFLAGS="$CFLAGS $CPPFLAGS" LDFLAGS="$LDFLAGS" install >/dev/null
cd "$out"
rm -rf share/perl5 share/git-gui share/gitk bin/git-cvsserver
`
