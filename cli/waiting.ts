import type { Report } from '../store/event.ts'

/** What a command that wants the store for itself says while others use it. */
export function waitingForOthers({ report }: { readonly report: Report }): () => void {
  return () =>
    report({ type: 'warning', message: 'waiting for other processes that use the store' })
}
