import { join } from 'node:path'
import { formatBootMenu } from '../../graph/boot-menu.ts'
import { writeDurably } from '../write.ts'
import type { Machine } from './etc-files.ts'
import { currentGeneration, type Generation, generations } from './generations.ts'

const directoryOf = ({ root }: Machine): string => join(root, 'boot/grub')
const environmentOf = (machine: Machine): string => join(directoryOf(machine), 'grubenv')

/**
 * Lets the boot loader know which generations there are, and which one is current. No-op for a machine that
 * was not started from its own disk. Durable, also for the boot loader, when it resolves.
 */
export async function writeBootMenu(machine: Machine): Promise<void> {
  const { store } = machine
  const { files } = store.host
  if (!files.lstat(environmentOf(machine))) return
  const directory = directoryOf(machine)
  const entries = generations(store)
    .filter(generation => files.lstat(join(store.hostPath(generation.path), 'boot/vmlinuz')))
    .map(generation => ({ number: generation.number, title: titleOf(generation) }))
  const { number } = currentGeneration(store)
  const menu = { entries, current: number, attempt: `${number}-${store.host.now()}` }
  await writeDurably(store.host, {
    path: join(directory, 'generations.cfg'),
    data: formatBootMenu(menu),
    scratch: directory,
  })
  files.checkpoint(directory)
}

/** The last generation that reached its login prompt, to which the boot loader returns; undefined where none is known. */
export function lastGood(machine: Machine): number | undefined {
  const text = machine.store.host.files.read(environmentOf(machine))?.toString()
  const number = /^good=(\d+)$/m.exec(text ?? '')?.[1]
  return number === undefined ? undefined : Number(number)
}

function titleOf({ made }: Generation): string {
  if (!made) return 'as installed'
  return `${new Date(made.at).toISOString().slice(0, 10)}, mix ${made.command.join(' ')}`
}
