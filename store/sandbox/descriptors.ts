import { quoted } from './spawner.ts'

/**
 * Files for a command, which gets them open under the numbers that `open` returns. Programs and directories reach
 * bubblewrap this way: what was opened is what is mounted, whatever happens to its path meanwhile. Its standard
 * input is empty.
 */
export class Descriptors {
  readonly #redirections: string[] = ['</dev/null']

  open(path: string, how: 'read' | 'append' = 'read'): number {
    const number = this.#redirections.length
    this.#redirections.push(`${number}${how === 'read' ? '<' : '>>'}${quoted([path])}`)
    return number
  }

  /** All of them but the standard ones. */
  numbers(): number[] {
    return [...this.#redirections.keys()].slice(3)
  }

  /** For the shell that runs the command. */
  redirections(): string {
    return this.#redirections.join(' ')
  }
}
