/**
 * A line of shell that applies patches of Debian's to the unpacked source, in their order: of `$patches`, those whose
 * names match, or do not match, an extended regular expression. Its own changes stay out; what fixes the source is
 * wanted, also what a later pin adds.
 */
export function applyPatches(
  choice: { readonly only: string } | { readonly except: string },
): string {
  const filter = 'only' in choice ? `-E '^(${choice.only})'` : `-Ev '^(#|${choice.except})'`
  return `
tar -xf "$patches"
for patch in $(grep ${filter} debian/patches/series); do
  patch -s -p1 <"debian/patches/$patch"
done
`
}
