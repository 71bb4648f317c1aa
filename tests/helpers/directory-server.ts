import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import type { ExecutionContext } from 'ava'

/** By which a machine in QEMU reaches this one's loopback interface. */
export const HOST_OF_GUEST = '10.0.2.2'

/** Serves the files of a directory on a port of the loopback interface, until the test ends; or answers otherwise. */
export async function serveDirectory(
  t: ExecutionContext,
  directory: string,
  otherwise: (path: string) => RequestListener | undefined = () => undefined,
): Promise<number> {
  const server = createServer((request, response) => {
    const path = decodeURI(request.url ?? '')
    const file = join(directory, path)
    const other = otherwise(path)
    if (other) other(request, response)
    else if (existsSync(file)) response.end(readFileSync(file))
    else response.writeHead(404).end('not here')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}
