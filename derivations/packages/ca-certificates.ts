import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

/**
 * Those of Mozilla's that are trusted for servers, as one file.
 * It is the user's once changed: certificates can be added.
 */
export function caCertificates(lock: Lock, tools: TargetTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'ca-certificates',
    version: pinnedVersion(lock, 'ca-certificates'),
    description: 'Certificates of the authorities that Mozilla trusts to vouch for servers',
    license: 'MPL-2.0',
    homepage: 'https://wiki.mozilla.org/CA',
    config: ['ssl/certs/ca-certificates.crt'],
    inputs: { source: pinned(lock, 'ca-certificates') },
    env: { program },
    script: `
tar -xf "$source" --strip-components=1
mkdir -p "$out/etc/ssl/certs"
perl -e "$program" <mozilla/certdata.txt >"$out/etc/ssl/certs/ca-certificates.crt"
`,
  })
}

// A certificate and how far it is trusted are two objects, which have issuer and serial number in common.
const program = String.raw`
use strict;
use warnings;
use MIME::Base64;

my (@objects, %trusted);
while (<STDIN>) {
  if (/^CKA_CLASS \S+ (\S+)/) {
    push @objects, { CKA_CLASS => $1 };
  } elsif (/^(CKA_\w+) MULTILINE_OCTAL/) {
    my ($field, $octal) = ($1, '');
    while (<STDIN>) { last if /^END/; $octal .= $_ }
    $objects[-1]{$field} = pack 'C*', map { oct } $octal =~ /\\([0-7]{3})/g;
  } elsif (/^(CKA_\w+) \S+ (.*)/) {
    $objects[-1]{$1} = $2;
  }
}
sub identity { my ($object) = @_; "$object->{CKA_ISSUER}\0$object->{CKA_SERIAL_NUMBER}" }
for (grep { $_->{CKA_CLASS} eq 'CKO_NSS_TRUST' } @objects) {
  $trusted{identity($_)} = 1 if $_->{CKA_TRUST_SERVER_AUTH} eq 'CKT_NSS_TRUSTED_DELEGATOR';
}
my @certificates = grep { $_->{CKA_CLASS} eq 'CKO_CERTIFICATE' && $trusted{identity($_)} } @objects;
die 'error: too few certificates: ' . @certificates . "\n" if @certificates < 100;
for (@certificates) {
  (my $base64 = encode_base64($_->{CKA_VALUE}, '')) =~ s/(.{64})(?=.)/$1\n/g;
  print "-----BEGIN CERTIFICATE-----\n$base64\n-----END CERTIFICATE-----\n";
}
`
