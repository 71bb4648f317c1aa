import type { Derivation } from '../../graph/derivation.ts'
import type { Lock } from '../../graph/lock.ts'
import { applyPatches } from '../build-support/patches.ts'
import { pinned, pinnedVersion } from '../build-support/pinned.ts'
import { type TargetTools, targetPackage } from '../build-support/target-package.ts'

interface NginxTools extends TargetTools {
  readonly openssl: Derivation
  readonly pcre2: Derivation
  readonly zlib: Derivation
}

/** Its workers run as the user `www-data`. */
export function nginx(lock: Lock, { openssl, pcre2, zlib, ...tools }: NginxTools): Derivation {
  return targetPackage({
    ...tools,
    name: 'nginx',
    version: pinnedVersion(lock, 'nginx'),
    description: 'Web server and reverse proxy',
    license: 'BSD-2-Clause',
    homepage: 'https://nginx.org/',
    services: ['nginx'],
    config: ['nginx/nginx.conf', 'nginx/mime.types'],
    libraries: { openssl, pcre2, zlib },
    inputs: { source: pinned(lock, 'nginx'), patches: pinned(lock, 'nginx-patches') },
    env: { settings, service, page },
    script: build,
  })
}

// What it says goes to its service's log, which has an end and no file that it opens as root in a directory of another's.
// It keeps the options it was configured with. Where headers are is not among them, or it would refer to those as well.
const build = `
tar -xf "$source" --strip-components=1
${applyPatches({ except: '0003-|nginx-' })}
export CPATH=$openssl_dev/include:$pcre2_dev/include:$zlib_dev/include
./configure --prefix=/var/lib/nginx --sbin-path="$out/bin/nginx" --conf-path=/etc/nginx/nginx.conf \\
  --error-log-path=stderr --http-log-path=/proc/self/fd/1 \\
  --pid-path=/run/nginx.pid --lock-path=/run/nginx.lock \\
  --http-client-body-temp-path=/var/lib/nginx/client-body --http-proxy-temp-path=/var/lib/nginx/proxy \\
  --http-fastcgi-temp-path=/var/lib/nginx/fastcgi --http-uwsgi-temp-path=/var/lib/nginx/uwsgi \\
  --user=www-data --group=www-data --with-cc="$CC" --with-cc-opt="$CFLAGS" --with-ld-opt="$LDFLAGS" \\
  --with-threads --with-http_ssl_module --with-http_v2_module --with-http_auth_request_module \\
  --with-http_gzip_static_module --with-http_realip_module --with-http_stub_status_module \\
  --with-stream --with-stream_ssl_module --without-http_scgi_module
make -s -j"$BUILD_CORES"
mkdir -p "$out/bin" "$out/etc/nginx" "$out/etc/sv/nginx" "$out/share/nginx/html"
cp objs/nginx "$out/bin/"
cp conf/mime.types "$out/etc/nginx/"
printf '%s' "$settings" >"$out/etc/nginx/nginx.conf"
printf '%s' "$page" >"$out/share/nginx/html/index.html"
printf '%s' "$service" | sed "s|@out@|$out|g" >"$out/etc/sv/nginx/run"
chmod +x "$out/etc/sv/nginx/run"
`

const settings = `\
# The service says that nginx is to stay in the foreground; do not set daemon here.
worker_processes auto;

events {
  worker_connections 1024;
}

http {
  include mime.types;
  default_type application/octet-stream;
  sendfile on;
  server_tokens off;

  # More servers, one a file.
  include conf.d/*.conf;

  server {
    listen 80 default_server;
    listen [::]:80 default_server;
    root /mix/profiles/system/current/share/nginx/html;
  }
}
`

const page = `\
<!DOCTYPE html>
<title>nginx on MixOS</title>
<p>nginx works. What it serves is set in /etc/nginx/nginx.conf.</p>
`

const service = `\
#!/bin/sh
exec 2>&1
set -eu
umask 022
mkdir -p /var/lib/nginx
exec @out@/bin/nginx -g 'daemon off;'
`
