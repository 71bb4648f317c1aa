import type { Stats } from 'node:fs'
import test from 'ava'
import { MixosError } from '../../../graph/error.ts'
import type { Host } from '../../../store/host.ts'
import { nodeHost } from '../../../store/hosts/node.ts'
import { unavailable } from '../../../store/sandbox/unavailable.ts'
import { mustDrop } from '../../../store/sandbox/unprivileged.ts'

const REFUSED = 'No permissions to create a new namespace'

test('where AppArmor restricts user namespaces, the hint allows them', t => {
  const host = machine({ '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n' })
  const error = unavailable(host, 'setting up uid map: Permission denied')
  t.is(error.code, 'SANDBOX_UNAVAILABLE')
  t.regex(error.message, /cannot start: setting up uid map: Permission denied/)
  t.regex(error.hint ?? '', /sysctl -w kernel\.apparmor_restrict_unprivileged_userns=0/)
})

test('where the kernel keeps user namespaces for root, the hint allows them', t => {
  const host = machine({ '/proc/sys/kernel/unprivileged_userns_clone': '0\n' })
  t.regex(unavailable(host, REFUSED).hint ?? '', /kernel\.unprivileged_userns_clone=1/)
})

test('where user namespaces are turned off, the hint turns them on', t => {
  const host = machine({ '/proc/sys/user/max_user_namespaces': '0\n' })
  const message = 'Creating new namespace failed: nesting depth exceeded (ENOSPC)'
  t.regex(unavailable(host, message).hint ?? '', /sysctl -w user\.max_user_namespaces=/)
})

test('in a container that may not make namespaces, the hint is how to start it', t => {
  const host = machine({ '/.dockerenv': '' })
  t.regex(unavailable(host, REFUSED).hint ?? '', /docker run .*seccomp=unconfined/)
})

test('another reason is told without a hint that would lead astray', t => {
  const host = machine({ '/proc/sys/kernel/apparmor_restrict_unprivileged_userns': '1\n' })
  t.is(unavailable(host, 'Exceeded maximum number of arguments 9000').hint, undefined)
})

test('root becomes another user where it can', t => {
  t.true(mustDrop(machine({ '/proc/self/uid_map': '         0          0 4294967295\n' }, 0)))
  t.true(mustDrop(machine({ '/proc/self/uid_map': '0 100000 65536\n' }, 0)))
})

test('the root of a user namespace that holds one ordinary user stays that user', t => {
  t.false(mustDrop(machine({ '/proc/self/uid_map': '0 1000 1\n' }, 0)))
})

test('root that cannot become another user gets no sandbox', t => {
  const error = t.throws(() => mustDrop(machine({ '/proc/self/uid_map': '0 0 1\n' }, 0)), {
    instanceOf: MixosError,
    code: 'SANDBOX_UNAVAILABLE',
  })
  t.regex(error?.hint ?? '', /59000 to 59999/)
})

test('an ordinary user stays who it is', t => {
  t.false(mustDrop(machine({}, 1000)))
})

/** A machine that has these files and no others. */
function machine(files: Readonly<Record<string, string>>, uid = 1000): Host {
  const content = (path: string): Buffer | undefined =>
    Object.hasOwn(files, path) ? Buffer.from(files[path] as string) : undefined
  return {
    ...nodeHost,
    processes: { ...nodeHost.processes, uid },
    files: {
      ...nodeHost.files,
      read: content,
      lstat: path => (content(path) ? ({} as Stats) : undefined),
    },
  }
}
