import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

/** The terminals that someone may sit at: consoles, serial lines, and what an SSH client brings along. */
const terminals = [
  'ansi',
  'dumb',
  'linux',
  'screen',
  'screen-256color',
  'tmux',
  'tmux-256color',
  'vt100',
  'vt102',
  'vt220',
  'xterm',
  'xterm-256color',
]

/** The wide-character library, terminfo inside, and descriptions of a few terminals. */
export function ncurses(lock: Lock, tools: TargetTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'ncurses',
    version: pinnedVersion(lock, 'ncurses'),
    description: 'Library for programs that fill a terminal, with descriptions of common terminals',
    license: 'X11-distribute-modifications-variant',
    homepage: 'https://invisible-island.net/ncurses/',
    inputs: { source: pinned(lock, 'ncurses') },
    env: { terminals: terminals.join(',') },
    outputs: ['out', 'dev'],
    script: build,
  })
}

const build = `
tar -xf "$source" --strip-components=1
./configure --build=$host --host=$host --prefix="$out" --with-shared --without-normal --without-debug \\
  --without-ada --without-cxx --without-cxx-binding --without-manpages --without-tests --enable-widec --enable-overwrite \\
  --disable-stripping --with-default-terminfo-dir="$out/share/terminfo" \\
  --with-terminfo-dirs="/etc/terminfo:$out/share/terminfo" LDFLAGS="$LDFLAGS -Wl,-rpath,$out/lib" >/dev/null
for part in include ncurses progs; do make -s -C $part -j"$BUILD_CORES" >/dev/null; done
make -s -C include install.includes >/dev/null
make -s -C ncurses install.libs >/dev/null
mkdir -p "$out/bin" "$out/share/terminfo"
cp progs/tput progs/infocmp "$out/bin/"
LD_LIBRARY_PATH=lib progs/tic -x -e "$terminals" -o "$out/share/terminfo" misc/terminfo.src
`
