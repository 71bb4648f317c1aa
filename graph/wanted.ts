/** What is to be pinned. */
export interface Wanted {
  /** Of Debian. */
  readonly suite: string
  readonly keyFingerprints: readonly string[]
  /** The packages wanted in each seed, without what they depend on. */
  readonly seeds: Readonly<Record<string, readonly string[]>>
  readonly sources: Readonly<Record<string, Source>>
}

/** A source of a given version, or the one that Debian's suite has. */
export type Source =
  | { readonly version: string; readonly urls: readonly string[] }
  | {
      /** The source package. */
      readonly debian: string
      /** How the wanted file of it ends, such as `.orig.tar.xz`. */
      readonly file: string
      /** Where upstream serves the same bytes; `{version}` stands for the version. Tried first. */
      readonly urls?: readonly string[]
    }
