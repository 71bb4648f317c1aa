import type { Derivation } from '../../graph/derivation.ts'
import { infoFile } from '../build-support/target-package.ts'
import { type TextFile, textFiles } from '../build-support/text-files.ts'

export interface Init {
  /** The version of the distribution. */
  readonly version: string
  /** Terminals that have a login. */
  readonly consoles: readonly string[]
  /** The day of that version, such as `2026-11-23`: the clock is never before it. */
  readonly released: string
  /**
   * Scripts by file name, of which `start.sh`, `booted.sh`,
   * `stop.sh`, `console.sh`, `services.sh` and `log.sh` are used.
   */
  readonly init: Readonly<Record<string, string>>
  /** What each service runs, by file name, such as `dhcp.sh`. */
  readonly services: Readonly<Record<string, string>>
  readonly sysctl: string
}

/** What BusyBox's init runs: the start and the stop of a system, a login on each of its consoles, and its services. */
export function init({ version, released, consoles, init, services, sysctl }: Init): Derivation {
  const [path, description] = infoFile({
    name: 'init',
    version,
    description: 'What starts and stops the system, and its logins',
    license: 'MIT',
    services: serviceNames(services),
  })
  return textFiles({
    name: 'init',
    version,
    files: {
      [path]: description,
      'etc/inittab': inittab(consoles),
      'etc/init.d/fstab': fstab,
      'etc/init.d/start': { executable: text(init, 'start.sh') },
      'etc/init.d/booted': { executable: text(init, 'booted.sh') },
      'etc/init.d/stop': { executable: text(init, 'stop.sh') },
      'etc/init.d/console': { executable: text(init, 'console.sh') },
      'etc/init.d/services': { executable: text(init, 'services.sh') },
      'etc/init.d/log': { executable: text(init, 'log.sh') },
      'etc/init.d/released': `${secondsAt(released)}\n`,
      ...serviceFiles(services),
      'etc/sysctl.conf': sysctl,
    },
  })
}

/** The services of a system, by the names of their scripts. */
export const serviceNames = (scripts: Init['services']): string[] =>
  Object.keys(scripts).map(script => script.replace(/\.sh$/, ''))

function serviceFiles(scripts: Init['services']): Record<string, TextFile> {
  const runs = serviceNames(scripts).map(name => [
    `etc/sv/${name}/run`,
    { executable: text(scripts, `${name}.sh`) },
  ])
  return Object.fromEntries(runs)
}

function secondsAt(day: string): number {
  const milliseconds = Date.parse(`${day}T00:00:00Z`)
  if (Number.isNaN(milliseconds)) throw new Error(`the system was released on no day: ${day}`)
  return milliseconds / 1000
}

/** A script of the system's by its file name. Throws where there is none. */
export function text(scripts: Readonly<Record<string, string>>, name: string): string {
  const found = scripts[name]
  if (found === undefined) throw new Error(`the system has no init script ${name}`)
  return found
}

// Together, what anybody may fill leaves memory for programs. What is mounted already is left alone. The store is made read-only afterwards, which takes a second step.
const fstab = `\
proc      /proc           proc    nosuid,nodev,noexec,hidepid=2                      0 0
sysfs     /sys            sysfs   nosuid,nodev,noexec                                0 0
run       /run            tmpfs   nosuid,nodev,mode=0755,size=40%                    0 0
devpts    /dev/pts        devpts  nosuid,noexec,gid=5,mode=0620,ptmxmode=0666        0 0
shm       /dev/shm        tmpfs   nosuid,nodev,noexec,mode=1777,size=10%             0 0
tmp       /tmp            tmpfs   nosuid,nodev,mode=1777,size=20%                    0 0
cgroup2   /sys/fs/cgroup  cgroup2 nosuid,nodev,noexec                                0 0
/mix/store /mix/store     none    bind                                               0 0
`

const inittab = (consoles: readonly string[]): string => `\
# terminal : unused : when : what
::sysinit:/etc/init.d/start
::once:/bin/nice -n 19 /etc/init.d/booted
${consoles.map(console => `${console}::respawn:/etc/init.d/console ${console} ${terminalOf(console)}\n`).join('')}\
::respawn:/bin/nice -n 19 /etc/init.d/services
::ctrlaltdel:/sbin/reboot
::shutdown:/etc/init.d/stop
`

const terminalOf = (console: string): string => (/^tty\d+$/.test(console) ? 'linux' : 'vt102')
