import { execFileSync } from 'node:child_process'
import test from 'ava'

test('a reader that is slow gets all that is printed', t => {
  const command = `"${process.execPath}" cli/launch.js graph iso --format json`
  const shell = (script: string) => execFileSync('sh', ['-c', script], { encoding: 'utf8' })
  const text = shell(`${command} | (sleep 1; cat)`)
  // More than a pipe has room for.
  t.true(text.length > 2 ** 16)
  t.notThrows(() => JSON.parse(text))
})
