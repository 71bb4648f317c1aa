import type { Lock } from '../graph/lock.ts'
import type { Definitions, PackageSet } from '../graph/package-set.ts'
import { boot } from './boot/boot.ts'
import { e2fsck } from './boot/e2fsck.ts'
import { grub } from './boot/grub.ts'
import { grubImages } from './boot/grub-images.ts'
import { autotools } from './build-support/autotools.ts'
import { pinnedVersion } from './build-support/pinned.ts'
import { disk } from './images/disk.ts'
import { initramfs } from './images/initramfs.ts'
import { iso } from './images/iso.ts'
import { profile } from './images/profile.ts'
import { repository } from './images/repository.ts'
import { rootfs } from './images/rootfs.ts'
import { linux } from './kernel/linux.ts'
import { baseFiles } from './packages/base-files.ts'
import { busybox } from './packages/busybox.ts'
import { targetPackages } from './packages/index.ts'
import { init, serviceNames, text } from './packages/init.ts'
import { mix } from './packages/mix.ts'
import { bootstrapMusl, musl } from './packages/musl.ts'
import { bootstrap } from './seeds/bootstrap.ts'
import { seedRoot } from './seeds/seed-root.ts'
import type { System } from './system.ts'
import { gcc } from './toolchain/gcc.ts'
import { gccLibraries } from './toolchain/gcc-libraries.ts'
import { linuxHeaders } from './toolchain/linux-headers.ts'
import { toolchain } from './toolchain/toolchain.ts'

/** Every package that `mixos realize` knows by name: pure wiring, from the pins to the image. */
export function definitions({ lock, system }: { lock: Lock; system: System }): Definitions {
  return {
    ...seedsOf(lock),
    ...toolchainOf(lock),
    ...packagesOf(lock, system),
    ...targetPackages(lock),
    ...imagesOf(lock, system),
  }
}

function seedsOf(lock: Lock): Definitions {
  const root = (seed: string) => (packages: PackageSet) =>
    seedRoot(lock, seed, { busybox: packages.get('seeds-busybox') })
  return {
    'seeds-busybox': () => bootstrap(lock).busybox,
    'seeds-bubblewrap': () => bootstrap(lock).bubblewrap,
    'seeds-build': root('build'),
    'seeds-image': root('image'),
    'seeds-qemu': root('qemu'),
    'seeds-servers': root('servers'),
  }
}

function toolchainOf(lock: Lock): Definitions {
  return {
    'linux-headers': ({ get }) => linuxHeaders(lock, { seeds: get('seeds-build') }),
    'musl-bootstrap': ({ get }) => bootstrapMusl(lock, { seeds: get('seeds-build') }),
    gcc: ({ get }) =>
      gcc(lock, {
        seeds: get('seeds-build'),
        headers: get('linux-headers'),
        musl: get('musl-bootstrap'),
      }),
    'gcc-libraries': ({ get }) => gccLibraries({ seeds: get('seeds-build'), gcc: get('gcc') }),
    musl: ({ get }) => musl(lock, { seeds: get('seeds-build'), gcc: get('gcc') }),
    toolchain: ({ get }) =>
      toolchain({
        seeds: get('seeds-build'),
        gcc: get('gcc'),
        libraries: get('gcc-libraries'),
        headers: get('linux-headers'),
        musl: get('musl'),
      }),
    autotools: ({ get }) => autotools(lock, { seeds: get('seeds-build') }),
  }
}

function packagesOf(lock: Lock, system: System): Definitions {
  return {
    'base-files': () => baseFiles(system),
    busybox: ({ get }) =>
      busybox(lock, {
        seeds: get('seeds-build'),
        toolchain: get('toolchain'),
        config: system.busybox,
      }),
    init: () => init(system),
    mix: ({ get }) =>
      mix(lock, {
        version: system.version,
        seeds: get('seeds-build'),
        musl: get('musl'),
        libraries: get('gcc-libraries'),
        sources: system.mix,
      }),
  }
}

function imagesOf(lock: Lock, system: System): Definitions {
  const { version } = system
  return {
    kernel: ({ get }) =>
      linux(lock, { seeds: get('seeds-build'), config: system.kernel, pin: system.linux }),
    grub: ({ get }) => grub(lock, { seeds: get('seeds-build') }),
    'grub-images': ({ get }) =>
      grubImages({
        version: pinnedVersion(lock, 'grub'),
        seeds: get('seeds-image'),
        grub: get('grub'),
      }),
    e2fsck: ({ get }) => e2fsck(lock, { seeds: get('seeds-build'), toolchain: get('toolchain') }),
    initramfs: ({ get }) =>
      initramfs({
        version,
        seeds: get('seeds-image'),
        busybox: get('busybox'),
        e2fsck: get('e2fsck'),
        init: text(system.init, 'find-root.sh'),
      }),
    system: ({ get }) =>
      profile({
        name: 'system',
        version,
        packages: {
          busybox: get('busybox'),
          'base-files': get('base-files'),
          init: get('init'),
        },
      }),
    'medium-repository': ({ get }) =>
      repository({
        name: 'medium-repository',
        version,
        packages: Object.fromEntries(system.offered.map(name => [name, get(name)])),
      }),
    // Everything that a machine may have: what it starts with can be upgraded too.
    repository: ({ get }) => {
      const first = ['base-files', 'boot', 'busybox', 'grub-images', 'init', 'mix', 'musl']
      const names = [...first, ...Object.keys(targetPackages(lock))]
      return repository({
        name: 'repository',
        version,
        packages: Object.fromEntries(names.map(name => [name, get(name)])),
      })
    },
    rootfs: ({ get }) =>
      rootfs({
        version,
        seeds: get('seeds-image'),
        system: get('system'),
        mix: get('mix'),
        repository: get('medium-repository'),
        services: serviceNames(system.services),
      }),
    boot: ({ get }) =>
      boot({
        version: pinnedVersion(lock, system.linux),
        seeds: get('seeds-image'),
        kernel: get('kernel'),
        initramfs: get('initramfs'),
      }),
    'disk-system': ({ get }) =>
      profile({
        name: 'system',
        version,
        packages: {
          busybox: get('busybox'),
          'base-files': get('base-files'),
          init: get('init'),
          boot: get('boot'),
        },
      }),
    disk: ({ get }) =>
      disk({
        version,
        seeds: get('seeds-image'),
        grubImages: get('grub-images'),
        e2fsprogs: get('e2fsprogs'),
        utilLinux: get('util-linux'),
        system: get('disk-system'),
        mix: get('mix'),
        repository: get('medium-repository'),
        services: serviceNames(system.services),
        commandLine: system.commandLine,
      }),
    iso: ({ get }) =>
      iso({
        version,
        seeds: get('seeds-image'),
        grub: get('grub'),
        kernel: get('kernel'),
        initramfs: get('initramfs'),
        rootfs: get('rootfs'),
        repository: get('medium-repository'),
        commandLine: system.commandLine,
      }),
  }
}
