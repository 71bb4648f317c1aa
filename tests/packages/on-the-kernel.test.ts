import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import test from 'ava'
import { homeOf, project } from '../../cli/context.ts'
import { openConsole } from '../helpers/console.ts'
import { HOST_OF_GUEST, serveDirectory } from '../helpers/directory-server.ts'
import { logIn, useRepository } from '../helpers/guest.ts'
import { place } from '../helpers/run-cli.ts'

const run = promisify(execFile)

test.serial(
  'what no container can show works on a machine: packets are filtered, changes to files logged',
  async t => {
    await run(process.execPath, ['cli/mixos.ts', 'realize', 'iso', 'audit', 'iptables'])
    const developer = place(t, { environment: { MIXOS_HOME: homeOf(process.env, project) } })
    t.is((await developer.mixos('repo', 'keygen')).code, 0)
    const signed = await developer.mixos('repo', 'sign', 'audit', 'iptables', '--to', 'packages')
    t.is(signed.code, 0, signed.stderr)
    const port = await serveDirectory(t, join(developer.directory, 'packages'))
    const url = `http://${HOST_OF_GUEST}:${port}`

    const machine = openConsole(process.execPath, ['cli/mixos.ts', 'boot', 'iso'], process.env)
    try {
      const guest = await logIn(machine)
      const { askUntil, ends } = guest
      await useRepository(guest, url)
      await ends('mix update', 0)
      await ends('mix install audit iptables --yes', 0)

      for (const [tables, ping, protocol] of [
        ['iptables', 'ping -c 1 -W 1 127.0.0.1', 'icmp'],
        ['ip6tables', 'ping -c 1 -W 1 ::1', 'ipv6-icmp'],
      ]) {
        await ends(ping ?? '', 0)
        await ends(`${tables} -A INPUT -i lo -p ${protocol} -j DROP`, 0)
        await ends(ping ?? '', 1)
        t.regex(await ends(`${tables} -vnL INPUT`, 0), /^ +[1-9]\d* +\d+ DROP /m)
        await ends(`${tables} -F`, 0)
        await ends(ping ?? '', 0)
        await ends(`${tables} -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT`, 0)
        await ends(`${tables} -t nat -A POSTROUTING -o eth0 -j MASQUERADE`, 0)
      }

      await ends('mix service enable auditd', 0)
      await askUntil('auditctl -l', /\/etc\/passwd .*identity/)
      t.regex(await ends('auditctl -s', 0), /enabled 1[\s\S]*lost 0/)
      await ends('adduser -D somebody', 0)
      t.regex(
        await askUntil('ausearch -i -k identity', /passwd/),
        /comm=(adduser|busybox) .*key=identity/,
      )
      t.regex(await ends('aureport --file --summary', 0), /\/etc\/passwd/)
      await ends('mix service disable auditd', 0)
      machine.send('poweroff')
      t.is(await machine.exit(60), 0)
    } finally {
      machine.kill()
    }
  },
)
