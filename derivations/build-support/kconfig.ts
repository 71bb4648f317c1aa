import { MixosError } from '../../graph/error.ts'

/** Fragments of a kconfig by file name, such as `{ 'shell.config': 'CONFIG_ASH=y\n' }`. */
export type Fragments = Readonly<Record<string, string>>

/**
 * What fragments of a kernel configuration ask for, one `CONFIG_NAME=value` a line, sorted by name. `n` means off, as
 * does `# CONFIG_NAME is not set`. A later fragment overrides an earlier one, so a system changes an option
 * by adding a fragment.
 *
 * Comments are left behind: a better reason does not rebuild a kernel.
 */
export function requestedOptions(fragments: Fragments): string {
  const options = new Map<string, string>()
  for (const [name, text] of Object.entries(fragments)) {
    const seen = new Set<string>()
    for (const [index, line] of text.split('\n').entries()) {
      const option = parseLine(line, `${name}:${index + 1}`)
      if (!option) continue
      if (seen.has(option.name))
        throw invalid(`${name}:${index + 1}: ${option.name} stands here twice`)
      seen.add(option.name)
      options.set(option.name, option.value)
    }
  }
  const names = [...options.keys()].sort()
  return names.map(name => `${name}=${options.get(name)}\n`).join('')
}

function parseLine(line: string, place: string): { name: string; value: string } | undefined {
  const off = /^# (CONFIG_\w+) is not set$/.exec(line)
  if (off) return { name: off[1] as string, value: 'n' }
  if (line.trim() === '' || line.startsWith('#')) return undefined
  const set = /^(CONFIG_\w+)=(y|n|-?\d+|0x[0-9a-fA-F]+|"[^"]*")$/.exec(line)
  if (set) return { name: set[1] as string, value: set[2] as string }
  throw invalid(`${place}: not an option: ${JSON.stringify(line)}`)
}

function invalid(problem: string): MixosError {
  return new MixosError('RECIPE_INVALID', `kernel configuration: ${problem}`, {
    hint: 'write CONFIG_NAME=y, =n, =number or ="text"; there are no modules, so =m has no meaning',
  })
}
