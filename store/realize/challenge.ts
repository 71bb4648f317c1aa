import { MixosError } from '../../graph/error.ts'
import type { StorePath } from '../../graph/store-path.ts'
import type { CacheClient } from '../cache/client.ts'
import type { Testimony } from '../cache/policy.ts'
import { eachOf } from '../disk/write.ts'
import { recordOf } from '../object-closure.ts'
import type { Store } from '../store.ts'
import type { Trace } from '../traces.ts'
import { manifestDifferences } from './compare.ts'

/** What one signer of one cache says of one step that was made here. */
export interface Challenged {
  readonly label: string
  readonly cache: string
  /** The name of the signer's key. */
  readonly signer: string
  readonly agrees: boolean
  /** A line for each file that differs, where the cache has the other object. */
  readonly differences: readonly string[]
}

const STEPS = 64

/** Compares what was made here with what all signers of all caches say. Steps that nobody has signed are left out. */
export async function challenge(
  store: Store,
  traces: readonly Trace[],
  clients: readonly CacheClient[],
): Promise<Challenged[]> {
  const found = new Map<Trace, Challenged[]>()
  await eachOf(traces, STEPS, async trace => {
    const answers = clients.map(async client => {
      const said = await testimoniesOf(client, trace)
      return Promise.all(said.map(said => compare(store, trace, { client, said })))
    })
    found.set(trace, (await Promise.all(answers)).flat())
  })
  return traces.flatMap(trace => found.get(trace) ?? [])
}

/** What each signer says: of what was asked, or else of what that came down to here. */
async function testimoniesOf(
  client: CacheClient,
  { derivation, resolved }: Trace,
): Promise<Testimony[]> {
  const [asked, same] = await Promise.all([
    client.testimonies(derivation),
    client.testimonies(resolved),
  ])
  const others = same.filter(({ key }) => !asked.some(said => said.key.id === key.id))
  return [...asked, ...others]
}

async function compare(
  store: Store,
  trace: Trace,
  { client, said }: { client: CacheClient; said: Testimony },
): Promise<Challenged> {
  const differences: string[] = []
  for (const [name, ours] of Object.entries(trace.outputs)) {
    const theirs = said.trace.outputs[name]?.path
    if (theirs === ours) continue
    differences.push(`${name}: ${ours} here, ${theirs ?? 'nothing'} there`)
    if (theirs) differences.push(...(await differingFiles(store, { ours, theirs, client })))
  }
  const { label } = trace
  const agrees = differences.length === 0
  return { label, cache: client.name, signer: said.key.name, agrees, differences }
}

async function differingFiles(
  store: Store,
  { ours, theirs, client }: { ours: StorePath; theirs: StorePath; client: CacheClient },
): Promise<string[]> {
  const record = recordOf(store, ours)
  try {
    const index = await client.index(theirs)
    return manifestDifferences(record.manifest, index.manifest).map(line => `  ${line}`)
  } catch (error) {
    if (!(error instanceof MixosError)) throw error
    return [`  its files are not known: ${error.message}`]
  }
}
