import type { Context } from '../context.ts'
import { group } from '../group.ts'
import { keygen } from './repo/keygen.ts'
import { serve } from './repo/serve.ts'
import { sign } from './repo/sign.ts'

export function repo(context: Context) {
  return group({
    name: 'repo',
    description: 'offer packages to running systems: a repository is a directory of static files',
    cmds: { keygen: keygen(context), sign: sign(context), serve: serve(context) },
    examples: [
      { description: 'make the keys to sign with', command: 'mixos repo keygen' },
      {
        description: 'offer a package',
        command: 'mixos realize openssh && mixos repo sign openssh --to /srv/packages',
      },
      { description: 'serve it from this machine', command: 'mixos repo serve /srv/packages' },
    ],
  })
}
