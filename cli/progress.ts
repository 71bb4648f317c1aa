import type { Done, Event } from '../store/event.ts'
import { bytes, duration, plural } from './format.ts'
import type { Terminal } from './terminal.ts'

/** Shows a run of the store as it goes: redrawn in place on a terminal, one line a step elsewhere. */
export interface Progress {
  event(event: Event): void
  close(): void
}

interface Running {
  readonly label: string
  readonly action: string
  readonly since: number
  done?: number
  total?: number
}

/** What one change of the system fetches. */
interface Transfer {
  readonly since: number
  readonly bytes: number
  readonly total: number
}

const SWITCHING = 'making the next generation'
const REDRAW_EVERY = 100
const LONGEST_AREA = 9
/** Bytes from which an object takes long enough to be told of. */
const LARGE = 10e6

export function openProgress(terminal: Terminal, now: () => number): Progress {
  const running = new Map<string, Running>()
  const counts: Record<Done, number> = { reused: 0, substituted: 0, fetched: 0, built: 0 }
  let total = 0
  let finished = 0
  let downloaded = 0
  let transfer: Transfer | undefined
  /** What a command does that takes no steps. */
  let doing: string | undefined
  const begin = now()
  let timer: NodeJS.Timeout | undefined

  const draw = (): void => {
    const line = doing ?? (transfer && describeTransfer(transfer, now()))
    if (line) {
      terminal.redraw([line])
      return
    }
    const steps = [...running.values()].slice(0, LONGEST_AREA)
    const rest = running.size - steps.length
    const lines = steps.map(step => `  ${describeStep(step, now())}`)
    if (rest > 0) lines.push(`  and ${rest} more`)
    const sum = downloaded > 0 ? `, ${bytes(downloaded)} downloaded` : ''
    lines.unshift(
      `${finished} of ${plural(total, 'step')} done in ${duration(now() - begin)}${sum}`,
    )
    terminal.redraw(lines)
  }
  const wake = (): void => {
    if (!terminal.isLive || timer) return
    timer = setInterval(draw, REDRAW_EVERY)
    timer.unref()
    draw()
  }
  return {
    event: event => {
      switch (event.type) {
        case 'planned':
          total = new Set(
            event.plan.steps.filter(step => step.action !== 'reuse').map(step => step.hash),
          ).size
          return
        case 'started':
          running.set(event.step, {
            label: event.label,
            action: VERB[event.action],
            since: event.at,
          })
          if (!terminal.isLive && event.action === 'build')
            terminal.print(`building ${event.label}`)
          wake()
          return
        case 'progress': {
          const step = running.get(event.step)
          if (!step) return
          downloaded += Math.max(0, event.done - (step.done ?? 0))
          step.done = event.done
          step.total = event.total
          return
        }
        case 'fetched':
          transfer = { since: transfer?.since ?? now(), bytes: event.bytes, total: event.total }
          wake()
          return
        case 'switching':
          doing = SWITCHING
          wake()
          return
        case 'verifying':
          doing = `read ${event.objects} of ${plural(event.total, 'object')}, ${bytes(event.bytes)}`
          wake()
          return
        case 'pushing':
          if (event.size >= LARGE) terminal.print(`pushing ${event.label} (${bytes(event.size)})`)
          return
        case 'waiting':
          terminal.print(`waiting for another process, which has ${event.label} in work`)
          return
        case 'done': {
          const step = running.get(event.step)
          running.delete(event.step)
          counts[event.how]++
          if (!step) return
          finished++
          const line = describeDone(event, step)
          if (line && !(terminal.isLive && event.how === 'fetched')) terminal.print(line)
          return
        }
        case 'failed':
          running.delete(event.step)
          return
      }
    },
    close: () => {
      clearInterval(timer)
      terminal.clear()
      const { fetched, built, substituted } = counts
      if (fetched + built + substituted < 2) return
      const sum = downloaded > 0 ? ` (${bytes(downloaded)})` : ''
      const taken = substituted > 0 ? `took ${substituted} from caches, ` : ''
      terminal.print(
        `${taken}built ${built}, fetched ${fetched}${sum} in ${duration(now() - begin)}`,
      )
      counts.fetched = counts.built = counts.substituted = 0
    },
  }
}

const VERB = {
  reuse: 'reusing',
  substitute: 'substituting',
  fetch: 'fetching',
  build: 'building',
} as const

function describeStep({ label, action, since, done, total }: Running, at: number): string {
  const of = total ? ` of ${bytes(total)}` : ''
  const size = total || done ? `  ${bytes(done ?? 0)}${of}` : ''
  return `${action} ${label}  ${duration(at - since)}${size}`
}

/** Speed and time left are as of all of it so far; at first, nothing can be told. */
function describeTransfer({ since, bytes: came, total }: Transfer, at: number): string {
  const sum = `fetched ${bytes(came)} of at most ${bytes(total)}`
  const speed = came / (at - since)
  if (at - since < 1000 || speed === 0) return sum
  return `${sum}, ${bytes(speed * 1000)}/s, ${duration(Math.max(0, total - came) / speed)} left`
}

function describeDone(
  { label, how, at }: { label: string; how: Done; at: number },
  { since, done, total }: Running,
): string {
  if (how === 'reused') return `reused ${label}: its inputs came out as before`
  const came = how === 'substituted' ? done : how === 'fetched' ? total : undefined
  const size = came ? ` (${bytes(came)})` : ''
  return `${how} ${label}${size} in ${duration(at - since)}`
}
