/** What bun.ts uses of Bun's interface to C. Addresses are numbers. */
declare module 'bun:ffi' {
  type CType = 'i32' | 'i64' | 'ptr'
  export function dlopen<Symbols>(
    library: string,
    functions: Readonly<
      Record<keyof Symbols, { readonly args: readonly CType[]; readonly returns: CType }>
    >,
  ): { readonly symbols: Symbols }
  export function ptr(bytes: Uint8Array): number
  export const read: { i32(address: number, offset?: number): number }
}
