// Run by hand: node tests/bench/cache.ts TREE [DIRECTORY ON THE DISK TO MEASURE]
// What pushing and pulling cost, beside Nix where it is installed, with the same trees and a directory as the cache.
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { DerivationHash, StorePath } from '../../graph/store-path.ts'
import { directoryStorage } from '../../store/cache/storages/directory.ts'
import { removeTree } from '../../store/disk/remove.ts'
import { fileSystemSync } from '../../store/disk/sync-file-system.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { openStore, type Store } from '../../store/store.ts'
import { substituterOf } from '../../store/substituter.ts'
import { benchKey, pulled, pushed } from '../helpers/copies.ts'
import { addTree } from '../helpers/temp-store.ts'

const [tree, parent = tmpdir()] = process.argv.slice(2)
if (!tree) throw new Error('name a directory to push, such as an object of the store')
const directory = mkdtempSync(join(parent, 'mixos-bench-'))
const at = (name: string): string => join(directory, name)
const { signal } = new AbortController()
const report = (): void => undefined

try {
  console.log('work                                            seconds      CPU   peak MB')
  await oneTree(tree)
  await manyObjects()
  nix(tree)
} finally {
  removeTree(nodeHost, directory)
}

/** As realize does it, where there is a BusyBox. */
function opened(name: string): Store {
  const store = openStore({ directory: at(name), host: nodeHost })
  const beside = dirname(tree as string)
  const seed = nodeHost.files.list(beside).find(name => name.includes('-seeds-busybox-'))
  const busybox = join(beside, seed ?? '', 'usr/bin/busybox')
  if (seed) store.findFileSystemSync = async () => fileSystemSync(nodeHost, busybox)
  else console.log('(no busybox beside the tree: each file is synced)')
  return store
}

async function oneTree(source: string): Promise<void> {
  const store = opened('store')
  const storage = directoryStorage(nodeHost, at('cache'))
  const path = await store.add({ source, label: 'tree-1', candidates: new Map(), maker: 'bench' })
  await measure('push the tree', () => pushed(store, [path], storage))
  await measure('push it again: nothing is missing', () => pushed(store, [path], storage))
  const other = opened('other')
  await measure('pull the tree', () => pulled(other, [path], storage))

  cpSync(source, at('changed'), { recursive: true, verbatimSymlinks: true })
  chmodSync(at('changed'), 0o755)
  writeFileSync(join(at('changed'), 'new-file'), 'text')
  const spec = { source: at('changed'), label: 'tree-1', candidates: new Map(), maker: 'bench' }
  const changed = await store.add(spec)
  const bytes = await measure('push a version with one more file', () =>
    pushed(store, [changed], storage),
  )
  console.log(`  ${bytes} bytes written`)
  const came = await measure('pull that', () => pulled(other, [changed], storage))
  console.log(`  ${came} bytes came`)
}

async function manyObjects(): Promise<void> {
  const store = opened('many')
  const storage = directoryStorage(nodeHost, at('many-cache'))
  const paths: StorePath[] = []
  for (let index = 0; index < 2000; index++) {
    paths.push(await addTree(store, `tiny${index}`, { tree: { text: `${index}` } }))
  }
  const tree = { text: paths.join('\n') }
  const top = await addTree(store, 'top', { tree, references: paths })
  await measure('push a closure of 2,001 tiny objects', () => pushed(store, [top], storage))
  const other = opened('many-other')
  await measure('pull it', () => pulled(other, [top], storage))
  const policy = { keys: [benchKey.public], threshold: 1 }
  const cache = { name: 'bench', policy, open: async () => storage }
  await using substituter = substituterOf(other, [cache], { signal, report })
  await measure('look for 2,000 traces that are not there', async () => {
    const hashes = paths.map((_, index) => `${index}`.padStart(64, '0') as DerivationHash)
    await Promise.all(hashes.map(hash => substituter.find(hash)))
  })
}

/** The same work by Nix, with sandbox and cache in directories of its own. */
function nix(source: string): void {
  const store = ['--store', at('nix'), '--extra-experimental-features', 'nix-command']
  const run = (...args: string[]): string =>
    execFileSync('nix', [...args, ...store], { stdio: ['ignore', 'pipe', 'ignore'] })
      .toString()
      .trim()
  try {
    execFileSync('nix', ['--version'])
  } catch {
    console.log('(Nix is not installed here)')
    return
  }
  mkdirSync(at('nix-tree'))
  const path = run('store', 'add-path', '--name', 'tree', source)
  const cache = `file://${at('nix-cache')}?compression=zstd`
  measureSync('nix copy to a directory, zstd', () => run('copy', '--to', cache, path))
  const from = ['copy', '--from', cache, '--no-check-sigs', path]
  measureSync('nix copy from it', () =>
    execFileSync(
      'nix',
      [...from, '--store', at('nix-other'), '--extra-experimental-features', 'nix-command'],
      {
        stdio: 'ignore',
      },
    ),
  )
}

async function measure<T>(what: string, action: () => Promise<T>): Promise<T> {
  const [start, cpu] = [performance.now(), process.cpuUsage()]
  const result = await action()
  print(what, performance.now() - start, process.cpuUsage(cpu))
  return result
}

function measureSync(what: string, action: () => unknown): void {
  const start = performance.now()
  action()
  print(what, performance.now() - start)
}

function print(what: string, milliseconds: number, cpu?: NodeJS.CpuUsage): void {
  const seconds = (milliseconds / 1000).toFixed(2)
  const used = cpu ? ((cpu.user + cpu.system) / 1e6).toFixed(2) : ''
  const peak = cpu ? Math.round(process.resourceUsage().maxRSS / 1024) : ''
  console.log(
    `${what.padEnd(46)} ${seconds.padStart(8)} ${used.padStart(8)} ${`${peak}`.padStart(9)}`,
  )
}
