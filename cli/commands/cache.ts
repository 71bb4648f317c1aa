import type { Context } from '../context.ts'
import { group } from '../group.ts'
import { gc } from './cache/gc.ts'
import { info } from './cache/info.ts'
import { keygen } from './cache/keygen.ts'
import { pull } from './cache/pull.ts'
import { push } from './cache/push.ts'
import { serve } from './cache/serve.ts'
import { trust } from './cache/trust.ts'
import { verify } from './cache/verify.ts'

export function cache(context: Context) {
  return group({
    name: 'cache',
    description: 'share what was built: nobody builds what a colleague has built',
    cmds: {
      push: push(context),
      pull: pull(context),
      serve: serve(context),
      keygen: keygen(context),
      trust: trust(context),
      info: info(context),
      gc: gc(context),
      verify: verify(context),
    },
    examples: [
      { description: 'make a key to sign with', command: 'mixos cache keygen alice' },
      {
        description: 'share the image and all it was made from',
        command: 'mixos cache push iso --to s3://team-cache',
      },
      { description: 'believe a colleague', command: 'mixos cache trust add alice:KEY' },
      {
        description: 'take the image from there',
        command: 'mixos realize iso --cache s3://team-cache',
      },
    ],
  })
}
