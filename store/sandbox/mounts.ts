import type { Stats } from 'node:fs'
import { dirname, join } from 'node:path'
import { MixosError } from '../../graph/error.ts'
import { absolute, STORE_DIRECTORY, type StorePath } from '../../graph/store-path.ts'
import type { Host } from '../host.ts'
import type { Descriptors } from './descriptors.ts'
import { CONSOLE } from './launch.ts'

/** What a build sees of the host. */
export interface Mounts {
  /** Shown writable at /mix/store; inputs are mounted over it. */
  readonly storeDirectory: string
  /** Shown writable at /build. */
  readonly buildDirectory: string
  readonly inputs: readonly { readonly hostPath: string; readonly path: StorePath }[]
  /** The object whose entries are seen at `/`. */
  readonly root?: string
}

/** What the sandbox adds of its own. */
interface Own {
  readonly etc: string
  readonly pipe: string
}

// The sandbox makes these itself, whatever the root has under their names.
const OWN = new Set(['etc', 'dev', 'proc', 'tmp', 'build', 'mix'])
const TMP_BYTES = 4 * 2 ** 30
const SHM_BYTES = 2 ** 30

/**
 * Bubblewrap's arguments for the whole file system of a build. Throws OBJECT_INVALID for an input that is not there.
 */
export function mountArguments(
  host: Host,
  descriptors: Descriptors,
  { storeDirectory, buildDirectory, inputs, root, etc, pipe }: Mounts & Own,
): string[] {
  const bind = (how: '--bind-fd' | '--ro-bind-fd', path: string, at: string): string[] => [
    how,
    String(descriptors.open(path)),
    at,
  ]
  // A link itself is shown, since mounting it would show what it leads to on the host.
  const show = (path: string, at: string): string[] =>
    statsOf(host, path).isSymbolicLink()
      ? ['--symlink', host.files.readLink(path), at]
      : bind('--ro-bind-fd', path, at)
  return [
    ...(root === undefined ? [] : rootArguments(host, root, show)),
    ...['--proc', '/proc', '--dev', '/dev'],
    ...['--perms', '1777', '--size', String(SHM_BYTES), '--tmpfs', '/dev/shm'],
    ...['--perms', '1777', '--size', String(TMP_BYTES), '--tmpfs', '/tmp'],
    ...bind('--bind-fd', pipe, CONSOLE),
    ...bind('--ro-bind-fd', etc, '/etc'),
    ...bind('--bind-fd', buildDirectory, '/build'),
    // Or bubblewrap makes it for the owner alone.
    ...['--dir', dirname(STORE_DIRECTORY)],
    ...bind('--bind-fd', storeDirectory, STORE_DIRECTORY),
    ...inputs.flatMap(({ hostPath, path }) => show(hostPath, absolute(path))),
    // What bubblewrap made on the way to the mounts above must not take a build's files.
    ...['--remount-ro', '/'],
  ]
}

function statsOf(host: Host, path: string): Stats {
  const stats = host.files.lstat(path)
  if (stats) return stats
  throw new MixosError('OBJECT_INVALID', `${path} is not there`, {
    hint: 'look for damage with the command verify',
  })
}

function rootArguments(
  host: Host,
  root: string,
  show: (path: string, at: string) => string[],
): string[] {
  const names = host.files.list(root).filter(name => !OWN.has(name))
  return names.flatMap(name => show(join(root, name), `/${name}`))
}
