import { bunHost } from '../../store/hosts/bun.ts'
import { main } from '../mix.ts'

// What is compiled into the program for the target.
await main(bunHost)
