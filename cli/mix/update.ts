import { join } from 'node:path'
import { command } from 'cmd-ts'
import { MixosError } from '../../graph/error.ts'
import { warningOf } from '../../store/event.ts'
import { knownIndex, openRepository, updateIndex } from '../../store/target/repository.ts'
import { jsonFlag } from '../args.ts'
import { plural } from '../format.ts'
import type { Answer } from '../report.ts'
import type { MixContext } from './context.ts'
import { machineRoot } from './machine.ts'
import { offeredBy, type Repository, repositoriesOf, stateOf } from './offered.ts'

export function update(context: MixContext) {
  return command({
    name: 'update',
    description: 'fetch the newest index of every repository',
    args: { json: jsonFlag },
    examples: [{ description: 'what is new?', command: 'mix update' }],
    handler: async (): Promise<Answer> => {
      const failures: MixosError[] = []
      const lines: string[] = []
      for (const repository of repositoriesOf(context)) {
        try {
          lines.push(await updateOne(context, repository))
        } catch (error) {
          if (!(error instanceof MixosError)) throw error
          // One that is down does not hide the others.
          context.report(warningOf(error))
          failures.push(error)
        }
      }
      const packages = new Set((await offeredBy(context)).map(({ name }) => name)).size
      return {
        text: [...lines, `${plural(packages, 'package')} on offer`].join('\n'),
        record: { packages, failures: failures.map(({ code, message }) => ({ code, message })) },
        isFailure: failures.length > 0,
      }
    },
  })
}

async function updateOne(context: MixContext, repository: Repository): Promise<string> {
  const { name, url, root } = repository
  const { host, signal } = context
  if (root === undefined) {
    if (knownIndex(host, stateOf(context, repository))) return `${name}: comes with the system`
    throw new MixosError('REPOSITORY_INVALID', `${name}: its index did not come with the system`, {
      hint: 'give it a "root" in /etc/mix/repositories.json: the publisher\'s tuf/root.json',
    })
  }
  const trusted = host.files.read(join(machineRoot(context), root))
  if (!trusted) {
    throw new MixosError(
      'REPOSITORY_INVALID',
      `${name}: there is no ${root}, which says whom to believe`,
    )
  }
  const storage = openRepository(host, url)
  try {
    const { isNew, version } = await updateIndex(host, {
      repository: storage,
      rootJson: trusted.toString(),
      stateDirectory: stateOf(context, repository),
      now: host.now(),
      signal,
    })
    return `${name}: version ${version}${isNew ? '' : ', as before'}`
  } finally {
    await storage.close()
  }
}
