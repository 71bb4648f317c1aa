import { join } from 'node:path'
import { absolute, digestOfPath } from '../../graph/store-path.ts'
import { objectClosure } from '../object-closure.ts'
import type { Builtin } from './builtin.ts'

/** What the inputs and all they refer to are: `paths`, one a line, and their records under `db/objects`. */
export const closureInfo: Builtin = async ({ store, inputs, target }) => {
  const { files } = store.host
  const closure = [...objectClosure(store, Object.values(inputs))].sort()
  const records = join(target, 'db', 'objects')
  files.makeDirectory(records)
  files.writeNew(join(target, 'paths'), closure.map(path => `${absolute(path)}\n`).join(''))
  for (const path of closure) {
    const digest = digestOfPath(path)
    const record = files.read(store.layout.record(digest))
    if (!record) throw new Error(`${path} lost its record`)
    files.writeNew(join(records, `${digest}.json`), record)
  }
}
