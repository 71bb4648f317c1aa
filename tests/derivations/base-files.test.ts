import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { baseFiles } from '../../derivations/packages/base-files.ts'
import { sandboxTools } from '../helpers/sandbox-tools.ts'
import { tempDirectory } from '../helpers/temp-store.ts'

test('the name servers of every interface are known, also where another one has none', async t => {
  const { run, names } = await client(t)
  run('bound', { interface: 'eth0', domain: 'example.org', dns: '10.0.0.1 10.0.0.2' })
  run('bound', { interface: 'eth1' })
  t.is(names(), 'search example.org\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n')
  run('bound', { interface: 'wlan0.7', dns: '10.7.0.1' })
  run('renew', { interface: 'eth0', dns: '10.0.0.3' })
  t.is(names(), 'nameserver 10.0.0.3\nnameserver 10.7.0.1\n')
})

test('the name servers of an interface are forgotten when it has no address any more', async t => {
  const { run, names, directory } = await client(t)
  run('bound', { interface: 'eth0', dns: '10.0.0.1' })
  run('bound', { interface: 'eth1', dns: '10.1.0.1' })
  run('deconfig', { interface: 'eth1' })
  t.is(names(), 'nameserver 10.0.0.1\n')
  run('deconfig', { interface: 'eth0' })
  t.is(names().trim(), '')
  t.deepEqual(readdirSync(directory), ['resolv.conf'])
})

test('what one interface is given while another one is written is not lost', async t => {
  const { run, names, directory } = await client(t)
  const file = join(directory, 'resolv.conf')
  // In between, another client writes its own file, and what it saw of all.
  const mv = `mv() {
    busybox mv "$@"
    [ "$2" = ${file} ] && [ ! -f ${file}.eth1 ] || return 0
    echo nameserver 10.1.0.1 | busybox tee ${file}.eth1 >${file}
  }`
  run('bound', { interface: 'eth0', dns: '10.0.0.1' }, mv)
  t.true(existsSync(`${file}.eth1`))
  t.is(names(), 'nameserver 10.0.0.1\nnameserver 10.1.0.1\n')
})

/** The script of the DHCP client, on a machine on which it finds everything but interfaces. */
async function client(t: ExecutionContext) {
  const { busybox } = await sandboxTools()
  const directory = tempDirectory(t)
  const { files } = baseFiles({ hostname: 'mixos', version: '1', consoles: [] }).env
  const script = JSON.parse(files as string)['etc/udhcpc/default.script'].executable as string
  const here = script.replaceAll('/run/', `${directory}/`).replace(/^export PATH=.*$/m, '')
  const run = (event: string, env: Record<string, string>, more = ''): void => {
    const programs = `ip() { :; }\nbusybox() { ${busybox} "$@"; }\n${more}\n`
    execFileSync(busybox, ['sh', '-c', programs + here, 'script', event], { env })
  }
  return { run, directory, names: () => readFileSync(join(directory, 'resolv.conf'), 'utf8') }
}
