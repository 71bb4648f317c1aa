import { existsSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import { currentGeneration } from '../../../store/target/generations.ts'
import { installedIn } from '../../../store/target/installed.ts'
import { followServices } from '../../../store/target/service-changes.ts'
import { transition } from '../../../store/target/transition.ts'
import { addPackage } from '../../helpers/package.ts'
import { newMachine, profileOf, watching } from '../../helpers/target-machine.ts'

const made = { at: 1, user: 'root', command: [] }
const run = { executable: '#!/bin/sh\nexec sleep 1\n' }

test('a service is enabled no more when its package goes; others stay', async t => {
  const machine = await newMachine(t, async store => [
    await addPackage(store, 'clock', { tree: { 'etc/sv/clock/run': run }, services: ['clock'] }),
  ])
  const { store, root } = machine
  const [clock] = installedIn(store, currentGeneration(store).path)
  const web = await addPackage(store, 'web', { tree: { 'etc/sv/web/run': run }, services: ['web'] })
  const both = await profileOf(store, clock ? [clock.path, web] : [])
  await transition(machine, both, { ...watching(), made })
  store.host.files.makeDirectory(join(root, 'etc/service'))
  for (const name of ['clock', 'web']) {
    const to = `/mix/profiles/system/current/etc/sv/${name}`
    symlinkSync(to, join(root, 'etc/service', name))
  }
  const before = installedIn(store, both)
  const after = before.filter(({ name }) => name === 'clock')
  await followServices(machine, { before, after, ...watching() })
  t.false(existsSync(join(root, 'etc/service/web')))
  t.deepEqual(store.host.files.list(join(root, 'etc/service')), ['clock'])
})
