import { compareVersions } from './version.ts'

/** One alternative of a dependency, or what a package provides. */
export interface Relation {
  readonly name: string
  readonly constraint?: { readonly operator: Operator; readonly version: string }
}

type Operator = '<<' | '<=' | '=' | '>=' | '>>'

/** Reads a field such as `Depends`: `a (>= 1), b | c:any`. Throws Error for another form. */
export function parseRelations(field: string): Relation[][] {
  if (field.trim() === '') return []
  return field
    .split(',')
    .flatMap(group => (group.trim() === '' ? [] : [group.split('|').map(relation)]))
}

// Of the architecture qualifiers, only `any` and our own can be met; in one index all are.
const RELATION =
  /^\s*([a-z0-9][a-z0-9+.-]*)(?::[a-z0-9-]+)?\s*(?:\(\s*(<<|<=|=|>=|>>)\s*([^\s)]+)\s*\))?\s*$/

function relation(text: string): Relation {
  const match = RELATION.exec(text)
  if (!match) throw new Error(`${JSON.stringify(text.trim())} is no dependency`)
  const [name, operator, version] = match.slice(1) as [string, Operator?, string?]
  return operator && version ? { name, constraint: { operator, version } } : { name }
}

export function isMet({ constraint }: Relation, version: string | undefined): boolean {
  if (!constraint) return true
  if (version === undefined) return false
  const order = compareVersions(version, constraint.version)
  if (order === 0) return constraint.operator.includes('=')
  return constraint.operator.startsWith(order < 0 ? '<' : '>')
}

export function formatRelation({ name, constraint }: Relation): string {
  return constraint ? `${name} (${constraint.operator} ${constraint.version})` : name
}
