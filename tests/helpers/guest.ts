import { setTimeout as sleep } from 'node:timers/promises'
import type { Console } from './console.ts'

/** Root's shell on a machine's console. */
export interface Guest {
  /** What the command prints, its lines ending in \n. */
  ask(command: string): Promise<string>
  /** The same, followed by `status N`. Throws where it ends with another status than that. */
  ends(command: string, status: number): Promise<string>
  /** Asks again until the answer matches. Throws with the last answer after a minute. */
  askUntil(command: string, pattern: RegExp): Promise<string>
}

const BEGIN = '\n=begin\r\n'

export async function logIn(machine: Console): Promise<Guest> {
  await machine.until(/login: $/, 120)
  machine.send('root')
  await machine.until(/# $/, 30)
  const ask = async (command: string): Promise<string> => {
    // What was sent is echoed, and broken into lines where the terminal thinks that they end.
    machine.send(`echo =begin; ${command}; echo =end`)
    const text = await machine.until(/\n=end\r\n[\s\S]*# $/, 60)
    const from = text.indexOf(BEGIN) + BEGIN.length
    return text.slice(from, text.lastIndexOf('=end')).replaceAll('\r\n', '\n')
  }
  return {
    ask,
    ends: async (command, status) => {
      const answer = await ask(`${command}; echo status $?`)
      if (answer.endsWith(`status ${status}\n`)) return answer
      throw new Error(`expected status ${status} of ${command}: ${answer}`)
    },
    askUntil: async (command, pattern) => {
      for (let tries = 0; ; tries++) {
        const answer = await ask(command)
        if (pattern.test(answer)) return answer
        if (tries === 60) throw new Error(`no ${pattern} from ${command}: ${answer}`)
        await sleep(1000)
      }
    },
  }
}

/** Makes the machine take packages from there, and from nowhere else; waits for its network. */
export async function useRepository({ ask, askUntil }: Guest, url: string): Promise<void> {
  const root = '/etc/mix/team.root.json'
  await askUntil(`wget -qO ${root} ${url}/tuf/root.json; echo $?`, /^0\n/)
  await ask(`echo '${JSON.stringify([{ name: 'team', url, root }])}' >/etc/mix/repositories.json`)
}
