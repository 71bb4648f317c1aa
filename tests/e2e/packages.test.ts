import test from 'ava'
import { openConsole } from '../helpers/console.ts'
import { logIn } from '../helpers/guest.ts'

test.serial(
  'on a machine without a network, packages are installed, do their job, and go again',
  async t => {
    const machine = openConsole(process.execPath, ['cli/mixos.ts', 'boot', 'iso'], process.env)
    try {
      const { ask, askUntil } = await logIn(machine)
      const well = async (command: string): Promise<string> => {
        const answer = await ask(`${command}; echo status $?`)
        t.regex(answer, /status 0\n$/, `${command}\n${answer}`)
        return answer
      }

      t.regex(await well('mix update'), /medium: comes with the system\n\d+ packages on offer/)
      t.regex(await well('mix search nginx'), /^nginx +1\./m)
      t.regex(await ask('which sshd nginx; echo none'), /^none\n/)

      await well('mix install openssh --yes')
      t.regex(await well('mix list'), /^openssh +\d/m)
      t.regex(await well('mix info openssh'), /installed +yes/)
      await well('ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519')
      await well('cp /root/.ssh/id_ed25519.pub /root/.ssh/authorized_keys')
      await well('mix service enable sshd')
      await askUntil('netstat -ltn', /:22 /)
      const ssh = 'ssh -o StrictHostKeyChecking=accept-new -o BatchMode=yes root@127.0.0.1'
      t.regex(await askUntil(`${ssh} id -un`, /^root\n/m), /root/)

      await well('mix install iptables --yes')
      await well('mix service enable firewall')
      t.regex(
        await askUntil('iptables -S INPUT; ip6tables -S INPUT', /DROP[\s\S]*DROP/),
        /dport 22/,
      )
      t.regex(await askUntil(`${ssh} id -un`, /^root\n/m), /root/)
      await well('mix service disable firewall')
      await well('mix remove iptables --yes')

      await well('mix service enable crond')
      await well('echo "0 4 * * * true" | crontab -')
      t.regex(await well('crontab -l'), /^0 4 \* \* \* true\n/)

      await well('mix install nginx --yes')
      await well('mix service enable nginx')
      t.regex(await askUntil('wget -qO - http://127.0.0.1/', /nginx works/), /<!DOCTYPE html>/)
      t.regex(await askUntil('cat /var/log/nginx/current', /GET/), /"GET \/ HTTP\/1\.1" 200/)
      await well('mix service disable nginx')
      await well('mix remove nginx --yes')
      t.regex(await ask('which nginx; echo none'), /^none\n/)

      t.regex(await well('mix rollback'), /generation 5 is current/)
      t.regex(await ask('which nginx'), /nginx/)
      t.regex(await well('mix rollback 2'), /generation 2 is current/)
      t.regex(await well('mix history'), /root: mix install openssh --yes/)
      t.regex(await well('mix gc --keep 1'), /deleted \d+ generations/)
      await well('mix verify')
      t.regex(await ask('mix install nothing-of-that-name --yes; echo status $?'), /status 1\n/)
      machine.send('poweroff')
      t.is(await machine.exit(60), 0)
    } finally {
      machine.kill()
    }
  },
)
