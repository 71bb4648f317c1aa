import { packPath } from '../layout.ts'
import type { PackNeed } from './check-upload.ts'
import type { Disk } from './disk.ts'

export interface Refusal {
  /** 409 where the same may be right later, 422 where it never is. */
  readonly status: 409 | 422
  readonly reason: string
}

/** Says why an index cannot be taken by its packs: undefined where each of them is here, and as long as it needs. */
export async function refusalByPacks(
  needs: readonly PackNeed[],
  { disk, directory }: { readonly disk: Disk; readonly directory: string },
): Promise<Refusal | undefined> {
  for (const { pack, bytes } of needs) {
    const file = await disk.open(directory, packPath(pack))
    file?.close()
    if (!file) return { status: 409, reason: `it needs the pack ${pack}, which is not here` }
    if (bytes > file.size) {
      const reason = `it needs ${bytes} bytes of the pack ${pack}, which has ${file.size}`
      return { status: 422, reason }
    }
  }
  return undefined
}
