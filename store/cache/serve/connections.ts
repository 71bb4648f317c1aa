import type { Socket } from 'node:net'
import { type Turnstile, turnstile } from '../storages/http-turns.ts'
import { aging } from './aging.ts'
import type { ServeLimits } from './limits.ts'

export interface Connection {
  readonly socket: Socket
  readonly address: string
  /** Requests that are not answered yet. */
  running: number
  /** Who asks for many files over one connection gets few at a time: each takes memory until it is sent. */
  readonly turns: Turnstile
  /** Lets it go when what runs has ended. */
  finish(): void
}

/** Who is connected. Where there are too many, those go that keep a place without asking for anything. */
export interface Connections {
  /** Takes a new one, or destroys it. */
  admit(socket: Socket): void
  /** By the addresses of its ends, since what HTTP/2 and TLS show is not the socket itself. */
  of(socket: Pick<Socket, 'remoteAddress' | 'remotePort'>): Connection | undefined
  begin(connection: Connection): void
  end(connection: Connection): void
  /** From now on, each goes when nothing runs on it. Resolves when all are gone. */
  finish(): Promise<void>
  destroy(): void
}

const TURNS = 8
// HTTP/2 has a limit of its own, below this one; with HTTP/1, requests may be sent ahead of their answers.
const RUNNING = 128

export function connectionTable(limits: ServeLimits): Connections {
  const all = new Map<string, Connection>()
  const perAddress = new Map<string, number>()
  const destroy = ({ socket }: Connection): void => void socket.destroy()
  /** Without any request yet. */
  const fresh = aging(limits.headersTimeout, destroy)
  // Node ends those that wait, by the idle timeout that it tells clients; it leaves those to us that have begun
  // a request and do not finish its head.
  const idle = aging(limits.idleTimeout + limits.headersTimeout, destroy)
  const emptied = Promise.withResolvers<void>()
  let isClosing = false

  return {
    admit: socket => {
      const key = keyOf(socket)
      const address = socket.remoteAddress
      if (isClosing || address === undefined || !hasPlace(address)) return void socket.destroy()
      const connection: Connection = {
        socket,
        address,
        running: 0,
        turns: turnstile(TURNS),
        finish: () => void socket.end(),
      }
      all.set(key, connection)
      perAddress.set(address, countOf(address) + 1)
      fresh.renew(connection)
      socket.once('close', () => forget(key, connection))
    },
    of: socket => all.get(keyOf(socket)),
    begin: connection => {
      connection.running++
      fresh.delete(connection)
      idle.delete(connection)
      if (connection.running > RUNNING) destroy(connection)
    },
    end: connection => {
      connection.running--
      if (connection.running > 0 || connection.socket.destroyed) return
      idle.renew(connection)
      if (isClosing) connection.finish()
    },
    finish: () => {
      isClosing = true
      for (const connection of all.values()) if (connection.running === 0) connection.finish()
      if (all.size === 0) emptied.resolve()
      return emptied.promise
    },
    destroy: () => {
      fresh.stop()
      idle.stop()
      for (const connection of all.values()) destroy(connection)
    },
  }

  /** True where one more may come from there, perhaps after another has been sent away. */
  function hasPlace(address: string): boolean {
    const isCrowd = countOf(address) >= limits.connectionsPerAddress
    if (!isCrowd && all.size < limits.connections) return true
    const among = isCrowd ? address : undefined
    const victim = victimOf(fresh, among) ?? victimOf(idle, among)
    if (!victim) return false
    // Not when it has closed: its place is needed now.
    forget(keyOf(victim.socket), victim)
    destroy(victim)
    return true
  }

  /** From where most come, so that one who is alone is not driven out by a crowd; there, the oldest. */
  function victimOf(
    silent: Iterable<Connection>,
    address: string | undefined,
  ): Connection | undefined {
    let victim: Connection | undefined
    for (const connection of silent) {
      if (address !== undefined && connection.address !== address) continue
      const isMore = !victim || countOf(connection.address) > countOf(victim.address)
      if (isMore) victim = connection
    }
    return victim
  }

  function forget(key: string, connection: Connection): void {
    if (all.get(key) !== connection) return
    all.delete(key)
    const count = countOf(connection.address) - 1
    if (count > 0) perAddress.set(connection.address, count)
    else perAddress.delete(connection.address)
    fresh.delete(connection)
    idle.delete(connection)
    if (isClosing && all.size === 0) emptied.resolve()
  }

  function countOf(address: string): number {
    return perAddress.get(address) ?? 0
  }
}

function keyOf({
  remoteAddress,
  remotePort,
}: Pick<Socket, 'remoteAddress' | 'remotePort'>): string {
  return `${remoteAddress} ${remotePort}`
}
