/**
 * A small assembler for the classic BPF that seccomp runs: `struct sock_filter` of linux/filter.h over
 * `struct seccomp_data` of linux/seccomp.h, for x86-64 only.
 */

/** A test on one argument of a system call, of which the kernel reads the low 32 bits. */
export type Test =
  | { readonly kind: 'any-bit'; readonly argument: number; readonly mask: number }
  | {
      readonly kind: 'equal'
      readonly argument: number
      readonly mask: number
      readonly value: number
    }
  | { readonly kind: 'none-of'; readonly argument: number; readonly values: readonly number[] }

/** Fails a system call with `errno` where all tests hold; without tests, always. */
export interface Rule {
  /** The number of the system call. */
  readonly call: number
  readonly errno: number
  readonly tests: readonly Test[]
}

/**
 * The program for `struct sock_fprog`. Calls that no rule names are allowed, and of several rules for a
 * call the first that holds counts. Another architecture's calls kill the process, since their numbers
 * mean something else; x32's are answered like a kernel without x32 does.
 */
export function assemble(rules: readonly Rule[], { enosys }: { enosys: number }): Buffer {
  const byCall = Map.groupBy(rules, rule => rule.call)
  const program = [
    load(ARCHITECTURE),
    jump(EQUAL, AUDIT_ARCH_X86_64, 1, 0),
    answer(KILL_PROCESS),
    load(NUMBER),
    jump(AT_LEAST, X32_BIT, 0, 1),
    answer(ERRNO | enosys),
    ...[...byCall].flatMap(([call, its]) => {
      const body = [...its.flatMap(refusal), answer(ALLOW)]
      return [jump(EQUAL, call, 0, body.length), ...body]
    }),
    answer(ALLOW),
  ]
  return Buffer.concat(program.map(encode))
}

interface Instruction {
  readonly code: number
  readonly yes: number
  readonly no: number
  readonly value: number
}

// BPF_LD|BPF_W|BPF_ABS, BPF_ALU|BPF_AND|BPF_K, BPF_RET|BPF_K and the BPF_JMP family.
const LOAD = 0x20
const AND = 0x54
const RETURN = 0x06
const EQUAL = 0x15
const AT_LEAST = 0x35
const ANY_BIT = 0x45

// Offsets into seccomp_data; an argument's low half comes first.
const NUMBER = 0
const ARCHITECTURE = 4
const ARGUMENTS = 16

const AUDIT_ARCH_X86_64 = 0xc000003e
const X32_BIT = 0x40000000
const ALLOW = 0x7fff0000
const ERRNO = 0x00050000
const KILL_PROCESS = 0x80000000

const load = (offset: number): Instruction => ({ code: LOAD, yes: 0, no: 0, value: offset })
const answer = (value: number): Instruction => ({ code: RETURN, yes: 0, no: 0, value })
const jump = (code: number, value: number, yes: number, no: number): Instruction => {
  if (yes > 255 || no > 255) throw new Error('a jump of the system call filter is too long')
  return { code, yes, no, value }
}

/** Falls through to what follows it unless every test holds. */
function refusal({ errno, tests }: Rule): Instruction[] {
  let code = [answer(ERRNO | errno)]
  for (const test of tests.toReversed()) code = [...check(test, code.length), ...code]
  return code
}

/** Skips `length` instructions where the test does not hold. */
function check(test: Test, length: number): Instruction[] {
  const argument = load(ARGUMENTS + 8 * test.argument)
  if (test.kind === 'any-bit') return [argument, jump(ANY_BIT, test.mask, 0, length)]
  if (test.kind === 'equal') {
    const mask = { code: AND, yes: 0, no: 0, value: test.mask }
    return [argument, mask, jump(EQUAL, test.value, 0, length)]
  }
  const last = test.values.length - 1
  const comparisons = test.values.map((value, i) => jump(EQUAL, value, last - i + length, 0))
  return [argument, ...comparisons]
}

function encode({ code, yes, no, value }: Instruction): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeUInt16LE(code, 0)
  bytes.writeUInt8(yes, 2)
  bytes.writeUInt8(no, 3)
  bytes.writeUInt32LE(value >>> 0, 4)
  return bytes
}
