import test from 'ava'
import type { PackageEntry } from '../../../graph/package-index.ts'
import type { ObjectHash, StorePath } from '../../../graph/store-path.ts'
import { parseRequirement } from '../../../graph/version-range.ts'
import type { InstalledPackage } from '../../../store/target/installed.ts'
import {
  describeChange,
  isEmpty,
  planChange,
  type Wish,
} from '../../../store/target/plan-change.ts'

const info = (name: string, version: string, dependencies: readonly string[] = []) => ({
  name,
  version,
  description: name,
  license: 'MIT',
  dependencies,
  services: [],
  config: [],
  path: `${'0'.repeat(32)}-${name}-${version}` as StorePath,
})
const offer = (...args: Parameters<typeof info>): PackageEntry => {
  const about = info(...args)
  const sizes = { sizes: [1], downloads: [1] }
  return { ...about, hash: '0'.repeat(64) as ObjectHash, closure: [about.path], ...sizes }
}
const installed = (isRequested: boolean, ...args: Parameters<typeof info>): InstalledPackage => ({
  ...info(...args),
  isRequested,
})

const offered = [
  offer('nginx', '1.26', ['pcre>=10']),
  offer('nginx', '1.28', ['pcre>=10']),
  offer('pcre', '10.1'),
  offer('pcre', '10.2'),
  offer('less', '600'),
]
const base = installed(true, 'busybox', '1')

test('installing takes the newest version with all that it needs', t => {
  t.deepEqual(lines({ install: ['nginx'] }, [base]), ['install  nginx 1.28', 'install  pcre 10.2'])
})

test('a range decides which version is installed', t => {
  t.deepEqual(lines({ install: ['nginx<1.28'] }, [base]), [
    'install  nginx 1.26',
    'install  pcre 10.2',
  ])
})

test('what is installed stays as it is when something else is installed', t => {
  const now = [base, installed(true, 'pcre', '10.1')]
  t.deepEqual(lines({ install: ['nginx'] }, now), ['install  nginx 1.28'])
})

test('installing what is installed changes nothing, unless a range asks for it', t => {
  const now = [
    base,
    installed(true, 'nginx', '1.26', ['pcre>=10']),
    installed(false, 'pcre', '10.1'),
  ]
  t.deepEqual(lines({ install: ['nginx'] }, now), [])
  t.deepEqual(lines({ install: ['nginx>1.26'] }, now), ['upgrade  nginx 1.26 -> 1.28'])
})

test('upgrading takes the newest of all, or of what was named', t => {
  const now = [
    base,
    installed(true, 'nginx', '1.26', ['pcre>=10']),
    installed(false, 'pcre', '10.1'),
  ]
  t.deepEqual(lines({ upgrade: 'all' }, now), [
    'upgrade  nginx 1.26 -> 1.28',
    'upgrade  pcre 10.1 -> 10.2',
  ])
  t.deepEqual(lines({ upgrade: ['pcre'] }, now), ['upgrade  pcre 10.1 -> 10.2'])
})

test('removing takes along what nothing needs any more', t => {
  const now = [
    base,
    installed(true, 'nginx', '1.26', ['pcre>=10']),
    installed(false, 'pcre', '10.1'),
  ]
  t.deepEqual(lines({ remove: ['nginx'] }, now), ['remove   nginx 1.26', 'remove   pcre 10.1'])
})

test('what was asked for by itself stays when what needs it goes', t => {
  const now = [
    base,
    installed(true, 'nginx', '1.26', ['pcre>=10']),
    installed(true, 'pcre', '10.1'),
  ]
  t.deepEqual(lines({ remove: ['nginx'] }, now), ['remove   nginx 1.26'])
})

test('removing what another package needs is refused and says what needs it, or takes that along', t => {
  const now = [
    base,
    installed(true, 'nginx', '1.26', ['pcre>=10']),
    installed(true, 'pcre', '10.1'),
  ]
  const error = t.throws(() => plan({ remove: ['pcre'] }, now), { code: 'PACKAGE_CONFLICT' })
  t.is(error?.message, 'pcre cannot be removed: nginx 1.26 depends on it')
  t.deepEqual(lines({ remove: ['pcre'], cascade: true }, now), [
    'remove   nginx 1.26',
    'remove   pcre 10.1',
  ])
})

test('a name that nothing has is told with the nearest one', t => {
  t.throws(() => plan({ install: ['ngnix'] }, [base]), { code: 'PACKAGE_UNKNOWN' })
  t.throws(() => plan({ remove: ['busybx'] }, [base]), {
    code: 'PACKAGE_UNKNOWN',
    message: 'busybx is not installed',
  })
})

test('of one version from several repositories, the first one decides', t => {
  const of = (digit: string, name: string, version: string): PackageEntry => {
    const path = `${digit.repeat(32)}-${name}-${version}` as StorePath
    return { ...offer(name, version), path }
  }
  const known = {
    installed: [base, installed(true, 'less', '600')],
    offered: [
      of('1', 'less', '600'),
      of('2', 'less', '600'),
      of('3', 'jq', '1'),
      of('4', 'jq', '1'),
    ],
  }
  const chosen = (wish: Wish) =>
    planChange(wish, known)
      .packages.filter(({ name }) => name !== 'busybox')
      .map(({ path }) => path[0])
  const jq = [parseRequirement('jq')]
  t.deepEqual(chosen({ upgrade: 'all' }), ['1'])
  t.deepEqual(chosen({ install: jq }).sort(), ['0', '3'])
  t.deepEqual(chosen({ upgrade: ['jq'], install: jq }).sort(), ['0', '3'])
  const { path } = of('1', 'less', '600')
  const same = { ...known, installed: [base, { ...installed(true, 'less', '600'), path }] }
  t.true(isEmpty(planChange({ upgrade: 'all' }, same)))
})

test('what is installed and no repository offers stays', t => {
  t.deepEqual(lines({ upgrade: 'all' }, [base]), [])
})

test('what was asked for is remembered, what came along is not', t => {
  t.deepEqual(plan({ install: ['nginx'] }, [base]).requested, ['busybox', 'nginx'])
})

test('mix is upgraded like any package, and is no part of the system', t => {
  const own = installed(true, 'mix', '1')
  const known = {
    installed: [base],
    own,
    offered: [...offered, offer('mix', '1'), offer('mix', '2')],
  }
  for (const upgrade of ['all', ['mix']] as const) {
    const change = planChange({ upgrade }, known)
    t.deepEqual(describeChange(change), ['upgrade  mix 1 -> 2'])
    t.deepEqual(
      change.packages.map(({ name }) => name),
      ['busybox'],
    )
  }
  t.true(isEmpty(planChange({ upgrade: ['busybox'] }, known)))
  t.true(isEmpty(planChange({ upgrade: 'all' }, { ...known, own: installed(true, 'mix', '3') })))
  t.true(isEmpty(planChange({ upgrade: 'all' }, { ...known, own: undefined })))
})

test('mix is neither installed nor removed', t => {
  t.throws(() => plan({ install: ['mix'] }, [base]), {
    code: 'BAD_ARGUMENT',
    message: 'mix is not part of the system, but beside it',
  })
  t.throws(() => plan({ remove: ['mix'] }, [base]), {
    code: 'BAD_ARGUMENT',
    message: 'mix cannot remove itself',
  })
})

test('what no machine can do without is upgraded, and not removed, also not along with something else', t => {
  const now = [base, installed(false, 'init', '1', ['busybox']), installed(true, 'less', '600')]
  const error = { code: 'BAD_ARGUMENT', message: /^(init|busybox) cannot be removed: / }
  t.throws(() => plan({ remove: ['init'] }, [installed(true, 'init', '1')]), error)
  t.throws(() => plan({ remove: ['busybox'], cascade: true }, now), error)
  // Nothing asks for it, and still it stays.
  t.deepEqual(lines({ remove: ['less'] }, now), ['remove   less 600'])
  const newer = planChange(
    { upgrade: 'all' },
    { installed: [base], offered: [offer('busybox', '2')] },
  )
  t.deepEqual(describeChange(newer), ['upgrade  busybox 1 -> 2'])
})

interface Words {
  readonly install?: readonly string[]
  readonly remove?: readonly string[]
  readonly cascade?: boolean
  readonly upgrade?: readonly string[] | 'all'
}

function plan({ install = [], ...rest }: Words, now: readonly InstalledPackage[]) {
  const wish: Wish = { install: install.map(parseRequirement), ...rest }
  return planChange(wish, { installed: now, offered })
}

function lines(words: Words, now: readonly InstalledPackage[]): string[] {
  const change = plan(words, now)
  const described = describeChange(change)
  if (isEmpty(change)) return []
  return described
}
