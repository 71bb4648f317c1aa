/** Where the child finds the static BusyBox, until the first thing it does is to close it. */
export const BUSYBOX = 3

/**
 * The first process of every sandbox: a shell that sets what bubblewrap cannot, runs the builder and
 * waits for it. It is process 1 of the build's process namespace, so when it ends, the kernel ends all
 * others, and bubblewrap hears of it only after that.
 *
 * The limit on processes is set in here because the kernel counts it per user and user namespace: in
 * here it counts this build alone. Where the machine's own limit is lower, that one stays in force.
 */
const SCRIPT = `exec ${BUSYBOX}>&- 2>&1
ulimit -c 0
ulimit -n 4096 2>/dev/null
ulimit -u "$1" 2>/dev/null
echo 1000 2>/dev/null >/proc/self/oom_score_adj
umask 022
unset PWD
shift
"$@"
exit "$?"`

/** The end of bubblewrap's command line: the only place where words of a derivation stand. */
export function launch(argv: readonly string[], processes: number): string[] {
  const shell = ['--argv0', 'sh', '--', `/proc/self/fd/${BUSYBOX}`, '-c', SCRIPT, 'sh']
  return [...shell, String(processes), ...argv]
}
