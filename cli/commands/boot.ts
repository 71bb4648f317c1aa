import { availableParallelism } from 'node:os'
import { array, command, flag, multioption } from 'cmd-ts'
import type { Derivation } from '../../graph/derivation.ts'
import { MixosError } from '../../graph/error.ts'
import type { Outputs } from '../../graph/plan.ts'
import type { Store } from '../../store/store.ts'
import {
  badArgument,
  countType,
  ForwardArgument,
  fileOption,
  optional,
  optionalName,
  Path,
} from '../args.ts'
import { cachesOf } from '../caches.ts'
import { type Context, openHome } from '../context.ts'
import { imageFrom, refuseHopeless } from '../image.ts'
import { type Machine, runMachine } from '../qemu.ts'
import { loadPackages, namedPackages } from '../recipes.ts'
import type { Answer } from '../report.ts'
import { realizeAll } from '../run.ts'

const MEMORY = 512

export function boot(context: Context) {
  return command({
    name: 'boot',
    description: 'realize an image and start it in a virtual machine on this terminal',
    args: {
      name: optionalName('iso', 'the image'),
      uefi: flag({ long: 'uefi', description: 'start by UEFI, not by BIOS' }),
      memory: optional({
        long: 'memory',
        type: countType('mib', { least: 64 }),
        description: `the machine's memory in MiB (default: ${MEMORY})`,
      }),
      forward: multioption({
        long: 'forward',
        type: array(ForwardArgument),
        description: 'lead this TCP port of this host to that one of the machine; can be repeated',
      }),
      keep: optional({
        long: 'keep',
        type: { ...Path, displayName: 'file' },
        description:
          'keep what the machine writes to its disk in this file, a copy of the image at first',
      }),
      noNetwork: flag({ long: 'no-network', description: 'a machine without a network card' }),
      file: fileOption,
    },
    examples: [
      { description: 'start the live image; log in as root', command: 'mixos boot' },
      { description: 'by UEFI, with little memory', command: 'mixos boot iso --uefi --memory 128' },
      {
        description: 'an installed system, which stays',
        command: 'mixos boot disk --keep my.disk',
      },
      { description: 'for: ssh -p 2222 root@localhost', command: 'mixos boot --forward 2222:22' },
    ],
    handler: async ({ name, memory = MEMORY, forward, keep, file, ...flags }): Promise<Answer> => {
      if (flags.noNetwork && forward.length > 0) {
        throw badArgument('--forward needs a network card, and --no-network takes it away')
      }
      const packages = await loadPackages(context, { file })
      const store = await openHome(context)
      const cpus = availableParallelism()
      const named = namedPackages(packages, [name, 'seeds-qemu', 'seeds-bubblewrap'])
      refuseHopeless(store.host, packages.get(name), { name, keep })
      await using substituter = cachesOf(context, store, [])
      const realized = await realizeAll(context, {
        store,
        packages,
        named,
        links: new Map(),
        flags: { jobs: cpus, cores: cpus },
        substituter,
      })
      const at = (wanted: string): string => pathOf(store, realized, packages.get(wanted))
      const image = await imageFrom(store.host, { name, path: at(name), keep })
      context.takeTerminal(`starting ${image.path}; to leave, press Ctrl-A and then X`)
      const machine: Machine = {
        seeds: { bubblewrap: at('seeds-bubblewrap'), qemu: at('seeds-qemu') },
        image,
        firmware: flags.uefi ? 'uefi' : 'bios',
        memory,
        network: flags.noNetwork ? undefined : { forwards: forward },
      }
      await runMachine(machine, { host: store.host, signal: context.signal }).catch(error => {
        if (!context.signal.aborted) throw error
        throw new MixosError('CANCELLED', 'the machine was cut off as by its power switch', {
          hint: 'end it with poweroff, or with Ctrl-A and then X',
        })
      })
      return { text: '', record: { image: image.path } }
    },
  })
}

function pathOf(store: Store, realized: ReadonlyMap<Derivation, Outputs>, drv: Derivation): string {
  const [first] = Object.values(realized.get(drv) ?? {})
  if (first === undefined) throw new Error(`${drv.name} was realized without an output`)
  return store.hostPath(first)
}
