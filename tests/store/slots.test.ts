import test from 'ava'
import { slotsOf } from '../../store/slots.ts'

test('no more tasks run at a time than there are places', async t => {
  const slots = slotsOf(2)
  let running = 0
  let most = 0
  const task = async (): Promise<void> => {
    most = Math.max(most, ++running)
    await turn()
    running--
  }
  await Promise.all(Array.from({ length: 9 }, () => slots.run(0, task)))
  t.is(most, 2)
})

test('the most urgent of those who wait goes first, and equals go in order', async t => {
  const slots = slotsOf(1)
  const order: string[] = []
  const run = (rank: number, name: string): Promise<void> =>
    slots.run(rank, async () => {
      await turn()
      order.push(name)
    })
  await Promise.all([run(9, 'first'), run(0, 'a'), run(-2, 'urgent'), run(0, 'b'), run(3, 'last')])
  t.deepEqual(order, ['first', 'urgent', 'a', 'b', 'last'])
})

test('a task that fails gives its place back, and its error to its caller', async t => {
  const slots = slotsOf(1)
  await t.throwsAsync(
    slots.run(0, () => Promise.reject(new Error('broken'))),
    { message: 'broken' },
  )
  t.is(await slots.run(0, async () => 7), 7)
})

test('a task that comes late does not overtake those who wait', async t => {
  const slots = slotsOf(1)
  const order: number[] = []
  const run = (id: number): Promise<void> => slots.run(0, async () => void order.push(id))
  const first = [run(1), run(2)]
  await turn()
  await Promise.all([...first, run(3)])
  t.deepEqual(order, [1, 2, 3])
})

function turn(): Promise<void> {
  return new Promise(done => setImmediate(done))
}
