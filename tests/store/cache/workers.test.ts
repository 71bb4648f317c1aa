import test from 'ava'
import { restoreThreads } from '../../../store/cache/restore-threads.ts'
import { workersOn } from '../../../store/cache/workers.ts'
import { isDiskFull } from '../../../store/disk/system-error.ts'
import { nodeHost } from '../../../store/hosts/node.ts'

const LARGE = 8 << 20
const digest = 'a'.repeat(32)
const largeFile = (target: string) => ({
  target,
  size: LARGE,
  executable: false,
  hash: '0'.repeat(64),
  self: [],
  marks: [{ offset: 0, digest }],
})

for (const threads of [false, true]) {
  const where = threads ? 'another thread' : 'this thread'
  const workers = () => workersOn(nodeHost, { threads: threads && restoreThreads(1) })

  test(`a disk that is full is told as such by ${where}`, async t => {
    await using ours = workers()
    const file = largeFile('/dev/full')
    const error = await t.throwsAsync(ours.run({ type: 'large', file, selfDigest: digest }, 'x'))
    t.true(isDiskFull(error), `${error}`)
  })

  test(`a file that cannot be opened is named by ${where}`, async t => {
    await using ours = workers()
    const file = largeFile('/dev/null/file')
    const work = ours.run({ type: 'large', file, selfDigest: digest }, 'x')
    const { message, ...fields } = (await t.throwsAsync(work)) as NodeJS.ErrnoException
    t.like(fields, { code: 'ENOTDIR', path: '/dev/null/file', syscall: 'open' })
    t.regex(message, /^ENOTDIR: not a directory/)
  })
}
