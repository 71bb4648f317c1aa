import { join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import type { StorePath } from '../../graph/store-path.ts'
import { byPath, type NewcEntry, newc, parseDevices } from '../archives/newc.ts'
import { recordOf } from '../object-closure.ts'
import type { Store } from '../store.ts'
import type { Builtin } from './builtin.ts'

/** An initramfs of the input `tree` and of the devices that the variable `devices` lists. */
export const writeNewc: Builtin = async ({ store, derivation, inputs, target }) => {
  const { files } = store.host
  if (!inputs.tree)
    throw new MixosError('DERIVATION_INVALID', 'builtin:newc needs an input named tree')
  const entries = [
    ...treeEntries(store, inputs.tree),
    ...parseDevices(derivation.env.devices ?? ''),
  ]
  const fd = files.open(target, 'create')
  try {
    for (const piece of newc(entries.sort(byPath), { mtime: 1 })) files.writeFrom(fd, piece)
  } finally {
    files.close(fd)
  }
}

function* treeEntries(store: Store, tree: StorePath): Generator<NewcEntry> {
  const { files } = store.host
  const { entries } = recordOf(store, tree).manifest
  if (entries[0]?.type !== 'directory')
    throw new MixosError('DERIVATION_INVALID', 'its input tree is no directory')
  for (const entry of entries) {
    const { path } = entry
    if (path === '') continue
    const at = join(store.hostPath(tree), path)
    if (entry.type === 'directory') yield { path, type: 'directory', mode: 0o755 }
    else if (entry.type === 'symlink')
      yield { path, type: 'symlink', mode: 0o777, target: files.readLink(at) }
    else
      yield {
        path,
        type: 'file',
        mode: entry.executable ? 0o755 : 0o644,
        content: files.read(at) ?? lost(at),
      }
  }
}

function lost(at: string): never {
  throw new MixosError('OBJECT_INVALID', `${at} is in the record of its object, but not on disk`, {
    hint: 'look for damage with: mixos verify',
  })
}
