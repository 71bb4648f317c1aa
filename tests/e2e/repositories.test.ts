import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import type { StorePath } from '../../graph/store-path.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import type { Store } from '../../store/store.ts'
import { openConsole } from '../helpers/console.ts'
import { HOST_OF_GUEST, serveDirectory } from '../helpers/directory-server.ts'
import { logIn, useRepository } from '../helpers/guest.ts'
import { noise } from '../helpers/http-server.ts'
import { addPackage } from '../helpers/package.ts'
import { published } from '../helpers/repository.ts'
import { tempDirectory, tempStore } from '../helpers/temp-store.ts'

// With as little memory as a machine may have, two fifths of which are its disk.
const MEMORY = '256'

test.serial(
  'a machine takes packages from a repository on the network, and nothing from one that is wrong',
  async t => {
    const team = await repositoryOf(t)
    await team.publish(await team.web('1'))
    const boot = ['cli/mixos.ts', 'boot', 'iso', '--memory', MEMORY]
    const machine = openConsole(process.execPath, boot, process.env)
    try {
      const guest = await logIn(machine)
      const { ask, ends } = guest
      await useRepository(guest, team.url)

      t.regex(await ends('mix update', 0), /team: version 1/)
      await ends('mix install web --yes', 0)
      t.is(await ask('web'), 'web 1\n')

      // What the user changed is kept by an upgrade.
      await ask('echo mine >/etc/web.conf')
      await team.publish(await team.web('2'), await team.other('a'), await team.other('b'))
      t.regex(await ends('mix update', 0), /team: version 2/)
      t.regex(await ends('mix list --outdated', 0), /^web +1 +-> +2/m)
      t.regex(await ends('mix upgrade --yes', 0), /upgrade +web 1 -> 2/)
      t.is(await ask('web; cat /etc/web.conf /etc/web.conf.mixnew'), 'web 2\nmine\nport 2\n')

      const lies: [name: string, path: RegExp, lie: (bytes: Buffer) => Buffer | undefined][] = [
        ['a pack with a wrong byte', /\/pack\//, bytes => flipped(bytes)],
        ['a pack that is cut off', /\/pack\//, bytes => bytes.subarray(0, bytes.length / 2)],
        ['no index of an object', /\/object\//, () => undefined],
      ]
      for (const [name, path, lie] of lies) {
        team.lie(path, lie)
        t.regex(await ends('mix install other-a --yes', 1), /error:/, name)
        t.regex(await ask('ls /bin/other-a'), /No such file/, name)
      }
      const stale = readFileSync(join(team.directory, 'tuf/timestamp.json'))
      await team.publish(await team.other('c'))
      team.lie(/snapshot|targets/, () => undefined)
      t.regex(await ends('mix update', 1), /warning:[\s\S]*3 packages on offer/)
      team.lie(/never/, bytes => bytes)
      t.regex(await ends('mix update', 0), /team: version 3\n4 packages on offer/)
      team.lie(/timestamp/, () => stale)
      t.regex(await ends('mix update', 1), /warning:[\s\S]*4 packages on offer/)
      team.lie(/never/, bytes => bytes)

      await ends('mix install other-a --yes & mix install other-b --yes; wait $!', 0)
      t.is(await ask('other-a; other-b'), 'other a\nother b\n')

      await ask('dd if=/dev/zero of=/mix/full 2>/dev/null')
      const full = await ends('mix install other-c --yes', 1)
      t.regex(full, /error:.* no space left on the disk/)
      await ask('rm /mix/full')
      t.regex(await ask('ls /bin/other-c'), /No such file/)
      await ends('mix install other-c --yes', 0)
      await ends('mix rollback', 0)
      await ends('mix gc --keep 1', 0)
      await ends('mix verify', 0)
      machine.send('poweroff')
      t.is(await machine.exit(60), 0)
    } finally {
      machine.kill()
    }
  },
)

type Lie = (bytes: Buffer) => Buffer | undefined

/** A signed repository on a server of this host, which may lie about what is in it. */
async function repositoryOf(t: ExecutionContext) {
  const directory = tempDirectory(t)
  const store = tempStore(t)
  const packages: StorePath[] = []
  let lies: { path: RegExp; lie: Lie } = { path: /never/, lie: bytes => bytes }
  const port = await serveDirectory(t, directory, path =>
    lies.path.test(path)
      ? (_, response) => {
          const found = nodeHost.files.read(join(directory, path))
          const told = found && lies.lie(found)
          response.statusCode = told ? 200 : 404
          response.end(told ?? 'not here')
        }
      : undefined,
  )
  return {
    directory,
    url: `http://${HOST_OF_GUEST}:${port}`,
    web: (version: string) => web(store, version),
    other: (name: string) => other(store, name),
    lie: (path: RegExp, lie: Lie): void => {
      lies = { path, lie }
    },
    publish: async (...added: readonly StorePath[]): Promise<void> => {
      packages.push(...added)
      await published(store, directory, packages, { now: Date.now() })
    },
  }
}

const web = (store: Store, version: string): Promise<StorePath> =>
  addPackage(store, 'web', {
    version,
    config: ['web.conf'],
    tree: {
      'bin/web': { executable: `#!/bin/sh\necho web ${version}\n` },
      'etc/web.conf': `port ${version}\n`,
    },
  })

const other = (store: Store, name: string): Promise<StorePath> =>
  addPackage(store, `other-${name}`, {
    tree: {
      [`bin/other-${name}`]: { executable: `#!/bin/sh\necho other ${name}\n` },
      [`share/${name}`]: noise(100_000, name).toString('hex'),
    },
  })

function flipped(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy[copy.length >> 1] = (copy[copy.length >> 1] ?? 0) ^ 1
  return copy
}
