/** An argument of a system call: a number, bytes that it points to, or what the call before returned. */
export type Argument = number | bigint | string | Uint8Array | 'the result before'

export interface Call {
  readonly number: number
  readonly arguments?: readonly Argument[]
  /** As 32-bit programs call the kernel. */
  readonly isLegacy?: boolean
}

/**
 * A static x86-64 program that makes these system calls, one after the other. It exits with 0, or with the
 * error number of the first call that failed.
 */
export function probe(...calls: readonly Call[]): Buffer {
  const codeSize = calls.reduce((sum, call) => sum + codeOf(call, () => 0).length, EXIT.length)
  const data: Buffer[] = []
  let end = BASE + HEADERS + codeSize
  const place = (bytes: Uint8Array): number => {
    const at = end
    data.push(Buffer.from(bytes))
    end += bytes.length
    return at
  }
  const code = [...calls.map(call => codeOf(call, place)), EXIT]
  const body = Buffer.concat([...code, ...data])
  return Buffer.concat([headers(HEADERS + body.length), body])
}

const BASE = 0x400000
const HEADERS = 64 + 56
// xor edi, edi; mov eax, 60 (exit); syscall
const EXIT = Buffer.from('31ffb83c0000000f05', 'hex')
// test rax, rax; jns over; neg eax; mov edi, eax; mov eax, 60; syscall; over: mov rbx, rax
const CHECK = Buffer.from('4885c0790bf7d889c7b83c0000000f054889c3', 'hex')
// mov rdi|rsi|rdx|r10|r8|r9, imm64
const REGISTERS = ['48bf', '48be', '48ba', '49ba', '49b8', '49b9']

function codeOf(call: Call, place: (bytes: Uint8Array) => number): Buffer {
  const load = (argument: Argument, index: number): Buffer => {
    if (argument === 'the result before') return Buffer.from('4889df90909090909090', 'hex')
    return withNumber(REGISTERS[index] as string, wordOf(argument, place))
  }
  return Buffer.concat([
    ...(call.arguments ?? []).map(load),
    withNumber('48b8', call.number),
    Buffer.from(call.isLegacy ? 'cd80' : '0f05', 'hex'),
    CHECK,
  ])
}

function wordOf(argument: Argument, place: (bytes: Uint8Array) => number): number | bigint {
  if (typeof argument === 'string') return place(Buffer.from(`${argument}\0`))
  return argument instanceof Uint8Array ? place(argument) : argument
}

function withNumber(opcode: string, value: number | bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigUInt64LE(BigInt.asUintN(64, BigInt(value)))
  return Buffer.concat([Buffer.from(opcode, 'hex'), bytes])
}

/** Of an ELF file that is one segment: readable, writable and executable. */
function headers(size: number): Buffer {
  const bytes = Buffer.alloc(HEADERS)
  bytes.write('7f454c46020101', 0, 'hex')
  bytes.writeUInt16LE(2, 16)
  bytes.writeUInt16LE(62, 18)
  bytes.writeUInt32LE(1, 20)
  bytes.writeBigUInt64LE(BigInt(BASE + HEADERS), 24)
  bytes.writeBigUInt64LE(64n, 32)
  bytes.writeUInt16LE(64, 52)
  bytes.writeUInt16LE(56, 54)
  bytes.writeUInt16LE(1, 56)
  bytes.writeUInt32LE(1, 64)
  bytes.writeUInt32LE(7, 68)
  bytes.writeBigUInt64LE(BigInt(BASE), 80)
  bytes.writeBigUInt64LE(BigInt(BASE), 88)
  bytes.writeBigUInt64LE(BigInt(size), 96)
  bytes.writeBigUInt64LE(BigInt(size), 104)
  bytes.writeBigUInt64LE(0x1000n, 112)
  return bytes
}
