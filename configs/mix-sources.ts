import { readFileSync } from 'node:fs'
import { join, normalize } from 'node:path'

const project = join(import.meta.dirname, '..')
const ENTRY = 'cli/mix/on-bun.ts'

/**
 * The TypeScript that `mix` is compiled from, by its path in this project: what its entry imports, and what that
 * imports. Nothing else, so that a change elsewhere does not build it again.
 */
export function mixSources(): Readonly<Record<string, string>> {
  const sources: Record<string, string> = {}
  const wanted = [ENTRY]
  for (let path = wanted.pop(); path !== undefined; path = wanted.pop()) {
    if (Object.hasOwn(sources, path)) continue
    const text = readFileSync(join(project, path), 'utf8')
    sources[path] = text
    wanted.push(...importsOf(text).map(what => normalize(join(path, '..', what))))
  }
  return sources
}

// Types are gone when it is compiled, so what only brings types is not part of it.
const STATEMENT = /^(?:import|export)\s+(?!type\s)(?:[^'"`;=()]*?\sfrom\s+)?'(\.[^']+)'/gm
const DYNAMIC = /\bimport\('(\.[^']+)'\)/g

function importsOf(text: string): string[] {
  return [...text.matchAll(STATEMENT), ...text.matchAll(DYNAMIC)].map(match => match[1] as string)
}
