import { execFileSync } from 'node:child_process'
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import test from 'ava'
import fc from 'fast-check'
import type { Digest } from '../../graph/store-path.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { digestsIn, referenceScanner } from '../../store/references.ts'
import { tempDirectory, writeTree } from '../helpers/temp-store.ts'

const A = '0123456789abcdfghijklmnpqrsvwxyz' as Digest
const B = 'zyxwvsrqpnmlkjihgfdcba9876543210' as Digest

test('a digest is found at the beginning, in the middle and at the end', t => {
  t.deepEqual(find([A], A), [[A, 0]])
  t.deepEqual(find([A], `/mix/store/${A}-musl-1.2.5/lib`), [[A, 11]])
  t.deepEqual(find([A], `x ${A}`), [[A, 2]])
})

test('digests that follow each other without a gap are all found', t => {
  t.deepEqual(find([A, B], A + B + A), [
    [A, 0],
    [B, 32],
    [A, 64],
  ])
})

test('a digest inside a long run of digest characters is found', t => {
  t.deepEqual(find([A], `0000${A}0000`), [[A, 4]])
})

test('a digest that the scanner was not made for is not found', t => {
  t.deepEqual(find([A], B), [])
  t.deepEqual(find([], A), [])
})

test('part of a digest is not found', t => {
  t.deepEqual(find([A], A.slice(1)), [])
  t.deepEqual(find([A], A.slice(0, -1)), [])
})

test('any bytes give the same digests as a plain search at every offset', t => {
  const pieces = fc.constantFrom<string>(
    A,
    B,
    A.slice(0, 9),
    B.slice(5),
    'a',
    'e',
    '\0',
    'zzzz',
    '-',
  )
  fc.assert(
    fc.property(fc.array(pieces, { maxLength: 30 }), parts => {
      const text = parts.join('')
      t.deepEqual(find([A, B], text), plainSearch([A, B], text))
    }),
    { numRuns: 500 },
  )
})

test('in a tree, digests are found in files, across chunks, and in targets of symlinks', t => {
  const C = 'a'.repeat(32) as Digest
  const absent = 'b'.repeat(32) as Digest
  const tree = writeTree(join(tempDirectory(t), 'tree'), {
    'a/large': `${'.'.repeat((1 << 20) - 16)}${A}${'.'.repeat(3 << 20)}`,
    'a/link': { symlink: `/mix/store/${B}-x-1` },
    // Of names, nothing is a reference.
    [`a/${absent}`]: '',
    b: C,
  })
  t.deepEqual(digestsIn(nodeHost, tree, [A, B, C, absent]), new Set([A, B, C]))
  t.deepEqual(digestsIn(nodeHost, join(tree, 'b'), [A, C]), new Set([C]))
})

test('what no object may hold is passed over where digests are looked for', t => {
  const tree = writeTree(join(tempDirectory(t), 'tree'), { a: A, b: B })
  chmodSync(join(tree, 'b'), 0)
  execFileSync('mkfifo', [join(tree, 'fifo')])
  writeFileSync(Buffer.concat([Buffer.from(`${tree}/`), Buffer.from([0xff])]), '')
  t.deepEqual(digestsIn(nodeHost, tree, [A, B]), new Set([A]))
})

function find(digests: readonly Digest[], text: string): [Digest, number][] {
  const found: [Digest, number][] = []
  referenceScanner(digests).scan(Buffer.from(text), (digest, offset) =>
    found.push([digest, offset]),
  )
  return found
}

function plainSearch(digests: readonly Digest[], text: string): [Digest, number][] {
  const found: [Digest, number][] = []
  for (let at = 0; at < text.length; ) {
    const digest = digests.find(digest => text.startsWith(digest, at))
    if (digest) found.push([digest, at])
    at += digest ? digest.length : 1
  }
  return found
}
