/** What one client, or all together, may take. Times in milliseconds. */
export interface ServeLimits {
  readonly connections: number
  readonly connectionsPerAddress: number
  /** Of the head of a request. */
  readonly headerBytes: number
  /** From a connection to its first whole head of a request. */
  readonly headersTimeout: number
  /** How long a connection may wait for its next request. */
  readonly idleTimeout: number
  /** How long a transfer may go without moving. As long as it moves, it may take its time. */
  readonly stallTimeout: number
  /** How long requests may still run when the server closes. */
  readonly closeTimeout: number
  /** Large uploads at a time: each is held in memory. The others wait for their turn. */
  readonly uploads: number
  /** For such a turn. Who waits longer is told to come again: to clients, an upload that nobody reads has stalled. */
  readonly uploadWait: number
  readonly packBytes: number
  readonly indexBytes: number
}

export const DEFAULT_LIMITS: ServeLimits = {
  connections: 256,
  connectionsPerAddress: 64,
  headerBytes: 16 << 10,
  headersTimeout: 10_000,
  idleTimeout: 15_000,
  stallTimeout: 30_000,
  closeTimeout: 1000,
  uploads: 4,
  uploadWait: 10_000,
  packBytes: 64 << 20,
  indexBytes: 64 << 20,
}

/** Where so many connections may come from one address. */
export function limitsFor(connectionsPerAddress: number): Partial<ServeLimits> {
  const connections = Math.max(DEFAULT_LIMITS.connections, connectionsPerAddress)
  return { connections, connectionsPerAddress }
}
