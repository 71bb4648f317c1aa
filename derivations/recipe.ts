/** What a recipe file of one's own imports as 'mixos'. */
export { type Derivation, derivation, type Output, output } from '../graph/derivation.ts'
export { override } from '../graph/override.ts'
export type { PackageSet } from '../graph/package-set.ts'
export { type ScriptSpec, script } from './build-support/script.ts'
export { type TextFile, textFiles } from './build-support/text-files.ts'
