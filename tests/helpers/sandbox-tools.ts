import type { SandboxTools } from '../../store/sandbox.ts'
import { realizedForTests } from './test-cache.ts'

/** What sandboxes are made of, as pinned. */
export function sandboxTools(): Promise<SandboxTools> {
  found ??= findTools()
  return found
}

let found: Promise<SandboxTools> | undefined

async function findTools(): Promise<SandboxTools> {
  const [bubblewrap = '', busybox = ''] = await realizedForTests((_, tools) => [
    tools.bubblewrap,
    tools.busybox,
  ])
  return { bubblewrap, busybox: `${busybox}/usr/bin/busybox` }
}
