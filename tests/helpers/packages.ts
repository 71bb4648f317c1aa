import type { Candidate } from '../../graph/solver.ts'

/** `nginx 1.26: pcre2>=10.40; openssl` for each package. */
export function packagesOf(...lines: readonly string[]): readonly Candidate[] {
  return lines.map(line => {
    const [label = '', dependencies = ''] = line.split(':')
    const [name = '', version = ''] = label.split(' ')
    const texts = dependencies.split(';').map(text => text.trim())
    return { name, version, dependencies: texts.filter(text => text !== '') }
  })
}

export const labelOf = ({ name, version }: { name: string; version: string }): string =>
  `${name} ${version}`
