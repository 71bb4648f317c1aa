import test from 'ava'
import { faultyHost } from '../../store/hosts/faulty.ts'
import { nodeHost } from '../../store/hosts/node.ts'
import { hostSuite } from '../suites/host.ts'

hostSuite(test, 'node', nodeHost)
hostSuite(test, 'faulty, without a fault', faultyHost(nodeHost, { at: Infinity, how: 'EIO' }))
