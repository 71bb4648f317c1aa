import { StringDecoder } from 'node:string_decoder'
import { command } from 'cmd-ts'
import { labelOf } from '../../graph/derivation.ts'
import { MixosError } from '../../graph/error.ts'
import { hashDerivation } from '../../graph/hash.ts'
import type { Files } from '../../store/host.ts'
import { logPath } from '../../store/realize/logs.ts'
import { fileOption, jsonFlag, name } from '../args.ts'
import { type Context, requireHome } from '../context.ts'
import { loadPackages, realizeCommand } from '../recipes.ts'
import type { Answer } from '../report.ts'
import { printable } from '../terminal.ts'

export function log(context: Context) {
  return command({
    name: 'log',
    description: 'print what the last build of a package printed',
    args: { name: name('the package'), json: jsonFlag, file: fileOption },
    examples: [{ description: "the kernel's build", command: 'mixos log kernel | less' }],
    handler: async ({ name, json, file }): Promise<Answer> => {
      const drv = (await loadPackages(context, { file })).get(name)
      const store = await requireHome(context)
      const hash = hashDerivation(drv)
      const path = logPath(store, hash)
      const { files } = store.host
      if (files.lstat(path)) {
        if (!json) return { text: linesOf(files, path), record: { path } }
        return { text: '', record: { path, text: files.read(path)?.toString() } }
      }
      const command = realizeCommand([name], { file })
      const [why, hint] = store.trace(hash)
        ? [
            'it came from a cache, or from an earlier build of the same inputs',
            `build it once more with: ${command} --check`,
          ]
        : ['it was not built here', `build it with: ${command}`]
      throw new MixosError('OBJECT_UNKNOWN', `there is no log of ${labelOf(drv)}: ${why}`, { hint })
    },
  })
}

const PIECE = 1 << 20

/** In pieces, since a log may be long, that end where a line does, since it is lines that are made safe to print. */
function* linesOf(files: Files, path: string): Generator<string> {
  const fd = files.open(path, 'read')
  try {
    const buffer = Buffer.allocUnsafe(PIECE)
    const decoder = new StringDecoder()
    let open = ''
    for (;;) {
      const length = files.readInto(fd, buffer)
      if (length === 0) break
      open += decoder.write(buffer.subarray(0, length))
      const end = open.lastIndexOf('\n') + 1
      // A line that is longer than that is cut.
      const whole = end > 0 || open.length < PIECE ? end : open.length
      yield printable(open.slice(0, whole))
      open = open.slice(whole)
    }
    yield printable(open + decoder.end())
  } finally {
    files.close(fd)
  }
}
