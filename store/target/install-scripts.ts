import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { MixosError } from '../../graph/error.ts'
import { scriptPath } from '../../graph/mixpkg.ts'
import { absolute } from '../../graph/store-path.ts'
import type { Machine } from './etc-files.ts'
import type { InstalledPackage } from './installed.ts'

export type When = 'pre-install' | 'post-install'

/**
 * Runs a package's own script, if it has one, with a fixed environment; what it prints goes to `onLine`. It may run again
 * after a power cut. Throws SCRIPT_FAILED with how it ended.
 */
export async function runInstallScript(
  { store, root }: Machine,
  when: When,
  {
    package: { name, version, path },
    onLine,
  }: { package: InstalledPackage; onLine: (line: string) => void },
): Promise<void> {
  const script = scriptPath(name, `${when}.sh`)
  if (!store.host.files.lstat(join(store.hostPath(path), script))) return
  const at = root === '/' ? `${absolute(path)}/${script}` : join(store.hostPath(path), script)
  const child = store.host.processes.spawn('/bin/sh', [at], {
    cwd: root,
    env: {
      PATH: '/bin:/sbin',
      HOME: '/root',
      LC_ALL: 'C',
      MIX_PACKAGE: name,
      MIX_VERSION: version,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on('line', onLine)
  }
  const [code, signal] = await once(child, 'close')
  if (code === 0) return
  throw new MixosError(
    'SCRIPT_FAILED',
    `the ${when} script of ${name} ${version} ended with ${signal ?? code}`,
    {
      hint: `it is ${at}; run it with: sh -x`,
    },
  )
}
