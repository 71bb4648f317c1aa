import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import test from 'ava'
import { inContainer, mixOn, namesIn, offer } from '../helpers/container.ts'
import { newMachine } from '../helpers/target-machine.ts'

const run = promisify(execFile)

/**
 * What each package does on a machine that has all of them: a script, and what it prints. What audit and iptables do
 * takes a kernel of their own: see on-the-kernel.test.ts.
 */
const JOBS: Readonly<Record<string, readonly [script: string, prints: RegExp]>> = {
  audit: ['auditctl -v', /^auditctl version \d/],
  'ca-certificates': ['grep -c BEGIN /etc/ssl/certs/ca-certificates.crt', /^1\d\d\n$/],
  curl: [
    'openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -keyout key -out cert 2>&1; openssl s_server -accept 8443 -cert cert -key key -www >/dev/null & sleep 2; curl -s --cacert cert https://localhost:8443/; kill $!',
    /s_server -accept 8443/,
  ],
  dosfstools: ['mkfs.vfat -C image 4096 >/dev/null; fsck.vfat -n image', /1 files|0 files/],
  e2fsprogs: [
    'truncate -s 16M image; mke2fs -q -t ext4 image; e2fsck -fn image; resize2fs image 32M 2>&1; dumpe2fs -h image 2>&1',
    /1[12]\/\d+ files[\s\S]*is now 32768[\s\S]*Block count: +32768/,
  ],
  git: [
    'git init -q one; cd one; git config user.name a; git config user.email a@b; echo text >file; git add file; git commit -qm first; cd ..; git clone -q one two; git -C two log --format=%s; git -C two grep -P "te[x]t"',
    /^first\nfile:text\n$/,
  ],
  'grub-images': ['wc -c /share/grub/core.img', /^\d{5,6} /],
  htop: [
    'tmux -L h new-session -d -x 100 -y 30 htop; sleep 3; tmux -L h capture-pane -p; tmux -L h kill-server',
    /Load average[\s\S]*PID USER/,
  ],
  iptables: ['iptables --version; ip6tables --version', /^iptables v1.*\nip6tables v1/],
  jq: [`echo '{"a":[1,2]}' | jq -c '.a | map(. * 2)'`, /^\[2,4\]\n$/],
  less: [
    'seq 1000 >numbers; tmux -L l new-session -d -x 80 -y 24 "less numbers"; sleep 1; tmux -L l send-keys G; sleep 1; tmux -L l capture-pane -p; tmux -L l kill-server',
    /999\n1000\n/,
  ],
  lua: ["lua -e 'print(6 * 7)'", /^42\n$/],
  musl: ['ldd /bin/curl', /libssl[\s\S]*libz/],
  nano: [
    'tmux -L n new-session -d -x 80 -y 24 "nano file"; sleep 1; tmux -L n send-keys hello C-o Enter C-x; sleep 1; cat file; tmux -L n kill-server 2>&1 || true',
    /^hello\n/,
  ],
  nginx: [
    // Nobody else is known here that it could become.
    'mkdir -p /var/lib/nginx; nginx -g "master_process off; user root;" >log; curl -s http://127.0.0.1/; cat log',
    /nginx works[\s\S]*"GET \/ HTTP\/1\.1" 200/,
  ],
  openssh: [
    'ssh-keygen -q -t ed25519 -N "" -f key; ssh-keygen -lf key.pub; ssh -V 2>&1; sshd -V 2>&1 || true',
    /^256 SHA256:\S+ .*ED25519[\s\S]*OpenSSH_/,
  ],
  openssl: [
    'echo text | openssl dgst -sha256',
    /b9e68e1bea3e5b19ca6b2f98b73a54b73daafaa250484902e09982e07a12e733/,
  ],
  pcre2: ['[ -e /share/mix/packages/pcre2.json ]; ldd /bin/nginx', /libpcre2-8/],
  rsync: ['mkdir -p one/a; echo text >one/a/b; rsync -a one/ two; cat two/a/b', /^text\n$/],
  strace: ['strace -f -e trace=execve -o trace /bin/true; cat trace', /execve\("\/bin\/true"/],
  tmux: ['tmux -L t new-session -d "echo inside >said"; sleep 1; cat said', /^inside\n$/],
  tzdata: [
    'TZ=Europe/Vienna date -d @0 +%H:%M; TZ=:Asia/Tokyo date -d @0 +%H:%M',
    /^01:00\n09:00\n$/,
  ],
  'util-linux': [
    'truncate -s 16M disk; echo "label: gpt" | sfdisk -q disk; echo "size=4M" | sfdisk -q -a disk; sfdisk -l disk; truncate -s 8M fs; mke2fs -q -L name fs; blkid fs; wipefs fs',
    /Disklabel type: gpt[\s\S]*disk1[\s\S]*LABEL="name"[\s\S]*ext2/,
  ],
  zlib: ['ldd /bin/git', /libz/],
}

test('every package installs beside all the others, from one repository, and does its job', async t => {
  const { stdout } = await run(process.execPath, ['cli/mixos.ts', 'realize', 'repository'])
  const repository = stdout.trim()
  const machine = await newMachine(t, async () => [])
  offer(machine, repository)
  // It is not installed, but there, and upgrades itself.
  const names = namesIn(repository).filter(name => name !== 'mix')
  await mixOn(machine, 'install', '--yes', ...names)

  const others = [
    ...['base-files', 'boot', 'busybox', 'init'],
    ...['libevent', 'ncurses', 'oniguruma', 'popt'],
  ]
  t.deepEqual(names.toSorted(), [...Object.keys(JOBS), ...others].sort())
  const failed: string[] = []
  for (const [name, [script, prints]] of Object.entries(JOBS)) {
    const text = await inContainer(machine, script).catch(
      ({ message, stdout }) => `${message}\n${stdout}`,
    )
    if (!prints.test(text)) failed.push(`${name}: ${text}`)
  }
  t.deepEqual(failed, [])
})
