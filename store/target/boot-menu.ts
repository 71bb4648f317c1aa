import { join } from 'node:path'
import { formatBootMenu } from '../../graph/boot-menu.ts'
import { MixosError } from '../../graph/error.ts'
import { writeDurably } from '../disk/write.ts'
import type { Store } from '../store.ts'
import { currentNumber, generationLink, generationNumbers, originOf } from './generations.ts'
import type { Machine } from './machine.ts'

const directoryOf = ({ root }: Machine): string => join(root, 'boot/grub')
const environmentOf = (machine: Machine): string => join(directoryOf(machine), 'grubenv')

/**
 * Lets the boot loader know which generations there are, but for one that is about to go, and which one is current.
 * No-op for a machine that was not started from its own disk. Durable, also for the boot loader, when it resolves.
 */
export async function writeBootMenu(machine: Machine, going?: number): Promise<void> {
  const { store } = machine
  const { files } = store.host
  const current = currentNumber(store)
  if (!files.lstat(environmentOf(machine)) || current === undefined) return
  const directory = directoryOf(machine)
  const entries = generationNumbers(store)
    .filter(number => number !== going)
    .filter(number => files.lstat(join(generationLink(store, number), 'boot/vmlinuz')))
    .map(number => ({ number, title: titleOf(store, number) }))
  const menu = { entries, current, attempt: `${current}-${store.host.now()}` }
  await writeDurably(store.host, {
    path: join(directory, 'generations.cfg'),
    data: formatBootMenu(menu),
    scratch: directory,
  })
  files.checkpoint(directory)
}

/**
 * The last generation that reached its login prompt, to which the boot loader returns; undefined where none is known.
 */
export function lastGood(machine: Machine): number | undefined {
  const text = machine.store.host.files.read(environmentOf(machine))?.toString()
  const number = /^good=(\d+)$/m.exec(text ?? '')?.[1]
  return number === undefined ? undefined : Number(number)
}

function titleOf(store: Store, number: number): string {
  try {
    const made = originOf(store, number)
    if (!made) return 'as installed'
    return `${new Date(made.at).toISOString().slice(0, 10)}, mix ${made.command.join(' ')}`
  } catch (error) {
    if (!(error instanceof MixosError && error.code === 'PACKAGE_INVALID')) throw error
    // It can be started all the same.
    return 'how it was made cannot be read'
  }
}
