import { MixosError } from '../../../graph/error.ts'
import type { BinaryPackage, PackageIndex } from './packages.ts'
import { formatRelation, isMet, parseRelations, type Relation } from './relation.ts'

/**
 * The packages that were asked for and all they depend on, sorted by name; what they recommend is left
 * out. Of alternatives, one that is in already is taken, else the first that exists; a virtual package
 * is its most wanted provider. Throws NAME_UNKNOWN for a package that the index lacks, and LOCK_OUTDATED
 * for a dependency that nothing meets.
 */
export function resolve(index: PackageIndex, roots: readonly string[]): BinaryPackage[] {
  const chosen = new Map<string, BinaryPackage>()
  const queue: BinaryPackage[] = []
  const choose = (binary: BinaryPackage): void => {
    if (chosen.has(binary.name)) return
    chosen.set(binary.name, binary)
    queue.push(binary)
  }
  // All roots before any dependency, so that they decide between alternatives.
  for (const root of [...roots].sort()) choose(rootOf(index, root))
  for (let binary = queue.shift(); binary; binary = queue.shift()) {
    for (const alternatives of parseRelations(binary.depends)) {
      const candidates = alternatives.flatMap(relation => candidatesFor(index, relation))
      const candidate = candidates.find(({ name }) => chosen.has(name)) ?? candidates[0]
      if (!candidate) throw unmet(binary, alternatives)
      choose(candidate)
    }
  }
  return [...chosen.values()].sort((a, b) => (a.name < b.name ? -1 : 1))
}

function rootOf(index: PackageIndex, name: string): BinaryPackage {
  const binary = index.byName.get(name)
  if (binary) return binary
  throw new MixosError('NAME_UNKNOWN', `the package index has no ${JSON.stringify(name)}`, {
    hint: 'correct the seed in configs/pins.ts',
  })
}

function candidatesFor({ byName, providers }: PackageIndex, relation: Relation): BinaryPackage[] {
  const real = byName.get(relation.name)
  const found = real && isMet(relation, real.version) ? [real] : []
  const virtual = (providers.get(relation.name) ?? []).filter(({ provides }) =>
    provides.some(
      ({ name, constraint }) => name === relation.name && isMet(relation, constraint?.version),
    ),
  )
  return [...found, ...virtual]
}

function unmet(binary: BinaryPackage, alternatives: readonly Relation[]): MixosError {
  const wanted = alternatives.map(formatRelation).join(' | ')
  return new MixosError(
    'LOCK_OUTDATED',
    `nothing in the package index meets ${wanted}, which ${binary.name} needs`,
    {
      hint: 'the index is inconsistent: try again later, or from another mirror',
    },
  )
}
