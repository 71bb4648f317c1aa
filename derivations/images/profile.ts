import type { Derivation } from '../../graph/derivation.ts'
import { script } from '../build-support/script.ts'

export interface ProfileSpec {
  readonly name: string
  readonly version: string
  readonly seeds: Derivation
  /** What is installed, by a name that is also an input's. */
  readonly packages: Readonly<Record<string, Derivation>>
}

/**
 * A profile: one tree of links into everything that is installed. Programs, from `bin` or `sbin`, are all
 * in `bin`; `etc`, `libexec` and `share` keep their shape. Two packages that have the same file
 * cannot be in one profile.
 */
export function profile({ name, version, seeds, packages }: ProfileSpec): Derivation {
  return script({
    name,
    version,
    root: seeds,
    inputs: packages,
    env: { packages: Object.keys(packages).sort().join(' ') },
    script: build,
  })
}

// A package may have sbin as a link to its bin.
const build = `
mkdir -p "$out/bin"
for package in $packages; do
  tree=\${!package}
  cd "$tree"
  for top in bin sbin etc libexec share; do
    [ -d $top ] && [ ! -L $top ] || continue
    find $top -type d | while read -r directory; do
      to=$out/$directory
      case $directory in sbin*) to=$out/bin\${directory#sbin} ;; esac
      mkdir -p "$to"
      find "$tree/$directory" -mindepth 1 -maxdepth 1 ! -type d -exec ln -s -t "$to" {} + || {
        echo "error: $package brings files that another package of the profile has too" >&2
        exit 1
      }
    done
  done
done
`
