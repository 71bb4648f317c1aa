/** Where the child finds the static BusyBox, until the first thing it does is to close it. */
export const BUSYBOX = 3

/** Where a build's output goes. By this name it tells nothing of the host's directories. */
export const CONSOLE = '/dev/console'

/**
 * The first process of every sandbox: a shell that sets what bubblewrap cannot, runs the builder and
 * waits for it. It is process 1 of the build's process namespace, so when it ends, the kernel ends all
 * others, and bubblewrap hears of it only after that.
 *
 * It closes what bubblewrap was given to work with. The limit on processes is set in here
 * because the kernel counts it per user and user namespace: in here it counts this build alone. Where
 * the machine's limits are lower, they stay in force.
 */
const SCRIPT = `ulimit -c 0
ulimit -n 4096 2>/dev/null
ulimit -u "$1" 2>/dev/null
echo 1000 2>/dev/null >/proc/self/oom_score_adj
umask 022
shift
unset PWD SHLVL
"$@"
exit "$?"`

interface Launch {
  readonly argv: readonly string[]
  readonly processes: number
  /** What bubblewrap has open, by number. */
  readonly open: readonly number[]
}

/** The end of bubblewrap's command line: the only place where words of a derivation stand. */
export function launch({ argv, processes, open }: Launch): string[] {
  const script = `exec >${CONSOLE} 2>&1 ${open.map(number => `${number}>&-`).join(' ')}\n${SCRIPT}`
  const shell = ['--argv0', 'sh', '--', `/proc/self/fd/${BUSYBOX}`, '-c', script, 'sh']
  return [...shell, String(processes), ...argv]
}
