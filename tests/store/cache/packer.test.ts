import test from 'ava'
import { FRAME_BYTES, PACK_BYTES } from '../../../store/cache/object-index.ts'
import { packerOf } from '../../../store/cache/packer.ts'

test('after a pack could not be written, nothing more is taken or written', async t => {
  let written = 0
  const packer = packerOf(async () => {
    written++
    throw new Error('the disk is full')
  })
  const inOnePack = PACK_BYTES / FRAME_BYTES
  const addAll = async (): Promise<void> => {
    for (let at = 0; at < 10 * inOnePack; at++) await packer.add(Buffer.alloc(FRAME_BYTES))
  }
  await t.throwsAsync(addAll(), { message: 'the disk is full' })
  const before = written
  t.true(before < 5, `${before}`)
  await packer.finish()
  t.true(written <= before + 2, `${written}`)
})

test('what waits for a pack that was never written hears of the failure', async t => {
  const packer = packerOf(async () => {
    throw new Error('the disk is full')
  })
  const { placed } = await packer.add(Buffer.from('text'))
  await packer.finish()
  await t.throwsAsync(placed, { message: 'the disk is full' })
  await t.throwsAsync(packer.add(Buffer.from('more')), { message: 'the disk is full' })
})
