// Realizes a fixture in a process of its own: node realize-child.ts '{"directory": …, "fault": …}'.
// Prints the label of each step that it takes.
import { faultyHost } from '../../store/hosts/faulty.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { collectFixture, realizeFixture, type Work } from './store-fixture.ts'

const work: Work = JSON.parse(process.argv[2] ?? '{}')
const host = work.fault ? faultyHost(nodeHost, work.fault) : nodeHost
if (work.collect) await collectFixture(host, work)
else for (const label of await realizeFixture(host, work)) console.log(label)
