import type { Lock } from '../../graph/lock.ts'
import type { Definitions, PackageSet } from '../../graph/package-set.ts'
import type { TargetTools } from '../build-support/target-package.ts'
import { audit } from './audit.ts'
import { caCertificates } from './ca-certificates.ts'
import { curl } from './curl.ts'
import { dosfstools } from './dosfstools.ts'
import { e2fsprogs } from './e2fsprogs.ts'
import { git } from './git.ts'
import { htop } from './htop.ts'
import { iptables } from './iptables.ts'
import { jq } from './jq.ts'
import { less } from './less.ts'
import { libevent } from './libevent.ts'
import { lua } from './lua.ts'
import { nano } from './nano.ts'
import { ncurses } from './ncurses.ts'
import { nginx } from './nginx.ts'
import { oniguruma } from './oniguruma.ts'
import { openssh } from './openssh.ts'
import { openssl } from './openssl.ts'
import { pcre2 } from './pcre2.ts'
import { popt } from './popt.ts'
import { rsync } from './rsync.ts'
import { strace } from './strace.ts'
import { tmux } from './tmux.ts'
import { tzdata } from './tzdata.ts'
import { utilLinux } from './util-linux.ts'
import { zlib } from './zlib.ts'

/** Every package that can be installed on a machine beside those that it starts with, and what each is built with. */
export function targetPackages(lock: Lock): Definitions {
  return {
    audit: ({ get }) => audit(lock, { ...toolsOf(get), autotools: get('autotools') }),
    'ca-certificates': ({ get }) => caCertificates(lock, toolsOf(get)),
    curl: ({ get }) => curl(lock, { ...toolsOf(get), openssl: get('openssl'), zlib: get('zlib') }),
    dosfstools: ({ get }) => dosfstools(lock, toolsOf(get)),
    e2fsprogs: ({ get }) => e2fsprogs(lock, toolsOf(get)),
    git: ({ get }) =>
      git(lock, { ...toolsOf(get), curl: get('curl'), pcre2: get('pcre2'), zlib: get('zlib') }),
    htop: ({ get }) =>
      htop(lock, { ...toolsOf(get), autotools: get('autotools'), ncurses: get('ncurses') }),
    iptables: ({ get }) => iptables(lock, toolsOf(get)),
    jq: ({ get }) =>
      jq(lock, { ...toolsOf(get), autotools: get('autotools'), oniguruma: get('oniguruma') }),
    less: ({ get }) => less(lock, { ...toolsOf(get), ncurses: get('ncurses') }),
    libevent: ({ get }) => libevent(lock, toolsOf(get)),
    lua: ({ get }) => lua(lock, toolsOf(get)),
    nano: ({ get }) => nano(lock, { ...toolsOf(get), ncurses: get('ncurses') }),
    ncurses: ({ get }) => ncurses(lock, toolsOf(get)),
    nginx: ({ get }) =>
      nginx(lock, {
        ...toolsOf(get),
        openssl: get('openssl'),
        pcre2: get('pcre2'),
        zlib: get('zlib'),
      }),
    oniguruma: ({ get }) => oniguruma(lock, { ...toolsOf(get), autotools: get('autotools') }),
    openssh: ({ get }) =>
      openssh(lock, { ...toolsOf(get), openssl: get('openssl'), zlib: get('zlib') }),
    openssl: ({ get }) => openssl(lock, toolsOf(get)),
    pcre2: ({ get }) => pcre2(lock, toolsOf(get)),
    popt: ({ get }) => popt(lock, toolsOf(get)),
    rsync: ({ get }) => rsync(lock, { ...toolsOf(get), popt: get('popt'), zlib: get('zlib') }),
    strace: ({ get }) => strace(lock, toolsOf(get)),
    tmux: ({ get }) =>
      tmux(lock, { ...toolsOf(get), libevent: get('libevent'), ncurses: get('ncurses') }),
    tzdata: ({ get }) => tzdata(lock, toolsOf(get)),
    'util-linux': ({ get }) => utilLinux(lock, toolsOf(get)),
    zlib: ({ get }) => zlib(lock, toolsOf(get)),
  }
}

const toolsOf = (get: PackageSet['get']): TargetTools => ({
  seeds: get('seeds-build'),
  toolchain: get('toolchain'),
})
