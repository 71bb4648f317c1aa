import type { Readable } from 'node:stream'
import { type Bench, etcOf, filterOf, type Place } from './bench.ts'
import { Descriptors } from './descriptors.ts'
import { BUSYBOX, launch } from './launch.ts'
import { type Mounts, mountArguments } from './mounts.ts'
import { openPipe } from './pipe.ts'
import { type Job as Process, quoted } from './spawner.ts'
import { BUBBLEWRAP } from './tools.ts'
import { dropArguments, reachable, uidOf } from './unprivileged.ts'

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
  const descriptors = new Descriptors(host)
  const { output, writeEnd } = openPipe(host, place.pipe)
  const close = (): void => {
    host.files.close(writeEnd)
    descriptors.close()
  }
  try {
    descriptors.pass({ fd: writeEnd, isWritten: true })
    const report = descriptors.open(place.report, 'create')
    if (descriptors.open(tools.busybox) !== BUSYBOX) throw new Error('BusyBox is out of place')
    const options = [
      ...ISOLATION,
      ...['--json-status-fd', String(descriptors.again(report))],
      ...['--seccomp', String(descriptors.open(filterOf(bench)))],
      ...mountArguments(host, descriptors, { ...job, etc: etcOf(bench), pipe: place.pipe }),
      ...Object.entries(job.env).flatMap(([name, value]) => ['--setenv', name, value]),
    ]
    host.files.writeNew(place.arguments, options.map(option => `${option}\0`).join(''))
    const command = [
      ...commandOf(bench, place, job, descriptors),
      ...['--args', String(descriptors.open(place.arguments))],
      ...launch(job.argv, job.processes),
    ]
    // What the shell has to say of the rest belongs into the report, too.
    const script = `exec 2>>${quoted([place.report])}
exec ${descriptors.redirections()}
exec ${quoted(command)}
`
    return { process: spawner.start(script), output, close }
  } catch (error) {
    output.destroy()
    close()
    throw error
  }
}

function commandOf(
  bench: Bench,
  place: Place,
  job: Job,
  descriptors: Descriptors,
): readonly string[] {
  const { host, tools } = bench
  if (!bench.drops) return BUBBLEWRAP
  const uid = uidOf(place.slot)
  const writable = [job.buildDirectory, job.storeDirectory]
  for (const path of writable) host.files.changeOwner(path, uid, uid)
  const objects = job.inputs.map(({ hostPath }) => hostPath)
  if (job.root !== undefined) objects.push(job.root)
  const readable = [etcOf(bench), place.pipe, ...reachable(host, objects)]
  return dropArguments(descriptors, { uid, directory: tools.bubblewrap, readable, writable })
}
