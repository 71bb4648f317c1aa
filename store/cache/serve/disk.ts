/** Reading files without making others wait, which the calls of Files would. */
export interface Disk {
  /**
   * Undefined where there is no regular file of that name below the directory; symlinks are not followed,
   * neither in the directories on the way. Throws Node's own error where that cannot be told.
   */
  open(directory: string, path: string): Promise<OpenFile | undefined>
}

export interface OpenFile {
  readonly size: number
  /** Differs between any two files that ever had that name. */
  readonly version: string
  /** Bytes read, 0 at the end. */
  read(buffer: Uint8Array, position: number): Promise<number>
  close(): void
}
