/** A state of the system that the boot menu offers. */
export interface BootEntry {
  /** Of its generation. */
  readonly number: number
  /** What made it, in words. */
  readonly title: string
}

export interface BootMenu {
  readonly entries: readonly BootEntry[]
  /** The generation to start. */
  readonly current: number
  /** Differs from the last menu's where the current generation may be tried once more. */
  readonly attempt: string
}

/**
 * The part of GRUB's configuration that changes with the system: newest first, an entry for each generation, which
 * calls the function `start` with its number. What a title holds beside plain characters is left out, since
 * it would be part of the script.
 */
export function formatBootMenu({ entries, current, attempt }: BootMenu): string {
  const lines = [...entries]
    .sort((a, b) => b.number - a.number)
    .map(({ number, title }) => {
      const plain = title.replaceAll(/[^a-zA-Z0-9 .,:=<>~+_@/-]/g, '').slice(0, 60)
      return `menuentry 'Generation ${number}: ${plain}' --id generation-${number} { start ${number} }\n`
    })
  return `# Written at each change of the system.\nset current=${current}\nset attempt=${attempt}\n${lines.join('')}`
}
