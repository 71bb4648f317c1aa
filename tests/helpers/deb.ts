import { gzipSync, zstdCompressSync } from 'node:zlib'
import { xz } from '@napi-rs/lzma'
import { type Header, pack } from 'tar-stream'

export type TarEntry = Partial<Header> & {
  readonly name: string
  readonly content?: string | Buffer
}

/** A tar archive of those entries, however hostile. */
export async function tarOf(entries: readonly TarEntry[]): Promise<Buffer> {
  const archive = pack()
  for (const { content, ...header } of entries) {
    if (content === undefined) archive.entry(header)
    else archive.entry(header, content)
  }
  archive.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of archive) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

/** An ar archive of those members. */
export function arOf(members: Readonly<Record<string, Buffer>>): Buffer {
  const parts = Object.entries(members).flatMap(([name, bytes]) => [
    Buffer.from(
      `${name.padEnd(16)}0           0     0     100644  ${String(bytes.length).padEnd(10)}\`\n`,
    ),
    bytes,
    Buffer.from(bytes.length % 2 ? '\n' : ''),
  ])
  return Buffer.concat([Buffer.from('!<arch>\n'), ...parts])
}

const compressors = {
  '': (bytes: Buffer) => bytes,
  '.gz': (bytes: Buffer) => gzipSync(bytes),
  '.xz': (bytes: Buffer) => xz.compressSync(bytes),
  '.zst': (bytes: Buffer) => zstdCompressSync(bytes),
}

/** A Debian package with those files. */
export async function debOf(
  entries: readonly TarEntry[],
  suffix: keyof typeof compressors = '.xz',
): Promise<Buffer> {
  return arOf({
    'debian-binary': Buffer.from('2.0\n'),
    'control.tar.gz': gzipSync(await tarOf([])),
    [`data.tar${suffix}`]: compressors[suffix](await tarOf(entries)),
  })
}
