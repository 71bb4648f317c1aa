import type { Derivation } from '../graph/derivation.ts'
import type { Lock } from '../graph/lock.ts'
import { grub } from './boot/grub.ts'
import { initramfs } from './images/initramfs.ts'
import { iso } from './images/iso.ts'
import { profile } from './images/profile.ts'
import { rootfs } from './images/rootfs.ts'
import { linux } from './kernel/linux.ts'
import { baseFiles } from './packages/base-files.ts'
import { busybox } from './packages/busybox.ts'
import { init, text } from './packages/init.ts'
import { musl } from './packages/musl.ts'
import { bootstrap } from './seeds/bootstrap.ts'
import { seedRoot } from './seeds/seed-root.ts'
import type { System } from './system.ts'
import { gcc } from './toolchain/gcc.ts'
import { gccLibraries } from './toolchain/gcc-libraries.ts'
import { linuxHeaders } from './toolchain/linux-headers.ts'
import { toolchain } from './toolchain/toolchain.ts'

type Packages = Record<string, Derivation>

/** Every derivation that `mixos realize` knows by name: pure wiring, from the pins to the image. */
export function recipes({ lock, system }: { lock: Lock; system: System }): Packages {
  const seeds = seedsOf(lock)
  const tools = toolchainOf(lock, seeds.build)
  const packages = packagesOf(lock, system, { seeds: seeds.build, ...tools })
  const images = imagesOf(lock, system, { seeds, packages })
  const named = Object.entries(seeds).map(([name, seed]) => [`seeds-${name}`, seed] as const)
  return { ...Object.fromEntries(named), ...tools, ...packages, ...images }
}

type Seeds = ReturnType<typeof seedsOf>

function seedsOf(lock: Lock) {
  const first = bootstrap(lock)
  return {
    ...first,
    build: seedRoot(lock, 'build', first),
    image: seedRoot(lock, 'image', first),
    qemu: seedRoot(lock, 'qemu', first),
  }
}

function toolchainOf(lock: Lock, seeds: Derivation) {
  const headers = linuxHeaders(lock, { seeds })
  const bootstrapMusl = musl(lock, { seeds })
  const compiler = gcc(lock, { seeds, headers, musl: bootstrapMusl })
  const libc = musl(lock, { seeds, gcc: compiler })
  const libraries = gccLibraries({ seeds, gcc: compiler })
  return {
    'linux-headers': headers,
    'musl-bootstrap': bootstrapMusl,
    gcc: compiler,
    'gcc-libraries': libraries,
    musl: libc,
    toolchain: toolchain({ seeds, gcc: compiler, libraries, headers, musl: libc }),
  }
}

function packagesOf(
  lock: Lock,
  system: System,
  { seeds, toolchain }: { seeds: Derivation; toolchain: Derivation },
) {
  return {
    'base-files': baseFiles(system),
    busybox: busybox(lock, { seeds, toolchain, config: system.busybox }),
    init: init(system),
  }
}

function imagesOf(
  lock: Lock,
  system: System,
  { seeds, packages }: { seeds: Seeds; packages: ReturnType<typeof packagesOf> },
) {
  const { version } = system
  const kernel = linux(lock, { seeds: seeds.build, config: system.kernel, pin: system.linux })
  const loader = grub(lock, { seeds: seeds.build })
  const early = initramfs({
    version,
    seeds: seeds.image,
    busybox: packages.busybox,
    init: text(system.init, 'find-medium.sh'),
  })
  const installed = profile({
    name: 'system',
    version,
    seeds: seeds.image,
    packages: {
      busybox: packages.busybox,
      baseFiles: packages['base-files'],
      init: packages.init,
    },
  })
  const root = rootfs({ version, seeds: seeds.image, system: installed })
  const image = iso({
    version,
    seeds: seeds.image,
    grub: loader,
    kernel,
    initramfs: early,
    rootfs: root,
    commandLine: system.commandLine,
  })
  return { kernel, grub: loader, initramfs: early, system: installed, rootfs: root, iso: image }
}
