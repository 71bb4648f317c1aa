import { PassThrough } from 'node:stream'
import test from 'ava'
import { confirm } from '../../cli/question.ts'

for (const [what, keys] of Object.entries({ Enter: '\r', y: 'y\r', Yes: 'Yes\r' })) {
  test(`${what} at the question goes on`, async t => {
    const { said, answer } = asked(keys)
    await t.notThrowsAsync(answer)
    t.regex(said(), /^install web 1\n[\s\S]*go on\? \[Y\/n\] /)
  })
}

for (const [what, keys] of Object.entries({ no: 'n\r', 'Ctrl-C': '\x03', 'Ctrl-D': '\x04' })) {
  test(`${what} at the question is an answer: nothing is changed`, async t => {
    const { answer } = asked(keys)
    await t.throwsAsync(answer, { code: 'CANCELLED', message: 'nothing was changed' })
  })
}

test('a signal at the question is an answer too', async t => {
  const controller = new AbortController()
  const { answer } = asked('', controller.signal)
  controller.abort()
  await t.throwsAsync(answer, { code: 'CANCELLED' })
})

test('where nobody can be asked, that is said, with what to do', async t => {
  const streams = { input: new PassThrough(), output: new PassThrough() }
  await t.throwsAsync(confirm([], { ...streams, signal: new AbortController().signal }), {
    code: 'BAD_ARGUMENT',
    message: /nobody can be asked/,
  })
})

function asked(keys: string, signal = new AbortController().signal) {
  const input = Object.assign(new PassThrough(), { isTTY: true })
  const output = new PassThrough()
  const answer = confirm(['install web 1'], { input, output, signal })
  input.write(keys)
  return { answer, said: () => String(output.read() ?? '') }
}
