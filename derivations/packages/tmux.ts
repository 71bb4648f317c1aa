import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

export interface TmuxTools extends TargetTools {
  readonly libevent: Derivation
  readonly ncurses: Derivation
}

export function tmux(lock: Lock, { libevent, ncurses, ...tools }: TmuxTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'tmux',
    version: pinnedVersion(lock, 'tmux'),
    description: 'Keeps several terminals in one, also while nobody is connected',
    license: 'ISC',
    homepage: 'https://github.com/tmux/tmux/wiki',
    libraries: { libevent, ncurses },
    inputs: { source: pinned(lock, 'tmux') },
    script: build,
  })
}

const build = `
tar -xf "$source" --strip-components=1
./configure --build=$host --host=$host --prefix="$out" --sysconfdir=/etc --disable-utf8proc \\
  LIBEVENT_CORE_CFLAGS="$CPPFLAGS" LIBEVENT_CORE_LIBS=-levent_core LIBTINFO_CFLAGS="$CPPFLAGS" LIBTINFO_LIBS=-lncursesw >/dev/null
make -s -j"$BUILD_CORES" >/dev/null
make -s install >/dev/null
`
