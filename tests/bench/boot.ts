// Run by hand: node tests/bench/boot.ts [RUNS] How long the image takes from power-on to the login prompt.
import { spawn } from 'node:child_process'
import { once } from 'node:events'

const [runs = 5] = process.argv.slice(2).map(Number)
const firmwares = { BIOS: [], UEFI: ['--uefi'] }
for (const [firmware, flags] of Object.entries(firmwares)) {
  const seconds: number[] = []
  for (let run = 0; run < runs; run++) seconds.push(await bootOnce(flags))
  const [fastest, median, slowest] = [0, (runs - 1) >> 1, runs - 1].map(at =>
    seconds.toSorted((a, b) => a - b)[at]?.toFixed(2),
  )
  console.log(`${firmware}: median ${median} s of ${runs}, from ${fastest} to ${slowest} s`)
}

async function bootOnce(flags: readonly string[]): Promise<number> {
  const args = ['cli/mixos.ts', 'boot', 'iso', ...flags]
  const machine = spawn(process.execPath, args, { stdio: 'pipe' })
  const ended = once(machine, 'exit')
  // mixos says that it starts the image just before it does.
  await shows(machine.stderr, /starting /)
  const began = performance.now()
  await shows(machine.stdout, /login: $/)
  const took = performance.now() - began
  machine.kill()
  await ended
  return took / 1000
}

async function shows(stream: NodeJS.ReadableStream, pattern: RegExp): Promise<void> {
  let seen = ''
  await new Promise<void>((resolve, reject) => {
    stream.on('data', chunk => {
      seen += chunk
      if (pattern.test(seen)) resolve()
    })
    stream.on('end', () => reject(new Error(`ended before ${pattern}: ${seen}`)))
  })
}
