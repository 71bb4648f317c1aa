import { once } from 'node:events'
import type { Host } from '../host.ts'
import type { Mirrors } from './mirrors.ts'

const asked = new WeakMap<Host, Promise<Mirrors>>()

/**
 * The mirrors with that of npm: where no settings name a registry, npm has one built in, and only npm itself knows
 * it. Asked for once, and only for URLs that need it.
 */
export async function withNpm(
  host: Host,
  mirrors: Mirrors,
  urls: readonly string[],
): Promise<Mirrors> {
  const isNeeded = urls.some(url => url.startsWith('mirror://npm/'))
  if (!isNeeded || Object.hasOwn(mirrors, 'npm')) return mirrors
  const npm = asked.get(host) ?? askNpm(host)
  asked.set(host, npm)
  return { ...mirrors, ...(await npm) }
}

async function askNpm({ processes }: Host): Promise<Mirrors> {
  const npm = processes.spawn('npm', ['config', 'get', 'registry'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  let answer = ''
  npm.stdout?.on('data', (chunk: Buffer) => {
    answer += chunk.toString()
  })
  try {
    await once(npm, 'close')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const registry = answer.trim()
  return URL.canParse(registry) ? { npm: [registry] } : {}
}
