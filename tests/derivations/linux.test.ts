import test, { type ExecutionContext } from 'ava'
import { checkOptions } from '../../derivations/kernel/linux.ts'
import { sandboxed } from '../helpers/sandboxed.ts'

const KNOWN = 'CONFIG_A\nCONFIG_B\nCONFIG_C\nCONFIG_TEXT\n'
const CONFIG = 'CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_TEXT="a=b"\n'

test('a kernel that has every requested option is built', async t => {
  const requested = 'CONFIG_A=y\nCONFIG_B=n\nCONFIG_C=n\nCONFIG_TEXT="a=b"\n'
  t.deepEqual(await checked(t, requested), { code: 0, output: '' })
})

test('a kernel without all requested options is not built, and each is named with both values', async t => {
  const requested =
    'CONFIG_A=n\nCONFIG_B=y\nCONFIG_C=y\nCONFIG_GONE=y\nCONFIG_OLD=n\nCONFIG_TEXT="a=c"\n'
  t.deepEqual(await checked(t, requested), {
    code: 1,
    output: `error: CONFIG_A: requested n, actual y
error: CONFIG_B: requested y, actual n
error: CONFIG_C: requested y, actual n
error: CONFIG_GONE: requested y, actual unknown to this version
error: CONFIG_OLD: requested n, actual unknown to this version
error: CONFIG_TEXT: requested "a=c", actual "a=b"
`,
  })
})

/** What the kernel's build does with these requested options. */
async function checked(t: ExecutionContext, requested: string) {
  const env = { PATH: '/bin', program: checkOptions, known: KNOWN, config: CONFIG, requested }
  const { code, output } = await sandboxed(
    t,
    `printf '%s' "$known" >known; printf '%s' "$config" >.config; printf '%s' "$requested" >requested
    awk -F= "$program" known .config requested`,
    { env },
  )
  return { code, output }
}
