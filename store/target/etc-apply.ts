import { dirname, join } from 'node:path'
import { removeTree } from '../disk/remove.ts'
import { flush } from '../disk/write.ts'
import type { Host } from '../host.ts'
import { inProfile, makeParents, removeEmpty, scratchOf } from './etc-directories.ts'
import { type EtcChange, MODE } from './etc-files.ts'
import type { Machine } from './machine.ts'

/** Does them all; doing them again changes nothing. Durable when it resolves. */
export async function applyEtcChanges(
  machine: Machine,
  changes: readonly EtcChange[],
): Promise<void> {
  const touched = new Set<string>()
  for (const change of changes) {
    if (change.action === 'none') continue
    const at = join(machine.root, 'etc', change.path)
    if (change.action !== 'remove') await makeParents(machine, change.path)
    await apply(machine, change, at)
    touched.add(dirname(at))
  }
  const { files } = machine.store.host
  await flush(
    machine.store.host,
    // One may have gone since.
    [...touched].flatMap(path => (files.lstat(path) && files.realPath(path)) ?? []),
  )
}

/**
 * Deletes what was put beside files of the user: the files of a package that did not get in, also where a power cut left
 * one half written.
 */
export async function removeNews(machine: Machine, changes: readonly EtcChange[]): Promise<void> {
  const { host } = machine.store
  const touched = new Set<string>()
  for (const change of changes) {
    if (change.action === 'none') continue
    const half = scratchOf(join(machine.root, 'etc', change.path))
    if (host.files.lstat(half)) removeTree(host, half)
    if (change.action !== 'copy-beside') continue
    const at = join(machine.root, 'etc', `${change.path}.mixnew`)
    if (!host.files.lstat(at)?.isFile()) continue
    const isThis = host.files.read(change.from)?.equals(host.files.read(at) ?? Buffer.of(0))
    if (!isThis) continue
    host.files.unlink(at)
    // The user may have put a link in the place of the directory.
    touched.add(host.files.realPath(dirname(at)) ?? dirname(at))
  }
  await flush(host, touched)
}

/** Changes but for what they put beside files of the user. */
export const withoutNews = (changes: readonly EtcChange[]): EtcChange[] =>
  changes.filter(({ action }) => action !== 'copy-beside')

async function apply({ store: { host } }: Machine, change: EtcChange, at: string): Promise<void> {
  switch (change.action) {
    case 'link': {
      await replace(host, at, temp => host.files.symlink(inProfile(change.path), temp))
      return
    }
    case 'copy':
    case 'copy-beside': {
      const data = host.files.read(change.from)
      if (!data) throw new Error(`${change.from} is gone`)
      const found = host.files.lstat(at)
      const mine = found?.isFile() ? found : undefined
      await replace(host, change.action === 'copy' ? at : `${at}.mixnew`, async temp => {
        host.files.writeNew(temp, data, MODE)
        if (mine) host.files.changeOwner(temp, mine.uid, mine.gid)
        // Whatever the umask is.
        host.files.changeMode(temp, mine ? mine.mode & 0o7777 : MODE)
        // Without it, a power cut leaves an empty file, which looks like the user's own.
        await host.files.sync(temp)
      })
      return
    }
    case 'remove':
      host.files.unlink(at)
  }
}

/** Makes something beside `at`, since `/etc` may be on another file system than the store, and gives it that name. */
async function replace(
  host: Host,
  at: string,
  make: (temp: string) => Promise<void> | void,
): Promise<void> {
  const temp = scratchOf(at)
  removeTree(host, temp)
  try {
    await make(temp)
    if (host.files.lstat(at)?.isDirectory()) removeEmpty(host, at)
    host.files.rename(temp, at)
  } finally {
    removeTree(host, temp)
  }
}
