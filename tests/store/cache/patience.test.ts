import { setTimeout as sleep } from 'node:timers/promises'
import test from 'ava'
import { patienceOf } from '../../../store/cache/patience.ts'

test('quick answers never use up the patience, however many', async t => {
  const patience = patienceOf(200)
  for (let asked = 0; asked < 20; asked++) {
    await patience.run(signal => sleep(30, undefined, { signal }))
  }
  t.pass()
})

test('a few slow answers use it up', async t => {
  const patience = patienceOf(500)
  const answers = async (): Promise<void> => {
    for (let asked = 0; asked < 10; asked++) {
      await patience.run(signal => answered(sleep(400), signal))
    }
  }
  await t.throwsAsync(answers(), { name: 'TimeoutError' })
})

test('who never answers uses it up for all', async t => {
  const patience = patienceOf(50)
  const never = (signal: AbortSignal) => answered(new Promise(() => undefined), signal)
  const questions = [patience.run(never), patience.run(never)]
  for (const question of questions) await t.throwsAsync(question, { name: 'TimeoutError' })
})

test('while we compute, nobody is waited for', async t => {
  const patience = patienceOf(100)
  await patience.run(async signal => {
    for (const end = Date.now() + 300; Date.now() < end; );
    await sleep(1)
    signal.throwIfAborted()
  })
  t.pass()
})

/** Rejects with the signal's reason when that comes first. */
async function answered(answer: Promise<unknown>, signal: AbortSignal): Promise<void> {
  const late = Promise.withResolvers<never>()
  signal.addEventListener('abort', () => late.reject(signal.reason))
  await Promise.race([answer, late.promise])
}
