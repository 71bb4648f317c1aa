import { readFileSync } from 'node:fs'
import test from 'ava'
import { live } from '../../configs/systems/live.ts'
import { isTargetPackage } from '../../derivations/build-support/target-package.ts'
import { definitions } from '../../derivations/index.ts'
import { targetPackages } from '../../derivations/packages/index.ts'
import { derivation, labelOf } from '../../graph/derivation.ts'
import { parseLock } from '../../graph/lock.ts'
import { parsePackageInfo } from '../../graph/package-info.ts'
import { packageSet } from '../../graph/package-set.ts'
import { ESSENTIAL } from '../../store/target/plan-change.ts'

const lock = parseLock(readFileSync('flake-free.lock', 'utf8'))
const part = (name: string) => derivation({ name, version: '1', builder: ['builtin:files'] })
const recipes = targetPackages(lock)
const set = packageSet(
  {
    'seeds-build': () => part('seeds'),
    toolchain: () => part('toolchain'),
    autotools: () => part('autotools'),
  },
  recipes,
)
const all = packageSet(definitions({ lock, system: live() }))
const packages = Object.keys(recipes).map(name => {
  const drv = set.get(name)
  const info = parsePackageInfo(JSON.parse(drv.env.packageInfo ?? '{}'), name)
  return { name, drv, info, script: drv.builder.at(-1) ?? '' }
})

test('a package has the name that it is asked for by, and the version of its derivation', t => {
  for (const { name, drv, info } of packages) {
    t.is(info.name, name)
    t.is(info.version, drv.version, name)
  }
})

test('what can be installed is known by its description, however it is made', t => {
  const offered = Object.values(all.get('repository').inputs).map(input =>
    labelOf(input.derivation),
  )
  const found = all.names.filter(name => isTargetPackage(all.get(name)))
  t.deepEqual(found.map(name => labelOf(all.get(name))).sort(), offered.sort())
})

test('what a machine starts with is what cannot be removed from it', t => {
  t.is(all.get('disk-system').env.requested, [...ESSENTIAL.keys()].join(' '))
})

test('a description is one sentence without a full stop', t => {
  for (const { name, info } of packages) t.regex(info.description, /^[A-Z][^\n]{9,79}[^.\s]$/, name)
})

test('a license is an SPDX expression', t => {
  const identifier = String.raw`\(?[A-Za-z0-9][A-Za-z0-9.+-]*\)?`
  const expression = new RegExp(`^${identifier}( (AND|OR|WITH) ${identifier})*$`)
  for (const { name, info } of packages) t.regex(info.license, expression, name)
})

test('a homepage is reached by https', t => {
  for (const { name, info } of packages) t.is(new URL(info.homepage ?? '').protocol, 'https:', name)
})

test('what a package depends on exists', t => {
  for (const { name, info } of packages) {
    for (const dependency of info.dependencies) {
      const [needed = ''] = /^[a-z0-9+._-]+/.exec(dependency) ?? []
      t.true(set.names.includes(needed), `${name}: ${dependency}`)
    }
  }
})

test('services and config files that a package names are made by its script', t => {
  for (const { name, info, script } of packages) {
    for (const path of [...info.services.map(service => `sv/${service}/run`), ...info.config]) {
      t.true(script.includes(`$out/etc/${path.replace(/\/[^/]+$/, '')}`), `${name}: ${path}`)
    }
  }
})
