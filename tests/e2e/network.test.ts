import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import test from 'ava'
import { openConsole } from '../helpers/console.ts'
import { logIn } from '../helpers/guest.ts'

const TEXT = 'served by the host\n'

test.serial(
  'a machine has an address by DHCP, fetches from the host, and keeps its services up',
  async t => {
    const server = createServer((_, response) => response.end(TEXT)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const machine = openConsole(process.execPath, ['cli/mixos.ts', 'boot', 'iso'], process.env)
    try {
      const { ask, askUntil } = await logIn(machine)

      // By now at the latest; it is asked for only once people can log in.
      t.regex(await askUntil('ip -4 -o address show eth0', /inet 10\.0\.2\.15\/24/), /eth0/)
      t.regex(await ask('ip route'), /default via 10\.0\.2\.2 dev eth0/)
      t.regex(await ask('cat /etc/resolv.conf'), /^nameserver 10\.0\.2\.3/m)
      const eth0 = '/proc/sys/net/ipv6/conf/eth0'
      t.is(await ask(`cat ${eth0}/accept_ra ${eth0}/accept_redirects`), '0\n0\n')
      t.is(await ask(`wget -qO - http://10.0.2.2:${port}/`), TEXT)
      t.regex(await ask('netstat -ltn | tail -n +3 | wc -l'), /^0\n/, 'something listens')

      const running = /run: \S+: \(pid (\d+)\)/
      const pidOf = async (name: string): Promise<string> => {
        const status = await askUntil(`sv status ${name}`, running)
        return running.exec(status)?.[1] ?? ''
      }
      for (const name of ['dhcp', 'ntpd', 'syslogd']) {
        t.regex(await ask(`readlink /etc/service/${name}`), /^\/mix\/profiles\/system\/current\//)
        t.regex(await ask(`sv status ${name}`), /run: .*; run: log: /)
      }
      const before = await pidOf('ntpd')
      await ask(`kill -9 ${before}`)
      const restarted = await askUntil(
        'cat /run/service/ntpd/supervise/pid',
        new RegExp(`^(?!${before}\\n)\\d+\\n`),
      )
      t.not(restarted.trim(), before)
      t.regex(
        await askUntil('cat /var/log/dhcp/current', /lease of 10\.0\.2\.15 obtained/),
        /^20\d\d-/m,
      )
      t.regex(await ask('stat -c "%U %a" /var/log/dhcp'), /^log 750\n/)
      await ask('logger -p auth.warning told to the log')
      t.regex(
        await askUntil('cat /var/log/syslogd/current', /told to the log/),
        /auth\.warn root: told to the log/,
      )
      t.regex(await ask('hwclock -w && hwclock'), /^\w{3} \w{3} /)

      // What a package that brings a service does, and `mix service` after it.
      await ask('mkdir -p /root/clock; ln -s /root/clock /etc/service/')
      await ask(
        String.raw`printf '#!/bin/sh\nexec 2>&1\necho started\nexec sleep 1000\n' >/root/clock/run; chmod +x /root/clock/run`,
      )
      t.regex(await ask('/etc/init.d/services clock; echo $?'), /^0\n/)
      t.regex(await askUntil('sv status clock', running), /clock/)
      t.regex(await askUntil('cat /var/log/clock/current', /started/), /started/)
      t.regex(await ask('/etc/init.d/services nothing; echo $?'), /has no program run\n1\n/)

      t.regex(await ask('mix service list'), /^clock +enabled +running, process \d+\n/)
      t.regex(await ask('mix service disable clock'), /^clock +disabled +stopped\n/)
      t.is(await ask('ls /run/service | cat'), 'dhcp\nntpd\nsyslogd\n')
      t.regex(await ask('mix service enable ntdp'), /did you mean ntpd\?/)

      t.regex(await ask('[ $(date +%s) -ge $(cat /etc/init.d/released) ] && echo late'), /^late\n/)
      t.regex(
        await ask('date -s 2001-01-01 >/dev/null; /etc/init.d/start; date +%Y'),
        /^20(2[6-9]|[3-9]\d)\n/,
      )
      await ask('echo "mine /mnt tmpfs nosuid,nodev 0 0" >>/etc/fstab; /etc/init.d/start')
      t.regex(await ask('mountpoint /mnt'), /^\/mnt is a mountpoint\n/)
      machine.send('poweroff')
      t.is(await machine.exit(60), 0)
    } finally {
      machine.kill()
      server.close()
    }
  },
)
