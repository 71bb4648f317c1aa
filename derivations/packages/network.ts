import type { Lock } from '../../graph/lock.ts'
import type { Definitions, PackageSet } from '../../graph/package-set.ts'
import { caCertificates } from './ca-certificates.ts'
import { curl } from './curl.ts'
import { iptables } from './iptables.ts'
import { nginx } from './nginx.ts'
import { openssh } from './openssh.ts'
import { openssl } from './openssl.ts'
import { pcre2 } from './pcre2.ts'
import { zlib } from './zlib.ts'

/** What talks to other machines, and the libraries that it needs. */
export function networkPackages(lock: Lock): Definitions {
  const toolsOf = ({ get }: PackageSet) => ({
    seeds: get('seeds-build'),
    toolchain: get('toolchain'),
  })
  const withTls = (set: PackageSet) => ({
    ...toolsOf(set),
    openssl: set.get('openssl'),
    zlib: set.get('zlib'),
  })
  return {
    'ca-certificates': set => caCertificates(lock, toolsOf(set)),
    curl: set => curl(lock, withTls(set)),
    iptables: set => iptables(lock, toolsOf(set)),
    nginx: set => nginx(lock, { ...withTls(set), pcre2: set.get('pcre2') }),
    openssh: set => openssh(lock, withTls(set)),
    openssl: set => openssl(lock, toolsOf(set)),
    pcre2: set => pcre2(lock, toolsOf(set)),
    zlib: set => zlib(lock, toolsOf(set)),
  }
}
