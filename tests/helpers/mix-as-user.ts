import { main } from '../../cli/mix.ts'
import type { Files } from '../../store/host.ts'
import { nodeHost } from '../../store/hosts/node.ts'

// `mix` as somebody who may not enter a directory of root's.
const refusing = <K extends keyof Files>(method: K): Files[K] => {
  const call = nodeHost.files[method] as (...args: readonly unknown[]) => unknown
  return ((...args: readonly unknown[]) => {
    const path = String(args[0])
    if (!path.includes('/supervise')) return call(...args)
    const message = `EACCES: permission denied, ${method} '${path}'`
    throw Object.assign(new Error(message), { code: 'EACCES', path })
  }) as Files[K]
}
const files = Object.fromEntries(
  Object.keys(nodeHost.files).map(method => [method, refusing(method as keyof Files)]),
) as unknown as Files

await main({ ...nodeHost, files, processes: { ...nodeHost.processes, uid: 1000 } })
