// Run by hand: node tests/bench/store.ts [directory on the disk to measure]
// What the store costs beside plain tools on the same disk, one after the other in the same run.
import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Derivation } from '../../graph/derivation.ts'
import type { Manifest } from '../../graph/manifest.ts'
import { digestOfPath } from '../../graph/store-path.ts'
import { collect } from '../../store/collect.ts'
import { removeTree } from '../../store/disk/remove.ts'
import { fileSystemSync } from '../../store/disk/sync-file-system.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { realize } from '../../store/realize.ts'
import { formatRecord, newRecord } from '../../store/records.ts'
import { openStore } from '../../store/store.ts'
import { verify } from '../../store/verify.ts'
import { addTree, filesStep, quietly, writeTree } from '../helpers/temp-store.ts'

const directory = mkdtempSync(join(process.argv[2] ?? tmpdir(), 'mixos-bench-'))
const store = openStore({ directory: join(directory, 'mixos'), host: nodeHost })
const { signal } = new AbortController()

try {
  console.log('work                                                   seconds      cpu   goal')
  await addManyFiles()
  await verifyOneLarge()
  await collectMany()
  await realizeMany()
} finally {
  removeTree(nodeHost, directory)
}

async function addManyFiles(): Promise<void> {
  const source = join(directory, 'source')
  for (let index = 0; index < 10_000; index++) {
    const parent = join(source, `d${index % 100}`)
    if (index < 100) mkdirSync(parent, { recursive: true })
    writeFileSync(join(parent, `f${index}`), `${index} `.repeat(index % 4000))
  }
  const size = execFileSync('du', ['-sm', source]).toString().split('\t')[0]
  execFileSync('sync', ['-f', directory])
  await measure(`cp -r and sync -f of 10,000 files, ${size} MB`, () => {
    execFileSync('cp', ['-r', source, join(directory, 'copy')])
    execFileSync('sync', ['-f', directory])
  })
  const add = (label: string) => store.add({ source, label, candidates: new Map(), maker: 'bench' })
  await measure('add the same, each file synced', () => add('each-1'))
  const busybox = ['/bin/busybox', '/usr/bin/busybox'].find(path => nodeHost.files.lstat(path))
  if (busybox) {
    store.findFileSystemSync = async () => fileSystemSync(nodeHost, busybox)
    await measure('add the same, the file system synced', () => add('whole-1'), 'cp + sync')
  } else console.log('(no busybox here: the file system is not synced as a whole)')
  await measure('verify both', () => void verify(store))
}

async function verifyOneLarge(): Promise<void> {
  const source = join(directory, 'large')
  writeFileSync(source, Buffer.alloc(512 << 20, 'a line of text\n'))
  const path = await measure('add one file of 512 MiB', () =>
    store.add({ source, label: 'large-1', candidates: new Map(), maker: 'bench' }),
  )
  await measure('verify it', () => void verify(store, { paths: [path] }), '0.3')
  await measure('b3sum-like floor: cat of it', () => {
    execFileSync('sh', ['-c', `cat ${store.hostPath(path)} > /dev/null`])
  })
}

async function collectMany(): Promise<void> {
  const count = 20_000
  // Made by hand: adding them durably is not what is measured.
  const one = await addTree(store, 'dead', { tree: { a: 'text' } })
  const { manifest } = store.record(one) ?? {}
  const copies = join(directory, 'copies')
  mkdirSync(copies)
  for (let index = 0; index < count; index++) {
    const record = newRecord({ ...(manifest as Manifest), label: `dead-${index}` })
    const tree = { a: 'text' }
    writeTree(store.hostPath(record.path), tree)
    writeTree(join(copies, record.path), tree)
    writeFileSync(store.layout.record(digestOfPath(record.path)), formatRecord(record))
    writeFileSync(join(copies, `${record.path}.json`), formatRecord(record))
  }
  execFileSync('sync', ['-f', directory])
  await measure('rm -rf of as many trees and records', () => {
    execFileSync('rm', ['-rf', copies])
  })
  await measure(
    'collect 20,000 dead objects',
    () => collect(openStore({ directory: store.directory, host: nodeHost }), { signal }),
    '2',
  )
  if (readdirSync(store.layout.objects).length > 0) throw new Error('some were left')
}

async function realizeMany(): Promise<void> {
  const steps: Derivation[] = []
  for (let index = 0; index < 10_000; index++) {
    const first = steps[index % 100]
    steps.push(filesStep(`step-${index}`, { a: `${index}` }, first && { first }))
  }
  const roots = steps.slice(100)
  await measure('realize 10,000 steps', () => realize(store, roots, quietly()))
  await measure(
    'realize them again: nothing to do',
    () => realize(reopened(), roots, quietly()),
    '0.25',
  )
}

function reopened() {
  return openStore({ directory: store.directory, host: nodeHost })
}

async function measure<T>(name: string, work: () => T | Promise<T>, goal = ''): Promise<T> {
  const before = process.cpuUsage()
  const start = performance.now()
  const result = await work()
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(before)
  const cpu = ((user + system) / 1e6).toFixed(2)
  console.log(`${name.padEnd(50)}${seconds.toFixed(2).padStart(9)}${cpu.padStart(10)}   ${goal}`)
  return result
}
