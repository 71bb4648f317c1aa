import { main } from '../../cli/mix.ts'
import { nodeHost } from '../../store/hosts/node.ts'

// `mix` on a machine whose store is mounted read-only, as far as it can see, and where no program can be started; or where
// that is a shell with the script in $INSTEAD.
const mounts = `none ${process.env.MIX_ROOT}/store none ro,nosuid 0 0\n`
const read = (path: string): Buffer | undefined =>
  path === '/proc/mounts' ? Buffer.from(mounts) : nodeHost.files.read(path)
const { INSTEAD } = process.env
const spawn: typeof nodeHost.processes.spawn = (_, args, options) =>
  INSTEAD === undefined
    ? nodeHost.processes.spawn('/nowhere/program', args, options)
    : nodeHost.processes.spawn('/bin/sh', ['-c', INSTEAD], options)

await main({
  ...nodeHost,
  files: { ...nodeHost.files, read },
  processes: { ...nodeHost.processes, spawn, uid: 0 },
})
