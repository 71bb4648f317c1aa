import { once } from 'node:events'
import { command } from 'cmd-ts'
import { MixosError } from '../../../graph/error.ts'
import { badArgument, countType, optional, pathOption } from '../../args.ts'
import { TOKEN_VARIABLE, tokenIn } from '../../cache-token.ts'
import { absolute, type Context } from '../../context.ts'
import type { Answer } from '../../report.ts'
import { LOOPBACK, requestLog, saveMemory, servingArgs } from '../../serving.ts'

const DEFAULT_PORT = 8080

export function serve(context: Context) {
  return command({
    name: 'serve',
    description: 'serve a cache in a directory to colleagues, until it is interrupted',
    args: {
      ...servingArgs('as `cache push --to` makes it', DEFAULT_PORT),
      key: pathOption('tls-key', 'the PEM file of a private key: serve https'),
      cert: pathOption('tls-cert', 'the PEM file of its certificate'),
      connections: optional({
        long: 'connections',
        type: countType('n'),
        description:
          'from one address at a time: more where a proxy stands before it, whose address all clients have (default: 64)',
      }),
    },
    examples: [
      { description: 'to this machine', command: 'mixos cache serve /srv/cache' },
      {
        description: 'to the network, and take uploads',
        command:
          'MIXOS_CACHE_TOKEN=$(cat token) mixos cache serve /srv/cache --address 0.0.0.0 --tls-key key.pem --tls-cert cert.pem',
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
  readonly key: string | undefined
  readonly cert: string | undefined
  readonly connections: number | undefined
}

async function run(context: Context, args: Args): Promise<Answer> {
  const [{ serveCache }, { nodeHost: host }, { limitsFor }] = await Promise.all([
    import('../../../store/cache/serve.ts'),
    import('../../../store/hosts/node.ts'),
    import('../../../store/cache/serve/limits.ts'),
  ])
  const { signal, report, environment, directory } = context
  const token = tokenIn(environment, TOKEN_VARIABLE)
  const tls = tlsOf(args, path => host.files.read(absolute(path, directory))?.toString())
  saveMemory()
  const serving = await serveCache({
    host,
    directory: absolute(args.directory, directory),
    address: args.address ?? LOOPBACK,
    port: args.port ?? DEFAULT_PORT,
    ...(tls && { tls }),
    ...(token !== undefined && { uploadToken: token }),
    ...(args.connections !== undefined && { limits: limitsFor(args.connections) }),
    signal,
    ...(args.verbose && { onRequest: requestLog(context) }),
    onError: error => report({ type: 'warning', message: (error as Error).message }),
  })
  const uploads = token === undefined ? 'read only' : 'takes uploads from those with the token'
  context.takeTerminal(`serving ${serving.url} (${uploads}); Ctrl-C ends it`)
  if (token !== undefined && !tls)
    report({
      type: 'warning',
      message: 'the upload token is sent in clear',
      hint: 'beyond this machine, serve with --tls-key and --tls-cert',
    })
  if (!signal.aborted) await once(signal, 'abort')
  await serving.close()
  return { text: '', record: { url: serving.url } }
}

function tlsOf(
  { key, cert }: Args,
  read: (path: string) => string | undefined,
): { key: string; cert: string } | undefined {
  if (key === undefined && cert === undefined) return undefined
  if (key === undefined || cert === undefined)
    throw badArgument('https needs both --tls-key and --tls-cert')
  const texts = [key, cert].map(path => {
    const text = read(path)
    if (text === undefined) throw new MixosError('FILE_UNAVAILABLE', `there is no file ${path}`)
    return text
  })
  return { key: texts[0] as string, cert: texts[1] as string }
}
