import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { System } from '../../derivations/system.ts'
import { VERSION } from '../../graph/release.ts'
import { mixSources } from '../mix-sources.ts'

const configs = join(import.meta.dirname, '..')

const network = ['ca-certificates', 'curl', 'iptables', 'nginx', 'openssh', 'openssl']
/** What partitions a disk, makes its file systems, and starts it: the installer's needs, without a network. */
const forInstalling = ['dosfstools', 'e2fsprogs', 'grub-images', 'util-linux']

/** The system on the live medium: local consoles, nothing that listens on the network, root without a password. */
export function live(): System {
  return {
    name: 'live',
    version: VERSION,
    released: '2026-11-23',
    hostname: 'mixos',
    consoles: ['tty1', 'ttyS0'],
    busybox: textsIn('busybox', '.config'),
    kernel: textsIn('kernel', '.config'),
    linux: 'linux',
    // Messages go to both consoles; the last one is /dev/console. The page allocator's shuffling has no other switch.
    commandLine: ['console=ttyS0,115200', 'console=tty0', 'page_alloc.shuffle=1'],
    sysctl: readFileSync(join(configs, 'security/sysctl.conf'), 'utf8'),
    offered: [...network, ...forInstalling],
    init: textsIn('init'),
    mix: mixSources(),
    services: textsIn('services'),
  }
}

function textsIn(directory: string, extension = ''): Record<string, string> {
  const names = readdirSync(join(configs, directory)).filter(name => name.endsWith(extension))
  return Object.fromEntries(
    names.sort().map(name => [name, readFileSync(join(configs, directory, name), 'utf8')]),
  )
}
