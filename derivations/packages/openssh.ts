import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { applyPatches } from '../build-support/patches.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

interface OpensshTools extends TargetTools {
  readonly openssl: Derivation
  readonly zlib: Derivation
}

/** Client, server, and the tools for keys. The server's unprivileged part runs as the user `sshd`. */
export function openssh(lock: Lock, { openssl, zlib, ...tools }: OpensshTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'openssh',
    version: pinnedVersion(lock, 'openssh'),
    description: 'Secure shell: logs in to other machines, and lets others in that have a key',
    license: 'SSH-OpenSSH',
    homepage: 'https://www.openssh.com/',
    services: ['sshd'],
    config: ['ssh/sshd_config'],
    libraries: { openssl, zlib },
    inputs: { source: pinned(lock, 'openssh'), patches: pinned(lock, 'openssh-patches') },
    env: { settings, service },
    script: build,
  })
}

// No program is setuid here, so ssh-keysign could do nothing. Without moduli, groups are those that are built in.
const build = `
tar -xf "$source" --strip-components=1
${applyPatches({ only: 'CVE-|fix-' })}
./configure --prefix="$out" --sbindir="$out/bin" --libexecdir="$out/libexec/ssh" --sysconfdir=/etc/ssh \\
  --with-privsep-user=sshd --with-privsep-path=/run/sshd --with-pid-dir=/run \\
  --with-default-path=/bin:/sbin --with-superuser-path=/bin:/sbin --with-xauth=no \\
  --disable-pkcs11 --disable-lastlog --disable-utmp --disable-utmpx --disable-wtmp --disable-wtmpx \\
  --disable-strip --without-pam
programs="ssh scp ssh-add ssh-agent ssh-keygen ssh-keyscan sftp sshd"
helpers="sshd-session sshd-auth sftp-server ssh-sk-helper"
make -s -j"$BUILD_CORES" $programs $helpers
mkdir -p "$out/bin" "$out/libexec/ssh" "$out/etc/ssh" "$out/etc/sv/sshd"
cp $programs "$out/bin/"
cp $helpers "$out/libexec/ssh/"
printf '%s' "$settings" >"$out/etc/ssh/sshd_config"
printf '%s' "$service" | sed "s|@out@|$out|g" >"$out/etc/sv/sshd/run"
chmod +x "$out/etc/sv/sshd/run"
`

const settings = `\
# Nobody gets in with a password. What is not set here is as sshd_config(5) says.
HostKey /etc/ssh/ssh_host_ed25519_key

AuthenticationMethods publickey
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitEmptyPasswords no
PermitRootLogin prohibit-password
AuthorizedKeysFile .ssh/authorized_keys
MaxAuthTries 3
LoginGraceTime 30

AllowAgentForwarding no
X11Forwarding no

Subsystem sftp internal-sftp
`

// A key is complete before it has its name, so that no power cut leaves half of one.
const service = `\
#!/bin/sh
exec 2>&1
set -eu
umask 077
key=/etc/ssh/ssh_host_ed25519_key
if ! [ -s "$key" ]; then
  mkdir -p -m 755 /etc/ssh
  rm -f "$key.new" "$key.new.pub"
  @out@/bin/ssh-keygen -q -t ed25519 -N '' -C "$(hostname)" -f "$key.new"
  chmod 644 "$key.new.pub"
  mv "$key.new.pub" "$key.pub"
  sync
  mv "$key.new" "$key"
fi
mkdir -p -m 755 /run/sshd
umask 022
exec @out@/bin/sshd -D -e
`
