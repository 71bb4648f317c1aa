import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { fileSystemSync } from '../../../store/disk/sync-file-system.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { tempDirectory } from '../../helpers/temp-store.ts'

for (const [what, words, expected] of [
  [
    'a disk that cannot be written',
    'Input/output error',
    { code: 'FILE_UNAVAILABLE', message: /the disk of .*: Input\/output error$/ },
  ],
  ['a disk that is full', 'No space left on device', { code: 'ENOSPC' }],
] as const) {
  test(`a flush that fails for ${what} says so`, async t => {
    const directory = tempDirectory(t)
    const program = join(directory, 'busybox')
    writeFileSync(
      program,
      `#!/bin/sh\necho "sync: error syncing the disk of $3: ${words}" >&2\nexit 1\n`,
    )
    chmodSync(program, 0o755)
    await t.throwsAsync(fileSystemSync(nodeHost, program)(directory), expected)
  })
}
