// Pushes to a directory in a process of its own: node push-child.ts '{"store": …, "cache": …, "fault": …}'.
import { directoryStorage } from '../../store/cache/storages/directory.ts'
import { type Fault, faultyHost } from '../../store/hosts/faulty.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { openStore } from '../../store/store.ts'
import { PACKAGES, pushAll } from './push-fixture.ts'

export interface PushWork {
  /** The store that has the packages, and the directory that becomes a cache. */
  readonly store: string
  readonly cache: string
  /** Which of PACKAGES; all where left out. */
  readonly packages?: readonly number[]
  readonly fault?: Fault
}

const work: PushWork = JSON.parse(process.argv[2] ?? '{}')
const host = work.fault ? faultyHost(nodeHost, work.fault) : nodeHost
await pushAll(
  openStore({ directory: work.store, host: nodeHost }),
  directoryStorage(host, work.cache),
  PACKAGES.filter((_, index) => work.packages?.includes(index) ?? true),
)
