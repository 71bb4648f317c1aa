import test from 'ava'
import { formatBootMenu } from '../../graph/boot-menu.ts'

test('a menu is newest first, and says which generation is current', t => {
  const entries = [
    { number: 1, title: 'as installed' },
    { number: 2, title: '2026-11-23, mix install nginx' },
  ]
  t.is(
    formatBootMenu({ entries, current: 1, attempt: '1-7' }),
    `# Written at each change of the system.
set current=1
set attempt=1-7
menuentry 'Generation 2: 2026-11-23, mix install nginx' --id generation-2 { start 2 }
menuentry 'Generation 1: as installed' --id generation-1 { start 1 }
`,
  )
})

test('nothing in a title is a command of the boot loader', t => {
  const title = `mix install 'x'; reboot\n} $(halt) \${y} "z" \\`
  const menu = formatBootMenu({ entries: [{ number: 1, title }], current: 1, attempt: '1' })
  const entry = menu.split('\n').at(-2)
  t.is(
    entry,
    "menuentry 'Generation 1: mix install x reboot halt y z ' --id generation-1 { start 1 }",
  )
})
