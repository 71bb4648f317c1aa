/** Where the child finds the static BusyBox, until the first thing it does is to close it. */
export const BUSYBOX = 3

/** Where a build's output goes. By this name it tells nothing of the host's directories. */
export const CONSOLE = '/dev/console'

/**
 * The first process of every sandbox: a shell that sets what bubblewrap cannot, runs the builder and
 * waits for it. It is process 1 of the build's process namespace, so when it ends, the kernel ends all
 * others, and bubblewrap hears of it only after that.
 *
 * It closes every file that the tool's own parent left open. The limit on processes is set in here
 * because the kernel counts it per user and user namespace: in here it counts this build alone. Where
 * the machine's limits are lower, they stay in force.
 */
const SCRIPT = `exec >${CONSOLE} 2>&1
for fd in /proc/self/fd/*; do
  fd=\${fd##*/}
  [ "$fd" -le 2 ] || eval "exec $fd>&-"
done
ulimit -c 0
ulimit -n 4096 2>/dev/null
ulimit -u "$1" 2>/dev/null
echo 1000 2>/dev/null >/proc/self/oom_score_adj
umask 022
shift
unset PWD SHLVL fd
"$@"
exit "$?"`

/** The end of bubblewrap's command line: the only place where words of a derivation stand. */
export function launch(argv: readonly string[], processes: number): string[] {
  const shell = ['--argv0', 'sh', '--', `/proc/self/fd/${BUSYBOX}`, '-c', SCRIPT, 'sh']
  return [...shell, String(processes), ...argv]
}
