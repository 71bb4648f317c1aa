import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { get } from 'node:http'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { project } from '../../cli/context.ts'
import { seedRoot } from '../../derivations/seeds/seed-root.ts'
import { awsCredentials } from '../../store/cache/storages/aws-credentials.ts'
import { parseS3Address } from '../../store/cache/storages/s3-address.ts'
import { openBucket } from '../../store/cache/storages/s3-bucket.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { realizedForTests } from './test-cache.ts'

/** A real server on the loopback interface, with all its files in a directory that goes with it. */
export interface RealServer {
  readonly port: number
  /** Without a slash at its end. */
  readonly base: string
  readonly directory: string
  /** What it printed, to be shown where a test fails. */
  readonly log: () => string
  readonly stop: () => Promise<void>
}

export interface S3Server extends RealServer {
  /** Its one user. */
  readonly accessKeyId: string
  readonly secretAccessKey: string
}

/** Makes a bucket, and gives the address of a cache in it. */
export async function bucketAt(server: S3Server): Promise<string> {
  const { base } = server
  const env = environmentOf(server)
  const query = `endpoint=${encodeURIComponent(base)}&region=us-east-1`
  const address = parseS3Address(new URL(`s3://team?${query}`), env)
  const bucket = openBucket(address, awsCredentials(nodeHost, env), { host: nodeHost, env })
  const { signal } = new AbortController()
  const { status, data } = await bucket.send('', { method: 'PUT', signal, limit: 10_000 })
  await bucket.close()
  if (status !== 200) throw new Error(`no bucket: ${data}`)
  return `s3://team/cache?${query}`
}

/** What lets its one user into an S3 server. */
export function environmentOf({ accessKeyId, secretAccessKey }: S3Server) {
  return { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey }
}

/** OpenStack Swift, without a bucket. */
export async function startS3(): Promise<S3Server> {
  const [accessKeyId, secretAccessKey] = ['test:tester', 'testing']
  const server = await start(directory => ({
    program: 'usr/bin/python3',
    args: [
      join(project, 'tests/helpers/s3-server.py'),
      join(directory, 'data'),
      accessKeyId,
      secretAccessKey,
    ],
    port: 'printed',
  }))
  return { ...server, accessKeyId, secretAccessKey }
}

export interface RegistryOptions {
  /** In the syntax of its configuration, as JSON: `storage`, `auth` and others. */
  readonly [section: string]: object | string
}

/** Docker's registry, where deletion is allowed unless the options say else. */
export async function startRegistry(options: RegistryOptions = {}): Promise<RealServer> {
  return await start((directory, port) => {
    const storage = {
      filesystem: { rootdirectory: join(directory, 'data') },
      delete: { enabled: true },
      ...(options.storage as object | undefined),
    }
    const config = {
      version: 0.1,
      log: { level: 'warn' },
      http: { addr: `127.0.0.1:${port}` },
      ...options,
      storage,
    }
    writeFileSync(join(directory, 'config.yml'), JSON.stringify(config))
    return {
      program: 'usr/bin/docker-registry',
      args: ['serve', join(directory, 'config.yml')],
      port,
    }
  })
}

/** nginx, which serves the directory `files` in its own; `location` is what its configuration says of all files. */
export async function startNginx(location = ''): Promise<RealServer> {
  return await start((directory, port) => {
    mkdirSync(join(directory, 'files'))
    writeFileSync(join(directory, 'nginx.conf'), nginxConfig({ directory, port, location }))
    return {
      program: 'usr/sbin/nginx',
      args: ['-p', directory, '-c', join(directory, 'nginx.conf'), '-e', 'stderr'],
      port,
    }
  })
}

function nginxConfig({
  directory,
  port,
  location,
}: {
  directory: string
  port: number
  location: string
}): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  return `
daemon off;
master_process off;
pid ${directory}/pid;
error_log stderr warn;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  default_type application/octet-stream;
  ${temporary.map(kind => `${kind}_temp_path ${directory}/${kind};`).join('\n  ')}
  server {
    listen 127.0.0.1:${port};
    root ${directory}/files;
    location / { ${location} }
  }
}
`
}

interface Command {
  /** In the root of the servers. */
  readonly program: string
  readonly args: readonly string[]
  /** `printed` where the server chooses it, and says so when it is ready. */
  readonly port: number | 'printed'
}

/** Milliseconds: the machine may be busy. */
const READY_WITHIN = 60_000

async function start(prepare: (directory: string, port: number) => Command): Promise<RealServer> {
  const root = await serverRoot()
  const directory = mkdtempSync(join(realpathSync(tmpdir()), 'mixos-server-'))
  const command = prepare(directory, await freePort())
  const child = spawn(
    join(root, 'usr/lib64/ld-linux-x86-64.so.2'),
    [
      '--library-path',
      join(root, 'usr/lib/x86_64-linux-gnu'),
      join(root, command.program),
      ...command.args,
    ],
    {
      cwd: directory,
      // Python finds its library by it; the root may not be written to.
      env: { PYTHONHOME: join(root, 'usr'), PYTHONDONTWRITEBYTECODE: '1', LC_ALL: 'C.UTF-8' },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  )
  const end = (): void => void child.kill('SIGKILL')
  process.once('exit', end)
  const stop = async (): Promise<void> => {
    process.off('exit', end)
    end()
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
    rmSync(directory, { recursive: true, force: true })
  }
  const log = gathered(child)
  try {
    const port = await ready(child, command, log)
    return { port, base: `http://127.0.0.1:${port}`, directory, log, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

function gathered(child: ChildProcess): () => string {
  const chunks: Buffer[] = []
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (chunk: Buffer) => chunks.push(chunk))
  }
  return () => Buffer.concat(chunks).toString()
}

async function ready(child: ChildProcess, { port, program }: Command, log: () => string) {
  const until = Date.now() + READY_WITHIN
  while (Date.now() < until && child.exitCode === null && child.signalCode === null) {
    const answering = port === 'printed' ? Number(/^(\d+)\n/m.exec(log())?.[1] ?? 0) : port
    if (answering && (await answers(answering))) return answering
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  throw new Error(`${program} does not answer:\n${log()}`)
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const request = get({ host: '127.0.0.1', port, path: '/', agent: false }, response => {
      response.resume()
      resolve(true)
    })
    request.on('error', () => resolve(false))
  })
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Where the servers are unpacked. */
export function serverRoot(): Promise<string> {
  found ??= findRoot()
  return found
}

let found: Promise<string> | undefined

async function findRoot(): Promise<string> {
  const [root = ''] = await realizedForTests((lock, tools) => [seedRoot(lock, 'servers', tools)])
  return root
}
