import { dirname } from 'node:path'
import { command, positional, string } from 'cmd-ts'
import { jsonFlag, pathOption } from '../../args.ts'
import { absolute, type Context } from '../../context.ts'
import { keyPath } from '../../keys.ts'
import type { Answer } from '../../report.ts'

export function keygen(context: Context) {
  return command({
    name: 'keygen',
    description: 'make a key to sign with, and print its public half',
    args: {
      name: positional({ type: string, displayName: 'name', description: "the key's name" }),
      out: pathOption('out', 'write the secret key here (default: among the settings)'),
      json: jsonFlag,
    },
    examples: [
      { description: 'a key of your own', command: 'mixos cache keygen alice' },
      {
        description: 'one for a build machine',
        command: 'mixos cache keygen ci --out /etc/mixos/ci.secret',
      },
    ],
    handler: async ({ name, out }): Promise<Answer> => {
      const [{ nodeHost }, { formatPublicKey, generateKey, writeSecretKey }] = await Promise.all([
        import('../../../store/hosts/node.ts'),
        import('../../../store/cache/keys.ts'),
      ])
      const key = generateKey(nodeHost, name)
      const path = out === undefined ? keyPath(context, name) : absolute(out, context.directory)
      nodeHost.files.makeDirectory(dirname(path), 0o700)
      await writeSecretKey(nodeHost, path, key)
      const publicKey = formatPublicKey(key.public)
      context.report({
        type: 'warning',
        message: `the secret key is in ${path}: whoever has it can sign in your name`,
        hint: `colleagues believe it after: mixos cache trust add ${publicKey}`,
      })
      return { text: publicKey, record: { name, publicKey, path } }
    },
  })
}
