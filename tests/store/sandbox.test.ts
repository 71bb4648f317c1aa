import { chmodSync, lstatSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import test, { type ExecutionContext } from 'ava'
import { MixosError } from '../../graph/error.ts'
import { absolute } from '../../graph/store-path.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { mustDrop } from '../../store/sandbox/unprivileged.ts'
import { DEFAULT_LIMITS, type Limits, openSandbox } from '../../store/sandbox.ts'
import { type Argument, type Call, probe } from '../helpers/probe.ts'
import { sandboxTools } from '../helpers/sandbox-tools.ts'
import { pathOf, SHELL, sandboxed } from '../helpers/sandboxed.ts'
import { memoryDirectory, type Tree, tempDirectory, writeTree } from '../helpers/temp-store.ts'

test.before('fetch what sandboxes are made of', async t => {
  t.timeout(300_000)
  await sandboxTools()
})

// What a build gets.

test('a build has the environment that it is given and no other', async t => {
  const env = { PATH: '/usr/bin', empty: '', text: 'two\nlines, "quoted" $x' }
  const { output } = await sandboxed(t, '', { argv: [SHELL, 'env', '-0'], env })
  const lines = output.split('\0').filter(line => line !== '')
  t.deepEqual(lines.sort(), ['PATH=/usr/bin', 'empty=', 'text=two\nlines, "quoted" $x'])
})

test('a build starts in /build as the user 1000 with files that are open for all to read', async t => {
  const script = 'pwd; id -u; id -g; umask; hostname; touch file; stat -c %a file; ls -A / | xargs'
  const { output } = await sandboxed(t, script)
  t.deepEqual(output.trim().split('\n'), [
    '/build',
    '1000',
    '100',
    '0022',
    'localhost',
    '644',
    'build dev etc mix proc tmp',
  ])
})

test('a build runs in a store that is kept in memory, which only its owner can enter', async t => {
  const { output } = await sandboxed(t, 'touch file; ls', {}, memoryDirectory(t))
  t.is(output, 'file\n')
})

test('a build gets its arguments as they are', async t => {
  const words = ['--ro-bind', '/', '/host', '--', '', 'two words', '$x', "'"]
  const argv = [SHELL, 'printf', '%s\\n', ...words]
  const { output } = await sandboxed(t, '', { argv })
  t.deepEqual(output.split('\n').slice(0, -1), words)
})

test('words with a NUL byte are refused', async t => {
  await t.throwsAsync(sandboxed(t, '', { argv: [SHELL, 'a\0--bind'] }), { message: /NUL/ })
  await t.throwsAsync(sandboxed(t, '', { env: { x: 'a\0--bind' } }), { message: /NUL/ })
})

test('what a build prints comes in the order of printing, also by way of /dev', async t => {
  const script = 'echo 1; echo 2 >&2; echo 3 >/dev/stdout; echo 4 >/dev/stderr; echo 5'
  const { output } = await sandboxed(t, script)
  t.is(output, '1\n2\n3\n4\n5\n')
})

test('a build of much output loses nothing of it', async t => {
  const { output } = await sandboxed(t, 'seq 1 200000')
  const numbers = output.trimEnd().split('\n')
  t.is(numbers.length, 200_000)
  t.true(numbers.every((number, index) => number === String(index + 1)))
})

test('the end of a build is told by its exit code or by its signal', async t => {
  const { code, signal } = await sandboxed(t, 'exit 3')
  t.deepEqual({ code, signal }, { code: 3, signal: null })
  const killed = await sandboxed(t, 'kill -SEGV $$')
  t.deepEqual([killed.code, killed.signal], [null, 'SIGSEGV'])
})

test('a builder that is not there fails the build, not the sandbox', async t => {
  const { code, output } = await sandboxed(t, '', { argv: ['/usr/bin/absent'] })
  t.is(code, 127)
  t.regex(output, /\/usr\/bin\/absent: not found/)
})

test('standard input is empty', async t => {
  t.is((await sandboxed(t, 'cat; echo end')).output, 'end\n')
})

test('only the three standard files are open, and none tells a path of the host', async t => {
  const { output } = await sandboxed(t, 'for fd in /proc/self/fd/*; do readlink $fd; done')
  const lines = output.trimEnd().split('\n')
  t.deepEqual(lines.slice(0, 3), ['/dev/null', '/dev/console', '/dev/console'])
  // The shell has no fourth: the pattern was expanded by opening the directory.
  t.is(lines.length, 3)
})

test('inputs are seen at their paths and cannot be written', async t => {
  const input = inputOf(t, 'input', { 'bin/tool': 'text' })
  const at = absolute(input.path)
  const script = `cat ${at}/bin/tool; echo x >${at}/bin/tool; rm -rf ${at}; chmod 777 ${at}; mv ${at} /mix/store/other; touch ${at}/new`
  const { output, code } = await sandboxed(t, script, { inputs: [input] })
  t.is(output.match(/Read-only file system/g)?.length, 4)
  t.regex(output, /^text/)
  t.not(code, 0)
  t.is(readFileSync(join(input.hostPath, 'bin/tool'), 'utf8'), 'text')
})

test('an input may be a single file', async t => {
  const { hostPath } = inputOf(t, 'input', { file: 'text' })
  const path = pathOf('file')
  const inputs = [{ hostPath: join(hostPath, 'file'), path }]
  t.is((await sandboxed(t, `cat ${absolute(path)}`, { inputs })).output, 'text')
})

test('an input that is a symlink is one inside too, and leads to nothing of the host', async t => {
  const { hostPath } = inputOf(t, 'input', { link: { symlink: '/etc/passwd' } })
  const path = pathOf('link')
  const inputs = [{ hostPath: join(hostPath, 'link'), path }]
  const { output } = await sandboxed(t, `readlink ${absolute(path)}; wc -l <${absolute(path)}`, {
    inputs,
  })
  t.is(output, '/etc/passwd\n3\n')
})

test('an input that is not there is refused', async t => {
  const { hostPath } = inputOf(t, 'input', {})
  const inputs = [{ hostPath: join(hostPath, 'nothing'), path: pathOf('nothing') }]
  await t.throwsAsync(sandboxed(t, 'true', { inputs }), {
    code: 'OBJECT_INVALID',
    message: /input\/nothing is not there$/,
  })
})

test('a build may have hundreds of inputs', async t => {
  const inputs = Array.from({ length: 300 }, (_, index) => inputOf(t, `i${index}`, { a: 'a' }))
  const { output } = await sandboxed(t, 'cat /mix/store/*/a | wc -c', { inputs })
  t.is(output, '300\n')
})

test('the root is seen at / without what the sandbox makes itself', async t => {
  const { hostPath: root } = inputOf(t, 'root', {
    'usr/bin/tool': { executable: `#!${SHELL} sh\necho from the root\n` },
    bin: { symlink: 'usr/bin' },
    'etc/passwd': 'of the root',
    'tmp/file': 'of the root',
    file: 'text',
  })
  const script = 'tool; cat /file; ls /tmp; head -n 1 /etc/passwd; touch /new /usr/new'
  const { output } = await sandboxed(t, script, { root, env: { PATH: '/bin' } })
  t.is(
    output,
    [
      'from the root',
      'textroot:x:0:0:root:/:/noshell',
      'touch: /new: Read-only file system',
      'touch: /usr/new: Read-only file system\n',
    ].join('\n'),
  )
})

test('what a build makes in the store and in /build is there, and belongs to no root', async t => {
  const { storeDirectory, buildDirectory } = await sandboxed(
    t,
    'echo x >/mix/store/out; mkdir d; ln -s /etc/shadow l; mkfifo f',
  )
  t.is(readFileSync(join(storeDirectory, 'out'), 'utf8'), 'x\n')
  const made = [
    join(storeDirectory, 'out'),
    ...['d', 'l', 'f'].map(name => join(buildDirectory, name)),
  ]
  const owners = new Set(made.map(path => lstatSync(path).uid))
  if (mustDrop(nodeHost)) t.false(owners.has(0))
  else t.deepEqual(owners, new Set([nodeHost.processes.uid]))
})

test('builds at the same time do not meet', async t => {
  const run = async (word: string): Promise<string> => {
    const script = `echo ${word} >/tmp/x; echo ${word} >/dev/shm/x; sleep 0.3; cat /tmp/x /dev/shm/x; ls /build`
    return (await sandboxed(t, script)).output
  }
  t.deepEqual(await Promise.all([run('a'), run('b'), run('c')]), ['a\na\n', 'b\nb\n', 'c\nc\n'])
})

// What a build cannot do.

test('a build cannot reach a server of the host', async t => {
  let connections = 0
  const serve = async (where: object): Promise<Server> => {
    const server = createServer(socket => {
      connections += 1
      socket.destroy()
    })
    await new Promise<void>(resolve => server.listen(where, resolve))
    t.teardown(() => server.close())
    return server
  }
  const name = `\0mixos-test-${process.pid}`
  await serve({ path: name })
  const { port } = (await serve({ host: '127.0.0.1', port: 0 })).address() as { port: number }

  const family = Buffer.from([1, 0])
  const address = Buffer.concat([family, Buffer.from(name)])
  const connect = probeInput(t, [
    { number: 41, arguments: [1, 1, 0] },
    { number: 42, arguments: ['the result before', address, address.length] },
  ])
  const script = `${connect.program}; echo $?; nc 127.0.0.1 ${port} </dev/null; echo $?`
  const { output } = await sandboxed(t, script, { inputs: [connect] })
  const ECONNREFUSED = 111
  t.regex(output, new RegExp(`^${ECONNREFUSED}\n(.*refused)?\n?1\n`))
  t.is(connections, 0)
})

test('a build cannot ask for names or reach beyond its own network', async t => {
  const script = 'nslookup example.org; echo $?; cat /proc/net/route; ip -o link'
  const { output } = await sandboxed(t, script)
  t.regex(output, /\n1\n/)
  t.deepEqual(output.match(/^\d+: \w+/gm), ['1: lo'])
})

test('a build sees no file of the host', async t => {
  const directory = tempDirectory(t)
  writeFileSync(join(directory, 'secret'), 'secret')
  const paths = [
    '/etc/shadow',
    '/root',
    '/home',
    '/var',
    '/sys',
    '/run',
    directory,
    process.execPath,
  ]
  const script = paths.map(path => `ls -d ${path} && echo found`).join('\n')
  const { output } = await sandboxed(t, script)
  t.false(output.includes('found'), output)
})

test('a build sees only its own processes', async t => {
  const { output } = await sandboxed(
    t,
    'set -- /proc/[0-9]*; echo $#; kill -0 -1; kill -9 1; echo alive',
  )
  // Process 1 and the shell.
  t.regex(output, /^2\n/)
  t.regex(output, /alive\n$/)
})

test('a build cannot gain rights', async t => {
  const tries = [
    'mount -t tmpfs x /build',
    'unshare -U true',
    'unshare -r true',
    'unshare -m true',
    'chroot / true',
    'chmod u+s file',
    'chmod g+s file',
    'mknod null c 1 3',
    'mknod whiteout c 0 0',
    'mknod disk b 7 0',
    'chown 0 file',
    'hostname other',
    'echo 1 >/proc/sys/kernel/sysrq',
    'echo 65536 >/proc/sys/user/max_user_namespaces',
    'ifconfig lo down',
    'echo >/dev/tty',
  ]
  const script = `touch file; ${tries.map((each, i) => `(${each}) 2>/dev/null && echo "did ${i}"`).join('; ')}; grep ^Cap /proc/self/status; grep NoNewPrivs /proc/self/status`
  const { output } = await sandboxed(t, script)
  t.deepEqual(
    [...output.matchAll(/^did (\d+)$/gm)].map(([, i]) => tries[Number(i)]),
    [],
  )
  t.is(output.match(/^Cap\w+:\t0+$/gm)?.length, 5)
  t.regex(output, /NoNewPrivs:\t1/)
})

test('a process that a build leaves behind is dead when the build is', async t => {
  const mark = `86${process.pid}`
  const script = `setsid sleep ${mark} >/dev/null 2>&1 </dev/null & sleep 0.1; exit 0`
  const { code } = await sandboxed(t, script)
  t.is(code, 0)
  t.deepEqual(processesWith(mark), [])
})

// Limits.

const MIB = 2 ** 20
const call = (number: number, ...args: readonly Argument[]): Call => ({ number, arguments: args })
const [MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS, MAP_POPULATE] = [1, 2, 0x20, 0x8000]
/** Memory to read and to write, all of it taken at once. */
const mapped = (bytes: number, flags: number, fd = -1): Call =>
  call(9, 0, bytes, 3, flags | MAP_POPULATE, fd, 0)
const pause = call(34)

/** Programs that take memory in ways that no shell has. */
const takers = {
  // The three standard files are open, so the next has number 3.
  memfd: [call(319, 'name', 0), call(77, 3, 300 * MIB), mapped(300 * MIB, MAP_SHARED, 3), pause],
  shared: [mapped(300 * MIB, MAP_SHARED | MAP_ANONYMOUS), pause],
} satisfies Record<string, readonly Call[]>
const programAt = (name: keyof typeof takers): string => `${absolute(pathOf(name))}/probe`

type Limited = readonly [name: string, limits: Partial<Limits>, script: string, message: RegExp]
const limited: readonly Limited[] = [
  ['takes too long', { seconds: 1 }, 'while :; do echo; sleep 0.1; done', /1 s.*limit of time/],
  ['is silent for too long', { silentSeconds: 1 }, 'sleep 1000', /1 s.*limit of silence/],
  ['floods its log', { logBytes: 100_000 }, 'yes', /100000 bytes.*limit of log/],
  [
    'takes too much memory',
    { memoryBytes: 50_000_000 },
    'tail -c 300000000 /dev/zero & tail -c 300000000 /dev/zero >/dev/null; sleep 1000',
    /50000000 bytes of memory/,
  ],
  ...[
    ['fills its /tmp', 'dd if=/dev/zero of=/tmp/file bs=1M count=300; sleep 1000'],
    ['fills its /dev/shm', 'dd if=/dev/zero of=/dev/shm/file bs=1M count=300; sleep 1000'],
    ['shares much memory', programAt('shared')],
    ['maps a large file that is nowhere', programAt('memfd')],
  ].map(
    ([name = '', script = '']): Limited => [
      name,
      { memoryBytes: 50_000_000, seconds: 30 },
      script,
      /50000000 bytes of memory/,
    ],
  ),
]

for (const [name, limits, script, message] of limited) {
  test(`a build that ${name} is ended, and so are all of its processes`, async t => {
    const mark = `87${process.pid}${limited.findIndex(([other]) => other === name)}`
    const promise = sandboxed(t, `sleep ${mark} & ${script}`, {
      limits: { ...DEFAULT_LIMITS, ...limits },
      inputs: Object.entries(takers).map(([name, calls]) => probeInput(t, calls, name)),
    })
    await t.throwsAsync(promise, { instanceOf: MixosError, code: 'BUILD_LIMIT', message })
    t.deepEqual(processesWith(mark), [])
  })
}

test('memory that the processes of a build share counts once', async t => {
  const nanosleep = call(35, Buffer.from(new BigInt64Array([3n, 0n]).buffer), 0)
  const fork = call(56, 17, 0, 0, 0, 0)
  const calls = [mapped(60 * MIB, MAP_PRIVATE | MAP_ANONYMOUS), fork, fork, nanosleep]
  const input = probeInput(t, calls)
  const { code } = await sandboxed(t, input.program, {
    inputs: [input],
    limits: { ...DEFAULT_LIMITS, memoryBytes: 150 * MIB },
  })
  t.is(code, 0)
})

test('a build cannot have more processes than its limit', async t => {
  const script = 'i=0; while [ $i -lt 100 ]; do sleep 1000 & i=$((i + 1)); done; echo all'
  const { output, code } = await sandboxed(t, script, {
    limits: { ...DEFAULT_LIMITS, processes: 20 },
  })
  t.not(code, 0)
  t.regex(output, /can't fork/)
})

test('a fork bomb is ended by the limit of time', async t => {
  const promise = sandboxed(t, 'bomb() { bomb | bomb & }; bomb & exec sleep 1000', {
    limits: { ...DEFAULT_LIMITS, processes: 50, seconds: 2 },
  })
  await t.throwsAsync(promise, { code: 'BUILD_LIMIT' })
})

test('a build that is cancelled ends, and so do all of its processes', async t => {
  const mark = `88${process.pid}`
  const stop = new AbortController()
  const promise = sandboxed(t, `sleep ${mark} & echo started; wait`, {
    signal: stop.signal,
    onOutput: () => stop.abort(),
  })
  await t.throwsAsync(promise, { code: 'CANCELLED' })
  t.deepEqual(processesWith(mark), [])
  await t.throwsAsync(sandboxed(t, 'true', { signal: stop.signal }), { code: 'CANCELLED' })
})

test('a build whose start is cancelled ends', async t => {
  const stop = new AbortController()
  const promise = sandboxed(t, 'sleep 1000', { signal: stop.signal })
  setTimeout(() => stop.abort(), 5)
  await t.throwsAsync(promise, { code: 'CANCELLED' })
})

test('where its output cannot be taken, the build ends with the reason', async t => {
  const promise = sandboxed(t, 'echo; sleep 1000', {
    onOutput: () => {
      throw new Error('disk full')
    },
  })
  await t.throwsAsync(promise, { message: 'disk full' })
})

// What the sandbox needs.

test('without its tools the sandbox is unavailable', async t => {
  const directory = tempDirectory(t)
  const { busybox } = await sandboxTools()
  await t.throwsAsync(
    openSandbox(nodeHost, { bubblewrap: directory, busybox }, { scratch: directory, readable: [] }),
    {
      code: 'SANDBOX_UNAVAILABLE',
      message: /lacks .*usr\/bin\/bwrap/,
    },
  )
})

test('a setuid bubblewrap is refused', async t => {
  const directory = tempDirectory(t)
  const { busybox } = await sandboxTools()
  const bubblewrap = writeTree(join(directory, 'bubblewrap'), {
    'usr/bin/bwrap': '',
    'usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2': '',
  })
  chmodSync(join(bubblewrap, 'usr/bin/bwrap'), 0o4755)
  await t.throwsAsync(
    openSandbox(nodeHost, { bubblewrap, busybox }, { scratch: directory, readable: [] }),
    {
      code: 'SANDBOX_UNAVAILABLE',
      message: /setuid/,
    },
  )
})

interface Input {
  readonly hostPath: string
  readonly path: ReturnType<typeof pathOf>
}

function inputOf(t: ExecutionContext, name: string, tree: Tree): Input {
  const directory = join(tempDirectory(t), name)
  mkdirSync(directory)
  return { hostPath: writeTree(directory, tree), path: pathOf(name) }
}

function probeInput(
  t: ExecutionContext,
  calls: readonly Call[],
  name = 'probe',
): Input & { program: string } {
  const input = inputOf(t, name, {})
  writeFileSync(join(input.hostPath, 'probe'), probe(...calls))
  chmodSync(join(input.hostPath, 'probe'), 0o755)
  return { ...input, program: `${absolute(input.path)}/probe` }
}

/** Numbers of processes that have this word on their command line, anywhere on the machine. */
function processesWith(word: string): string[] {
  return readdirSync('/proc').filter(name => {
    if (!/^\d+$/.test(name)) return false
    try {
      return readFileSync(`/proc/${name}/cmdline`, 'utf8').split('\0').includes(word)
    } catch (error) {
      if (['ENOENT', 'ESRCH'].includes(codeOf(error))) return false
      throw error
    }
  })
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? ''
