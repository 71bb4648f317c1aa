const actions = new WeakMap<AbortSignal, Set<() => void>>()

/**
 * Runs `action` when the signal is aborted, until what is returned is called. Thousands of requests share a
 * signal, and adding a listener of its own for each takes longer the more there are.
 */
export function onAbort(signal: AbortSignal, action: () => void): () => void {
  const known = actions.get(signal) ?? listen(signal)
  known.add(action)
  return () => void known.delete(action)
}

function listen(signal: AbortSignal): Set<() => void> {
  const known = new Set<() => void>()
  actions.set(signal, known)
  signal.addEventListener('abort', () => {
    for (const action of [...known]) action()
  })
  return known
}
