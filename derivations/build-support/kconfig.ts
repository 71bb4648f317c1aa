/** Fragments of a kconfig by file name, such as `{ 'shell.config': 'CONFIG_ASH=y\n' }`. */
export type Fragments = Readonly<Record<string, string>>
