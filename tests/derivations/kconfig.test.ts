import test from 'ava'
import { live } from '../../configs/systems/live.ts'
import { requestedOptions } from '../../derivations/build-support/kconfig.ts'

test('options come out sorted, without comments, and off in one spelling', t => {
  const text = '# why\nCONFIG_B=y\n\n# CONFIG_C is not set\nCONFIG_A="text"\nCONFIG_D=0x1000\n'
  t.is(
    requestedOptions({ 'one.config': text }),
    'CONFIG_A="text"\nCONFIG_B=y\nCONFIG_C=n\nCONFIG_D=0x1000\n',
  )
})

test('a later fragment overrides an earlier one', t => {
  const base = { 'base.config': 'CONFIG_A=y\nCONFIG_B=y\n' }
  t.is(requestedOptions({ ...base, 'mine.config': 'CONFIG_A=n\n' }), 'CONFIG_A=n\nCONFIG_B=y\n')
})

test('a comment in a fragment changes nothing that is hashed', t => {
  const options = 'CONFIG_A=y\n'
  t.is(
    requestedOptions({ 'a.config': `# one reason\n${options}` }),
    requestedOptions({ 'a.config': `# a better reason\n\n${options}` }),
  )
})

test('a line that is no option is refused with its place', t => {
  for (const line of ['CONFIG_A=m', 'CONFIG_A', 'config_a=y', ' CONFIG_A=y']) {
    t.throws(() => requestedOptions({ 'mine.config': `\n${line}\n` }), {
      code: 'RECIPE_INVALID',
      message: `kernel configuration: mine.config:2: not an option: ${JSON.stringify(line)}`,
    })
  }
})

test('an option that stands twice in one fragment is refused', t => {
  t.throws(() => requestedOptions({ 'mine.config': 'CONFIG_A=y\nCONFIG_A=n\n' }), {
    code: 'RECIPE_INVALID',
    message: /mine\.config:2: CONFIG_A stands here twice/,
  })
})

test('the fragments of the live system override nothing of each other, and each says what it is for', t => {
  const fragments = Object.entries(live().kernel)
  const names = fragments.flatMap(([, text]) =>
    [...text.matchAll(/^CONFIG_\w+/gm)].map(([name]) => name),
  )
  t.deepEqual(
    names.filter((name, index) => names.indexOf(name) !== index),
    [],
  )
  for (const [name, text] of fragments) t.regex(text, /^# [A-Z]/, name)
})
