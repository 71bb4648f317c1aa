import test from 'ava'
import { disk } from '../../derivations/images/disk.ts'
import { iso } from '../../derivations/images/iso.ts'
import { profile } from '../../derivations/images/profile.ts'
import { rootfs } from '../../derivations/images/rootfs.ts'
import { derivation } from '../../graph/derivation.ts'

const part = (name: string) => derivation({ name, version: '1', builder: ['builtin:files'] })
const seeds = part('seeds')

const menus = {
  'the image': scriptOf(image(['a'])),
  'a disk': scriptOf(
    disk({
      ...{ version: '1', seeds, system: part('system'), mix: part('mix'), services: [] },
      ...{ repository: part('repository'), grubImages: part('grub'), commandLine: ['a'] },
      ...{ e2fsprogs: part('e2fsprogs'), utilLinux: part('util-linux') },
    }),
  ),
}
const SHELLS = ['commandLine', 'hash', 'qemuCommandLine', 'uuid', 'version']
for (const [name, script] of Object.entries(menus)) {
  test(`the menu of ${name} leaves the variables of GRUB to GRUB, not to the shell that writes it`, t => {
    const text = /boot\/grub\/grub\.cfg <<END\n([\s\S]*?)\nEND\n/.exec(script)?.[1] ?? ''
    const own = [...text.matchAll(/(\\?)\$(\w+|@)/g)]
    t.true(own.length > 8)
    for (const [, before, variable = ''] of own) {
      t.is(before, SHELLS.includes(variable) ? '' : '\\', variable)
    }
  })
}

test('an image depends on its command line, and on each of its parts', t => {
  const { env, inputs } = image(['console=ttyS0', 'quiet'])
  t.is(env.commandLine, 'console=ttyS0 quiet')
  t.deepEqual(Object.keys(inputs), ['grub', 'initramfs', 'kernel', 'repository', 'root', 'rootfs'])
})

test('a profile does not depend on the order in which its packages are named', t => {
  const [one, two] = [part('one'), part('two')]
  const of = (packages: Record<string, typeof one>) =>
    profile({ name: 'system', version: '1', packages })
  t.deepEqual(of({ one, two }), of({ two, one }))
})

test('a root file system is made of a closure, and can be packed quickly', t => {
  const system = part('system')
  const [mix, repository] = [part('mix'), part('repository')]
  const { env, inputs } = rootfs({
    ...{ version: '1', seeds, system, mix, repository },
    services: [],
    level: 1,
  })
  t.is(env.level, '1')
  t.deepEqual(inputs.closure?.derivation.builder, ['builtin:closure-info'])
  t.is(inputs.closure?.derivation.inputs.root?.derivation, system)
})

function image(commandLine: readonly string[]) {
  const [grub, kernel, initramfs] = [part('grub'), part('kernel'), part('initramfs')]
  const [rootfs, repository] = [part('rootfs'), part('repository')]
  return iso({ version: '1', seeds, grub, kernel, initramfs, rootfs, repository, commandLine })
}

function scriptOf(drv: { readonly builder: readonly string[] }): string {
  return drv.builder.at(-1) ?? ''
}
