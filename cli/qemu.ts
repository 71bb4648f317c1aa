import { once } from 'node:events'
import { join } from 'node:path'
import { MixosError } from '../graph/error.ts'
import type { Host } from '../store/host.ts'
import { unavailable } from '../store/sandbox/unavailable.ts'

/** A virtual machine to run on this terminal: QEMU in a sandbox that sees the image alone. */
export interface Machine {
  /** Host directories of the unpacked seeds. */
  readonly seeds: { readonly bubblewrap: string; readonly qemu: string }
  readonly image: Image
  readonly firmware: 'bios' | 'uefi'
  /** In MiB. */
  readonly memory: number
  /**
   * What the machine's network card leads to: what this host
   * reaches. Undefined for no card, and a sandbox without network.
   */
  readonly network: Network | undefined
}

/** What the machine starts from. */
export interface Image {
  /** Host path. */
  readonly path: string
  /** A CD, or a disk, which the machine writes to. */
  readonly medium: 'cd' | 'disk'
  /** What is written stays in the file; otherwise it is gone when the machine is. */
  readonly isKept: boolean
}

export interface Network {
  /** Only this host itself can reach them. */
  readonly forwards: readonly Forward[]
}

/** A TCP port of this host that is one of the machine's. */
export interface Forward {
  readonly host: number
  readonly guest: number
}

export interface RunOptions {
  readonly host: Host
  readonly signal: AbortSignal
}

/**
 * The machine's serial console on stdin and stdout until it powers off. Throws SANDBOX_UNAVAILABLE, with
 * the fix, where bubblewrap cannot start, and STEP_FAILED where QEMU ends in another way.
 */
export async function runMachine(machine: Machine, { host, signal }: RunOptions): Promise<void> {
  const accelerator = (await isKvmUsable(machine, host)) ? 'kvm' : 'tcg'
  const [command = '', ...args] = commandOf(machine, qemuArguments(machine, accelerator))
  const qemu = host.processes.spawn(command, args, { stdio: 'inherit', signal })
  const { promise, resolve, reject } = Promise.withResolvers<string | undefined>()
  qemu.on('error', error => (error.name === 'AbortError' ? resolve(undefined) : reject(error)))
  qemu.on('close', (code, killedBy) =>
    resolve(code === 0 ? undefined : `${killedBy ?? `exit code ${code}`}`),
  )
  const problem = await promise
  signal.throwIfAborted()
  if (problem === undefined) return
  const words = await refusal(machine, host)
  if (words !== undefined) throw unavailable(host, words)
  throw new MixosError('STEP_FAILED', `QEMU ended with ${problem}`, {
    hint: 'what it said is above; where it lacks memory, give the machine less with --memory MIB',
  })
}

/** What bubblewrap says where it cannot start; undefined where it can. */
async function refusal(machine: Machine, host: Host): Promise<string | undefined> {
  const [command = '', ...args] = commandOf(machine, ['/usr/bin/qemu-system-x86_64', '--version'])
  const probe = host.processes.spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] })
  let words = ''
  probe.stderr?.on('data', chunk => {
    words += chunk
  })
  const [code] = await once(probe, 'close')
  return code === 0 ? undefined : words
}

export function qemuArguments(
  { firmware, memory, network, image }: Omit<Machine, 'seeds'>,
  accelerator: 'kvm' | 'tcg',
): string[] {
  const share = '/usr/share'
  const flash = (unit: number, file: string, access: string): string[] => [
    '-drive',
    `if=pflash,format=raw,unit=${unit},${access},file=${share}/OVMF/${file}`,
  ]
  return [
    ...['/usr/bin/qemu-system-x86_64', '-L', `${share}/qemu`, '-L', `${share}/seabios`],
    ...[
      '-accel',
      accelerator,
      '-cpu',
      accelerator === 'kvm' ? 'host' : 'max',
      '-m',
      String(memory),
    ],
    ...[
      '-nographic',
      // What is kept starts again as a machine does; of the rest, a new start would be that of another one.
      ...(image.isKept ? [] : ['-no-reboot']),
      ...NO_CARD,
      ...(network ? networkCard(network) : []),
      ...driveOf(image),
    ],
    ...(firmware === 'uefi'
      ? [
          ...flash(0, 'OVMF_CODE_4M.fd', 'readonly=on'),
          // What the firmware stores is gone when the machine is.
          ...flash(1, 'OVMF_VARS_4M.fd', 'snapshot=on'),
        ]
      : []),
  ]
}

const IMAGE = '/image'

function driveOf({ medium, isKept }: Image): string[] {
  if (medium === 'cd') return ['-cdrom', IMAGE]
  return ['-drive', `if=virtio,format=raw,file=${IMAGE},snapshot=${isKept ? 'off' : 'on'}`]
}
// QEMU adds a card of its own unless told not to.
const NO_CARD = ['-nic', 'none']

// Without its ROM, since nothing starts from the network.
function networkCard({ forwards }: Network): string[] {
  const ports = forwards.map(({ host, guest }) => `,hostfwd=tcp:127.0.0.1:${host}-:${guest}`)
  const card = 'virtio-net-pci,netdev=net,romfile='
  return ['-netdev', `user,id=net${ports.join('')}`, '-device', card]
}

const CANARY_MILLISECONDS = 1000

/**
 * True if the firmware starts to run within a second. That /dev/kvm can be opened proves nothing: inside some
 * virtual machines it is there, and nothing ever runs.
 */
async function isKvmUsable(machine: Machine, host: Host): Promise<boolean> {
  if (!host.files.lstat('/dev/kvm')) return false
  const arguments_ = [
    ...['/usr/bin/qemu-system-x86_64', '-L', '/usr/share/qemu', '-L', '/usr/share/seabios'],
    ...['-accel', 'kvm', '-cpu', 'host', '-m', '32', '-display', 'none', ...NO_CARD],
    // SeaBIOS prints its name there first of all.
    ...['-chardev', 'stdio,id=debug', '-device', 'isa-debugcon,iobase=0x402,chardev=debug'],
  ]
  const [command = '', ...args] = commandOf(machine, arguments_)
  const canary = host.processes.spawn(command, args, { stdio: ['ignore', 'pipe', 'ignore'] })
  const { promise, resolve } = Promise.withResolvers<boolean>()
  const timer = setTimeout(() => resolve(false), CANARY_MILLISECONDS)
  canary.stdout?.on('data', () => resolve(true))
  canary.on('error', () => resolve(false))
  canary.on('close', () => resolve(false))
  const isUsable = await promise
  clearTimeout(timer)
  canary.kill('SIGKILL')
  return isUsable
}

/** bubblewrap with its own loader and libraries, around QEMU with those of its seed. */
function commandOf({ seeds, image, network }: Machine, argv: readonly string[]): string[] {
  const { bubblewrap, qemu } = seeds
  const links = ['bin', 'sbin', 'lib', 'lib64'].flatMap(name => [
    '--symlink',
    `usr/${name}`,
    `/${name}`,
  ])
  return [
    ...[join(bubblewrap, 'usr/lib64/ld-linux-x86-64.so.2'), '--library-path'],
    ...[join(bubblewrap, 'usr/lib/x86_64-linux-gnu'), join(bubblewrap, 'usr/bin/bwrap')],
    ...[
      // --unshare-all goes on without a user namespace where there is none to have.
      ...['--unshare-all', '--unshare-user'],
      ...(network ? shareNetwork : []),
      '--die-with-parent',
      '--uid',
      '1000',
      '--gid',
      '100',
      '--cap-drop',
      'ALL',
    ],
    ...['--clearenv', '--setenv', 'PATH', '/usr/bin'],
    ...['--ro-bind', join(qemu, 'usr'), '/usr', ...links],
    ...['--dev', '/dev', '--dev-bind-try', '/dev/kvm', '/dev/kvm', '--proc', '/proc'],
    // QEMU takes /tmp in TMPDIR for "not set" and uses /var/tmp.
    ...['--tmpfs', '/tmp', '--tmpfs', '/var/tmp', '--chdir', '/tmp'],
    ...[image.isKept ? '--bind' : '--ro-bind', image.path, IMAGE, '--', ...argv],
  ]
}

// QEMU passes the machine's questions about names on to the servers of that file.
const shareNetwork = ['--share-net', '--ro-bind-try', '/etc/resolv.conf', '/etc/resolv.conf']
