import type { Lock } from '../../graph/lock.ts'
import type { Definitions, PackageSet } from '../../graph/package-set.ts'
import type { TargetTools } from '../build-support/target-package.ts'
import { audit } from './audit.ts'
import { dosfstools } from './dosfstools.ts'
import { e2fsprogs } from './e2fsprogs.ts'
import { git } from './git.ts'
import { htop } from './htop.ts'
import { jq } from './jq.ts'
import { less } from './less.ts'
import { libevent } from './libevent.ts'
import { lua } from './lua.ts'
import { nano } from './nano.ts'
import { ncurses } from './ncurses.ts'
import { oniguruma } from './oniguruma.ts'
import { popt } from './popt.ts'
import { rsync } from './rsync.ts'
import { strace } from './strace.ts'
import { tmux } from './tmux.ts'
import { tzdata } from './tzdata.ts'
import { utilLinux } from './util-linux.ts'

/** Programs for people at a terminal and for the installer, with the libraries that only they need. */
export function tools(lock: Lock): Definitions {
  return {
    audit: ({ get }) => audit(lock, { ...target(get), autotools: get('autotools') }),
    dosfstools: ({ get }) => dosfstools(lock, target(get)),
    e2fsprogs: ({ get }) => e2fsprogs(lock, target(get)),
    git: ({ get }) =>
      git(lock, { ...target(get), curl: get('curl'), pcre2: get('pcre2'), zlib: get('zlib') }),
    htop: ({ get }) =>
      htop(lock, { ...target(get), autotools: get('autotools'), ncurses: get('ncurses') }),
    jq: ({ get }) =>
      jq(lock, { ...target(get), autotools: get('autotools'), oniguruma: get('oniguruma') }),
    less: ({ get }) => less(lock, { ...target(get), ncurses: get('ncurses') }),
    libevent: ({ get }) => libevent(lock, target(get)),
    lua: ({ get }) => lua(lock, target(get)),
    nano: ({ get }) => nano(lock, { ...target(get), ncurses: get('ncurses') }),
    ncurses: ({ get }) => ncurses(lock, target(get)),
    oniguruma: ({ get }) => oniguruma(lock, { ...target(get), autotools: get('autotools') }),
    popt: ({ get }) => popt(lock, target(get)),
    rsync: ({ get }) => rsync(lock, { ...target(get), popt: get('popt'), zlib: get('zlib') }),
    strace: ({ get }) => strace(lock, target(get)),
    tmux: ({ get }) =>
      tmux(lock, { ...target(get), libevent: get('libevent'), ncurses: get('ncurses') }),
    tzdata: ({ get }) => tzdata(lock, target(get)),
    'util-linux': ({ get }) => utilLinux(lock, target(get)),
  }
}

const target = (get: PackageSet['get']): TargetTools => ({
  seeds: get('seeds-build'),
  toolchain: get('toolchain'),
})
