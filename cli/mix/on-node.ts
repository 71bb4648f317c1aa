import { nodeHost } from '../../store/hosts/node.ts'
import { main } from '../mix.ts'

// The same commands on a developer's machine.
await main(nodeHost)
