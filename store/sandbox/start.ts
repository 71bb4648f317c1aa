import type { Readable } from 'node:stream'
import { type Bench, etcOf, filterOf, type Place } from './bench.ts'
import { Descriptors } from './descriptors.ts'
import { BUSYBOX, launch } from './launch.ts'
import { type Mounts, mountArguments } from './mounts.ts'
import { openPipe } from './pipe.ts'
import { type Job as Process, quoted } from './spawner.ts'
import { BUBBLEWRAP } from './tools.ts'
import { uidOf } from './unprivileged.ts'

export interface Job extends Mounts {
  readonly argv: readonly string[]
  readonly env: Readonly<Record<string, string>>
  readonly processes: number
}

export interface Started {
  readonly process: Process
  /** What the build prints; ends after its last process and ours. */
  readonly output: Readable
  /** To be called when the process has ended. */
  close(): void
}

const ISOLATION = [
  ...['--unshare-user', '--unshare-pid', '--unshare-net', '--unshare-ipc', '--unshare-uts'],
  ...['--unshare-cgroup-try', '--disable-userns', '--assert-userns-disabled'],
  ...['--uid', '1000', '--gid', '100', '--hostname', 'localhost', '--cap-drop', 'ALL'],
  ...['--die-with-parent', '--new-session', '--as-pid-1', '--clearenv', '--chdir', '/build'],
]

/** Starts bubblewrap. What it says of itself goes to the report, what the build prints to the output. */
export function start(bench: Bench, place: Place, job: Job): Started {
  const { host, tools, spawner } = bench
  const descriptors = new Descriptors()
  host.files.rewrite(place.report, '\n')
  // A build before may have closed it, since it is its own console.
  host.files.changeMode(place.pipe, 0o666)
  const { output, writeEnd } = openPipe(host, place.pipe)
  const close = (): void => host.files.close(writeEnd)
  try {
    descriptors.open(place.pipe, 'append')
    descriptors.open(place.report, 'append')
    if (descriptors.open(tools.busybox) !== BUSYBOX) throw new Error('BusyBox is out of place')
    const options = [
      ...ISOLATION,
      ...['--json-status-fd', String(descriptors.open(place.report, 'append'))],
      ...['--seccomp', String(descriptors.open(filterOf(bench)))],
      ...mountArguments(host, descriptors, { ...job, etc: etcOf(bench), pipe: place.pipe }),
      ...Object.entries(job.env).flatMap(([name, value]) => ['--setenv', name, value]),
    ]
    host.files.rewrite(place.arguments, options.map(option => `${option}\0`).join(''))
    const command = [
      ...BUBBLEWRAP,
      ...['--args', String(descriptors.open(place.arguments))],
      ...launch({ ...job, open: descriptors.numbers() }),
    ]
    // What the shell has to say of the rest belongs into the report, too.
    const script = `exec 2>>${quoted([place.report])}
exec ${descriptors.redirections()}
exec ${bench.drops ? droppingTo(uidFor(bench, place, job)) : ''} ${quoted(command)}
`
    return { process: spawner.start(script), output, close }
  } catch (error) {
    output.destroy()
    close()
    throw error
  }
}

/** The user that a build runs as, who gets the directories that it writes to. */
function uidFor({ host }: Bench, { slot }: Place, { buildDirectory, storeDirectory }: Job): number {
  const uid = uidOf(slot)
  for (const path of [buildDirectory, storeDirectory]) host.files.changeOwner(path, uid, uid)
  return uid
}

/** What a shell runs a command as another user by; it is root, who needs no namespace for that. */
const droppingTo = (uid: number): string =>
  `-a nsenter /proc/self/fd/${BUSYBOX} -S ${uid} -G ${uid}`
