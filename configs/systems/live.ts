import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { System } from '../../derivations/system.ts'
import { mixSources } from '../mix-sources.ts'

const configs = join(import.meta.dirname, '..')

/** The system on the live medium: local consoles, nothing that listens on the network, root without a password. */
export function live(): System {
  return {
    name: 'live',
    version: '0.1.0',
    released: '2026-11-23',
    hostname: 'mixos',
    consoles: ['tty1', 'ttyS0'],
    busybox: textsIn('busybox', '.config'),
    kernel: textsIn('kernel', '.config'),
    linux: 'linux',
    // Messages go to both consoles; the last one is /dev/console. The page allocator's shuffling has no other switch.
    commandLine: ['console=ttyS0,115200', 'console=tty0', 'page_alloc.shuffle=1'],
    sysctl: readFileSync(join(configs, 'security/sysctl.conf'), 'utf8'),
    offered: ['ca-certificates', 'curl', 'iptables', 'nginx', 'openssh', 'openssl'],
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
