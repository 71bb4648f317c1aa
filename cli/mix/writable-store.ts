import { once } from 'node:events'
import { MixosError } from '../../graph/error.ts'
import type { MixContext } from './context.ts'

const MARK = 'MIX_STORE_IS_WRITABLE'

/**
 * The store is mounted read-only, for every process but one that adds to it: this runs the
 * program once more, where that mount is gone, and resolves with how that ended. A mount that
 * may be written to would not do, since nothing can be moved into it from beside it. Undefined
 * where the store can be written to as it is. Throws STORE_READ_ONLY for who may not do that,
 * and STEP_FAILED where a signal ended it.
 */
export async function rerunWithWritableStore({
  host,
  root,
  environment,
  argv,
}: MixContext): Promise<number | undefined> {
  if (
    environment[MARK] ||
    !isReadOnly(host.files.read('/proc/mounts')?.toString(), `${root}/store`)
  ) {
    return undefined
  }
  if (host.processes.uid !== 0) {
    throw new MixosError('STORE_READ_ONLY', 'only root can change the system', {
      hint: 'run it as root',
    })
  }
  // Lazily, since this very shell comes from there.
  const unmount = 'umount -l "$0" && exec "$@"'
  const program = ['-m', '/bin/sh', '-c', unmount, `${root}/store`, process.execPath, ...argv]
  const child = host.processes.spawn('/bin/unshare', program, {
    stdio: 'inherit',
    env: { ...environment, [MARK]: '1' },
  })
  // A terminal interrupts both; told twice, the other one would end at once, and leave what it does half done.
  const passOn = (): void => void child.kill('SIGTERM')
  process.on('SIGTERM', passOn)
  const [code, signal] = await once(child, 'close')
    .catch(cause => {
      throw new MixosError('STORE_READ_ONLY', 'cannot run /bin/unshare', {
        hint: 'go back to a state of the system that has it, with: mix rollback',
        cause,
      })
    })
    .finally(() => process.off('SIGTERM', passOn))
  if (code !== null) return code
  const why = signal === 'SIGKILL' ? 'perhaps there was too little memory: see dmesg; ' : ''
  throw new MixosError('STEP_FAILED', `mix ${argv[0]} was ended by ${signal}`, {
    hint: `${why}run it again: what was interrupted is completed or undone first`,
  })
}

function isReadOnly(mounts: string | undefined, path: string): boolean {
  const line = mounts?.split('\n').findLast(mount => mount.split(' ')[1] === path)
  return line?.split(' ')[3]?.split(',').includes('ro') ?? false
}
