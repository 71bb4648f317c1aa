"""
OpenStack Swift with its S3 interface as one process on the loopback interface: a proxy, and one account,
container and object server behind it, all data in one directory, without the daemons that repair and
replicate. Prints the port when it answers. Arguments: directory, access key (ACCOUNT:USER), secret.
"""
import eventlet
eventlet.monkey_patch()

import logging
import os
import sys

import eventlet.wsgi
from swift.common import utils
from swift.common.ring import RingBuilder
from swift.common.wsgi import SwiftHttpProtocol, loadapp

directory, access_key, secret = sys.argv[1:]
account, user = access_key.split(':')

common = f"""[DEFAULT]
swift_dir = {directory}
devices = {directory}/devices
mount_check = false
"""

os.makedirs(f'{directory}/devices/disk')
with open(f'{directory}/swift.conf', 'w') as file:
    file.write('[swift-hash]\nswift_hash_path_suffix = test\n')
utils.set_swift_dir(directory)

sockets = {kind: eventlet.listen(('127.0.0.1', 0), backlog=512) for kind in ['account', 'container', 'object', 'proxy']}

for kind in ['account', 'container', 'object']:
    builder = RingBuilder(1, 1, 0)
    builder.add_dev({'id': 0, 'region': 1, 'zone': 1, 'weight': 1, 'device': 'disk',
                     'ip': '127.0.0.1', 'port': sockets[kind].getsockname()[1]})
    builder.rebalance()
    builder.get_ring().save(f'{directory}/{kind}.ring.gz')
    with open(f'{directory}/{kind}.conf', 'w') as file:
        file.write(f"""{common}
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
allow_versions = true
""")

with open(f'{directory}/proxy.conf', 'w') as file:
    file.write(f"""{common}
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats s3api tempauth bulk slo proxy-logging proxy-server
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {secret} .admin
[filter:bulk]
use = egg:swift#bulk
[filter:slo]
use = egg:swift#slo
[filter:proxy-logging]
use = egg:swift#proxy_logging
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
""")


class Cache:
    """Stands for memcached, which one process can do without."""

    def __init__(self):
        self.values = {}

    def get(self, key, **_):
        return self.values.get(key)

    def set(self, key, value, **_):
        self.values[key] = value

    def delete(self, key, **_):
        self.values.pop(key, None)

    def incr(self, key, delta=1, **_):
        self.values[key] = (self.get(key) or 0) + delta
        return self.values[key]


cache = Cache()


def with_cache(app):
    return lambda env, start_response: app({**env, 'swift.cache': cache}, start_response)


log = logging.getLogger('server')
log.addHandler(logging.StreamHandler(sys.stderr))
servers = []
for kind, socket in sockets.items():
    app = loadapp(f'{directory}/{kind}.conf', global_conf={'log_name': kind})
    if kind == 'proxy':
        app = with_cache(app)
    servers.append(eventlet.spawn(eventlet.wsgi.server, socket, app, log, log_output=False,
                                  protocol=SwiftHttpProtocol, socket_timeout=60))
print(sockets['proxy'].getsockname()[1], flush=True)
for server in servers:
    server.wait()
