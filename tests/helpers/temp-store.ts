import { createHash } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { ExecutionContext } from 'ava'
import { type Derivation, type DerivationSpec, derivation } from '../../graph/derivation.ts'
import { digestOfPath, type StorePath } from '../../graph/store-path.ts'
import { removeTree } from '../../store/disk/remove.ts'
import type { Event } from '../../store/event.ts'
import type { Host } from '../../store/host.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import type { RealizeOptions } from '../../store/realize/options.ts'
import { openStore, type Store } from '../../store/store.ts'

/** Files by path: text, or what else stands there. */
export type Tree = Readonly<Record<string, string | { executable: string } | { symlink: string }>>

/** An empty directory that goes with the test. */
export function tempDirectory(
  t: ExecutionContext,
  parent: string = realpathSync(tmpdir()),
): string {
  const path = mkdtempSync(join(parent, 'mixos-test-'))
  t.teardown(() => removeTree(nodeHost, path))
  return path
}

/** The same in memory where there is such a place: syncing costs nothing there, and means nothing. */
export function memoryDirectory(t: ExecutionContext): string {
  return tempDirectory(t, existsSync('/dev/shm') ? '/dev/shm' : undefined)
}

/** A new store, by default on the real machine, that goes with the test. */
export function tempStore(t: ExecutionContext, host: Host = nodeHost): Store {
  return openStore({ directory: join(tempDirectory(t), 'mixos'), host })
}

/** Writes a tree into a directory, which is made where it is not there, and returns the directory. */
export function writeTree(directory: string, tree: Tree): string {
  mkdirSync(directory, { recursive: true })
  for (const [path, content] of Object.entries(tree)) {
    const at = join(directory, path)
    mkdirSync(dirname(at), { recursive: true })
    if (typeof content === 'string') writeFileSync(at, content)
    else if ('symlink' in content) symlinkSync(content.symlink, at)
    else writeFileSync(at, content.executable, { mode: 0o755 })
  }
  return directory
}

/** Adds a tree to the store as `<name>-1`; it may refer to the given objects. */
export function addTree(
  store: Store,
  name: string,
  { tree, references = [] }: { tree: Tree; references?: readonly StorePath[] },
): Promise<StorePath> {
  const source = writeTree(join(store.scratch(), 'tree'), tree)
  const candidates = new Map(references.map(path => [digestOfPath(path), path]))
  return store
    .add({ source, label: `${name}-1`, candidates, maker: 'the test' })
    .finally(() => removeTree(store.host, dirname(source)))
}

/** Changes what is in a directory of an object, which is itself as it was afterwards. */
export function tamper(directory: string, change: (directory: string) => void): void {
  chmodSync(directory, 0o755)
  change(directory)
  chmodSync(directory, 0o555)
  utimesSync(directory, 1, 1)
}

/** Cuts a file of an object down to its first byte. */
export function cutShort(path: string): void {
  tamper(dirname(path), () => {
    chmodSync(path, 0o644)
    truncateSync(path, 1)
    chmodSync(path, 0o444)
  })
}

/** The fetch of a file of this machine. */
export function fetchStep(name: string, path: string): Derivation {
  const bytes = readFileSync(path)
  const sha256 = createHash('sha256').update(bytes).digest('hex')
  const urls = [pathToFileURL(path).href]
  const fetch = { urls, hash: `sha256:${sha256}`, size: bytes.length } as const
  return derivation({ name, version: '1', builder: ['builtin:fetch-url'], fetch })
}

/** A step that writes files, without a sandbox. */
export function filesStep(
  name: string,
  tree: Tree,
  inputs: NonNullable<DerivationSpec['inputs']> = {},
): Derivation {
  const env = { files: JSON.stringify(tree) }
  return derivation({ name, version: '1', builder: ['builtin:files'], env, inputs })
}

/** A step whose object refers to its inputs, without a sandbox. */
export function infoStep(
  name: string,
  inputs: NonNullable<DerivationSpec['inputs']> = {},
): Derivation {
  return derivation({ name, version: '1', builder: ['builtin:closure-info'], inputs })
}

const unused = filesStep('unused', {})

/** What realize needs when nothing needs a sandbox; all events go to the list. */
export function quietly(events: Event[] = []): RealizeOptions {
  return {
    tools: { bubblewrap: unused, busybox: unused },
    mirrors: {},
    jobs: 2,
    cores: 1,
    signal: new AbortController().signal,
    report: event => events.push(event),
  }
}
