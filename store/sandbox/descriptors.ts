import type { Host } from '../host.ts'

/**
 * Open files for a child process, which gets them under the numbers that `open` and `pass` return.
 * Programs and directories reach bubblewrap this way: what was opened is what is mounted, whatever
 * happens to its path meanwhile. Its standard input is empty.
 */
export class Descriptors {
  readonly #host: Host
  readonly #opened: number[] = []
  readonly #passed: (number | 'ignore')[] = ['ignore']

  constructor(host: Host) {
    this.#host = host
  }

  /** For `stdio` of spawn. */
  get passed(): (number | 'ignore')[] {
    return this.#passed
  }

  open(path: string, how: 'read' | 'create' = 'read'): number {
    const fd = this.#host.files.open(path, how)
    this.#opened.push(fd)
    return this.pass(fd)
  }

  /** An open file that somebody else closes. */
  pass(fd: number): number {
    return this.#passed.push(fd) - 1
  }

  /** Gives the child a file of its own once more. */
  again(number: number): number {
    return this.#passed.push(this.#passed[number] as number) - 1
  }

  /** The path of a file as the kernel has it, without symlinks. */
  pathOf(number: number): string {
    return this.#host.files.readLink(`/proc/self/fd/${this.#passed[number]}`)
  }

  close(): void {
    for (const fd of this.#opened.splice(0)) this.#host.files.close(fd)
  }
}
