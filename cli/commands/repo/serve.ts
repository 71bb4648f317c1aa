import { once } from 'node:events'
import { join } from 'node:path'
import { command } from 'cmd-ts'
import { MixosError } from '../../../graph/error.ts'
import { absolute, type Context } from '../../context.ts'
import type { Answer } from '../../report.ts'
import { LOOPBACK, requestLog, saveMemory, servingArgs } from '../../serving.ts'

const DEFAULT_PORT = 8081

export function serve(context: Context) {
  return command({
    name: 'serve',
    description: 'serve a repository in a directory, read only, until it is interrupted',
    args: servingArgs('as `repo sign --to` makes it', DEFAULT_PORT),
    examples: [
      { description: 'to this machine and its guests', command: 'mixos repo serve /srv/packages' },
      {
        description: 'to the network',
        command: 'mixos repo serve /srv/packages --address 0.0.0.0 --port 80',
      },
    ],
    handler: args => run(context, args),
  })
}

interface Args {
  readonly directory: string
  readonly address: string | undefined
  readonly port: number | undefined
  readonly verbose: boolean
}

async function run(context: Context, args: Args): Promise<Answer> {
  const [{ serveCache }, { nodeHost: host }, { TIMESTAMP }] = await Promise.all([
    import('../../../store/cache/serve.ts'),
    import('../../../store/hosts/node.ts'),
    import('../../../store/repository/layout.ts'),
  ])
  const { signal, report } = context
  const directory = absolute(args.directory, context.directory)
  if (!host.files.lstat(join(directory, TIMESTAMP)))
    throw new MixosError(
      'REPOSITORY_INVALID',
      `${directory} is no repository: it has no ${TIMESTAMP}`,
      { hint: `make it one: mixos repo sign NAME --to ${directory}` },
    )
  saveMemory()
  const serving = await serveCache({
    host,
    directory,
    address: args.address ?? LOOPBACK,
    port: args.port ?? DEFAULT_PORT,
    signal,
    ...(args.verbose && { onRequest: requestLog(context) }),
    onError: error => report({ type: 'warning', message: (error as Error).message }),
  })
  context.takeTerminal(`serving ${serving.url} (read only); Ctrl-C ends it`)
  if (!signal.aborted) await once(signal, 'abort')
  await serving.close()
  return { text: '', record: { url: serving.url } }
}
