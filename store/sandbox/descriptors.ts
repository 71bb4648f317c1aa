import type { Host } from '../host.ts'

interface Passed {
  readonly fd: number
  readonly isWritten: boolean
}

/**
 * Open files for a child process, which gets them under the numbers that `open` and `pass` return.
 * Programs and directories reach bubblewrap this way: what was opened is what is mounted, whatever
 * happens to its path meanwhile. Its standard input is empty.
 */
export class Descriptors {
  readonly #host: Host
  readonly #opened: number[] = []
  readonly #passed: Passed[] = []

  constructor(host: Host) {
    this.#host = host
  }

  /** For the child's shell, which takes the files from this process: they must stay open until it has. */
  redirections(): string {
    const taken = this.#passed.map(
      ({ fd, isWritten }, index) =>
        `${index + 1}${isWritten ? '>>' : '<'}/proc/${process.pid}/fd/${fd}`,
    )
    return ['</dev/null', ...taken].join(' ')
  }

  open(path: string, how: 'read' | 'create' = 'read'): number {
    const fd = this.#host.files.open(path, how)
    this.#opened.push(fd)
    return this.pass({ fd, isWritten: how === 'create' })
  }

  /** An open file that somebody else closes. */
  pass(file: Passed): number {
    return this.#passed.push(file)
  }

  /** Gives the child a file once more. */
  again(number: number): number {
    return this.pass(this.#passedAs(number))
  }

  /** The path of a file as the kernel has it, without symlinks. */
  pathOf(number: number): string {
    return this.#host.files.readLink(`/proc/self/fd/${this.#passedAs(number).fd}`)
  }

  close(): void {
    for (const fd of this.#opened.splice(0)) this.#host.files.close(fd)
  }

  #passedAs(number: number): Passed {
    return this.#passed[number - 1] as Passed
  }
}
