import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { MixosError } from '../../graph/error.ts'
import { didYouMean } from '../../graph/nearest.ts'
import { isName } from '../../graph/store-path.ts'
import { flush } from '../disk/write.ts'
import { inProfile } from './etc-directories.ts'
import type { Machine } from './machine.ts'

/**
 * A service of the current profile, or one that is enabled by a link of the user's own.
 *
 * Enabled is the link `/etc/service/<name>`, which a restart of the machine goes by. What is supervised now is in
 * `/run/service/<name>`: see configs/init/services.sh.
 */
export interface Service {
  readonly name: string
  readonly isEnabled: boolean
  readonly state: ServiceState
  /** Of its program, while that runs. */
  readonly pid: number | undefined
}

/**
 * `failing` is one that ended, and that its supervisor is about to start again; `unsupervised` one that is enabled, but
 * that the supervisor does not know of yet; `missing` one that is enabled, and starts once its package is installed.
 */
export type ServiceState = 'running' | 'failing' | 'stopped' | 'unsupervised' | 'missing'

export interface ServiceOptions {
  readonly signal: AbortSignal
}

/** Sorted by name. */
export function services(machine: Machine): Service[] {
  return serviceNames(machine).map(name => serviceOf(machine, name))
}

/** Has it started now, and with the machine from now on. No-op for one that is enabled and up. */
export async function enable(
  machine: Machine,
  name: string,
  options: ServiceOptions,
): Promise<Service> {
  requireService(machine, name)
  const { files } = machine.store.host
  const link = linkOf(machine, name)
  if (!files.lstat(link)) {
    files.makeDirectory(enabledDirectory(machine))
    files.symlink(inProfile(`sv/${name}`), link)
    await flush(machine.store.host, [enabledDirectory(machine)])
  }
  const ended = await run(machine, ['/etc/init.d/services', name], options)
  if (ended.code !== 0) throw failed(name, ended)
  await untilSupervised(machine, name, options)
  await sv(machine, 'start', name, options)
  return serviceOf(machine, name)
}

/** Stops it, and has it stay stopped. No-op for one that is neither enabled nor running. */
export async function disable(
  machine: Machine,
  name: string,
  options: ServiceOptions,
): Promise<Service> {
  requireService(machine, name)
  const { files } = machine.store.host
  if (files.lstat(linkOf(machine, name))) {
    files.unlink(linkOf(machine, name))
    await flush(machine.store.host, [enabledDirectory(machine)])
  }
  await stop(machine, name, options)
  return serviceOf(machine, name)
}

/** Ends its program and its supervisor; one that is enabled stays so. No-op for one that is not supervised. */
export async function stop(machine: Machine, name: string, options: ServiceOptions): Promise<void> {
  const { files } = machine.store.host
  const directory = runDirectory(machine, name)
  if (!files.lstat(directory)) return
  // The supervisor does not see this name, so it does not start what is being stopped.
  const hidden = runDirectory(machine, `.${name}.${machine.store.host.randomHex(8)}`)
  files.rename(directory, hidden)
  await shutDown(machine, { name, directory: hidden }, options)
  files.removeAll(hidden)
}

/** Ends its program and starts it again, from the current profile. Throws for one that is not enabled. */
export async function restart(
  machine: Machine,
  name: string,
  options: ServiceOptions,
): Promise<Service> {
  requireService(machine, name)
  if (!isSupervised(machine, runDirectory(machine, name))) {
    const isEnabled = machine.store.host.files.lstat(linkOf(machine, name)) !== undefined
    const [what, how] = isEnabled
      ? ['is supervised by nobody', 'start']
      : ['is not enabled', 'enable and start']
    throw new MixosError('SERVICE_FAILED', `the service ${name} ${what}`, {
      hint: `${how} it with: mix service enable ${name}`,
    })
  }
  await sv(machine, 'force-restart', name, options)
  return serviceOf(machine, name)
}

const SUPERVISED_WITHIN = 10_000
const POLL = 100

// The supervisor looks for new services every five seconds.
async function untilSupervised(
  machine: Machine,
  name: string,
  { signal }: ServiceOptions,
): Promise<void> {
  for (let waited = 0; !isSupervised(machine, runDirectory(machine, name)); waited += POLL) {
    if (waited >= SUPERVISED_WITHIN) {
      throw new MixosError('SERVICE_FAILED', `no supervisor started the service ${name}`, {
        hint: 'it is enabled, and starts with the machine; what the supervisor says is in: dmesg',
      })
    }
    signal.throwIfAborted()
    await sleep(POLL)
  }
}

/** Ends its program, its logger and its supervisor. */
async function shutDown(
  machine: Machine,
  { name, directory }: { name: string; directory: string },
  options: ServiceOptions,
): Promise<void> {
  if (!isSupervised(machine, directory)) return
  // BusyBox's sv also calls it a failure that the supervisor is gone in the end.
  const ended = await run(machine, [...SV, 'force-shutdown', directory], options)
  if (statusOf(machine, directory).state === 'running') throw failed(name, ended)
}

async function sv(
  machine: Machine,
  what: 'start' | 'force-restart',
  name: string,
  options: ServiceOptions,
): Promise<void> {
  const ended = await run(machine, [...SV, what, runDirectory(machine, name)], options)
  if (ended.code !== 0) throw failed(name, ended)
}

const SV = ['/bin/sv', '-w', '10']

interface Ended {
  readonly argv: readonly string[]
  readonly code: number | null
  readonly said: string
}

async function run(
  { store: { host } }: Machine,
  argv: readonly string[],
  { signal }: ServiceOptions,
): Promise<Ended> {
  const [command = '', ...args] = argv
  const child = host.processes.spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], signal })
  let said = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text
    })
  }
  const [code] = await once(child, 'close').catch(error => {
    signal.throwIfAborted()
    throw new MixosError('SERVICE_FAILED', `cannot run ${command}`, {
      hint: 'services are controlled on a running MixOS, by root',
      cause: error,
    })
  })
  return { argv, code, said: said.trim() }
}

function failed(name: string, { argv, code, said }: Ended): MixosError {
  return new MixosError(
    'SERVICE_FAILED',
    `the service ${name}: ${argv.join(' ')} ended with ${code ?? 'a signal'}${said && `: ${said}`}`,
    { hint: `what the service itself says is in /var/log/${name}/current` },
  )
}

function serviceOf(machine: Machine, name: string): Service {
  const isEnabled = machine.store.host.files.lstat(linkOf(machine, name)) !== undefined
  const status = statusOf(machine, runDirectory(machine, name))
  if (status.state !== 'unsupervised') return { name, isEnabled, ...status }
  const state = !isEnabled ? 'stopped' : isMissing(machine, name) ? 'missing' : status.state
  return { name, isEnabled, ...status, state }
}

/** It is enabled by a link into the profile, where nothing of that name is. */
function isMissing(machine: Machine, name: string): boolean {
  const { files } = machine.store.host
  const link = linkOf(machine, name)
  const isLink = files.lstat(link)?.isSymbolicLink()
  return (
    isLink === true &&
    files.readLink(link) === inProfile(`sv/${name}`) &&
    !files.lstat(join(providedDirectory(machine), name))
  )
}

const STATUS_BYTES = 20
const PID_AT = 12
const WANTED_AT = 17
const STATE_AT = 19

/**
 * What a supervisor writes down: 12 bytes of time, 4 of process ID, whether it is paused, what is wanted (`u` or `d`),
 * whether it was told to end, and the state: 0 down, 1 up, 2 finishing.
 */
function statusOf(machine: Machine, directory: string): Pick<Service, 'state' | 'pid'> {
  const status = machine.store.host.files.read(join(directory, 'supervise/status'))
  if (!status || status.length < STATUS_BYTES || !isSupervised(machine, directory)) {
    return { state: 'unsupervised', pid: undefined }
  }
  const pid = status.readUInt32LE(PID_AT)
  if (status[STATE_AT] === 1 && pid > 0) return { state: 'running', pid }
  const isWanted = status[WANTED_AT] === 'u'.charCodeAt(0)
  return { state: isWanted ? 'failing' : 'stopped', pid: undefined }
}

/**
 * Its supervisor makes this pipe when it starts. To see whether
 * it is alive would take opening that, and perhaps waiting.
 */
function isSupervised({ store: { host } }: Machine, directory: string): boolean {
  return host.files.lstat(join(directory, 'supervise/ok')) !== undefined
}

function requireService(machine: Machine, name: string): void {
  const known = serviceNames(machine)
  if (known.includes(name)) return
  throw new MixosError('NAME_UNKNOWN', `no service is named ${JSON.stringify(name)}`, {
    hint: didYouMean(name, known) ?? 'list them with: mix service list',
  })
}

function serviceNames(machine: Machine): string[] {
  const directories = [providedDirectory(machine), enabledDirectory(machine)]
  return [...new Set(directories.flatMap(at => namesIn(machine, at)))].sort()
}

function namesIn({ store: { host } }: Machine, directory: string): string[] {
  return host.files.lstat(directory) ? host.files.list(directory).filter(isName) : []
}

const providedDirectory = ({ store }: Machine): string =>
  join(store.layout.profiles, 'system/current/etc/sv')
const enabledDirectory = ({ root }: Machine): string => join(root, 'etc/service')
const linkOf = (machine: Machine, name: string): string => join(enabledDirectory(machine), name)
const runDirectory = ({ root }: Machine, name: string): string => join(root, 'run/service', name)
