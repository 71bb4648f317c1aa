import { mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { awsCredentials } from '../../../store/cache/storages/aws-credentials.ts'
import { dockerLogin } from '../../../store/cache/storages/docker-credentials.ts'
import type { Files } from '../../../store/host.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'

/** What makes a file of credentials unreadable at a path. Who runs the tests may read all files, so some refuse here. */
const OBSTACLES: Readonly<Record<string, (path: string) => Files>> = {
  EISDIR: path => {
    mkdirSync(path)
    return nodeHost.files
  },
  ELOOP: path => {
    symlinkSync(path, path)
    return nodeHost.files
  },
  EACCES: refusing('EACCES'),
  EPERM: refusing('EPERM'),
}

for (const [code, obstacle] of Object.entries(OBSTACLES)) {
  test(`a file of credentials that gives ${code} is CACHE_DENIED and named`, async t => {
    const [docker, aws] = [tempDirectory(t), tempDirectory(t)]
    const login = join(docker, 'config.json')
    const files = obstacle(login)
    await t.throwsAsync(
      dockerLogin({ ...nodeHost, files }, 'a.example', { DOCKER_CONFIG: docker }),
      {
        code: 'CACHE_DENIED',
        message: new RegExp(login),
      },
    )
    const keys = join(aws, 'credentials')
    t.throws(() => awsCredentials(obstacle(keys), { AWS_SHARED_CREDENTIALS_FILE: keys }), {
      code: 'CACHE_DENIED',
      message: new RegExp(keys),
    })
  })
}

function refusing(code: string): (path: string) => Files {
  return path => ({
    ...nodeHost.files,
    read: () => {
      throw Object.assign(new Error(`${code}: not permitted, open`), { code, path })
    },
  })
}
