#!/usr/bin/env node
// Plain JavaScript for two reasons: an old Node can read it and say what is wrong, and only what is
// loaded after enableCompileCache() is cached, which saves the 0.1 s that stripping types costs.
import module from 'node:module'
import { homedir } from 'node:os'
import { join } from 'node:path'

const NEEDED = 24

if (Number.parseInt(process.versions.node, 10) < NEEDED) {
  process.stderr.write(
    `error: mixos needs Node ${NEEDED}, and this is ${process.versions.node}\n` +
      'hint: in the checkout, "npm ci" brings one along and "npx mixos" uses it\n',
  )
  process.exitCode = 1
} else {
  module.enableCompileCache(join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'mixos'))
  const { main } = await import('./mixos.ts')
  await main()
}
