"""Redis's own tests of vector sets, from its source package, against a server and a replica of it.

Its client speaks RESP2 here, as that of the time did. Tests that mostly wait, or compare a hundred
thousand vectors in Python, are left out; all pass.
"""
import os
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import redis

SLOW = {"LargeScale", "ConcurrentCASTest"}
SECONDS_MAX = 2


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start(folder, port, *words):
    place = Path(folder, str(port))
    place.mkdir()
    log = open(place / "log", "wb")
    process = subprocess.Popen(
        [os.environ["SERVER"], "--port", str(port), "--bind", "127.0.0.1", "--dir", str(place), "--save", "",
         "--daemonize", "no", "--enable-debug-command", "local", *words], stdout=log, stderr=log)
    until = time.monotonic() + 10
    while time.monotonic() < until:
        try:
            redis.Redis(port=port).ping()
            return process
        except redis.exceptions.ConnectionError:
            time.sleep(0.05)
    sys.exit(f"no server on port {port}")


def main():
    suite = Path(os.environ["RUSSET_PEERS_FOLDER"], "redis8/modules/vector-sets")
    if not (suite / "test.py").exists():
        print("left out: Redis's source package (run tests/peers/install)")
        return
    os.chdir(suite)
    sys.path.insert(0, str(suite))
    sys.dont_write_bytecode = True
    plain = redis.Redis

    def of_its_time(*args, **options):
        return plain(*args, **{"protocol": 2, **options})

    import test
    test.redis.Redis = of_its_time
    with tempfile.TemporaryDirectory() as folder:
        primary, replica = free_ports(2)
        servers = [start(folder, primary), start(folder, replica, "--replicaof", f"127.0.0.1 {primary}")]
        failed, passed = [], 0
        try:
            for one in sorted(test.find_test_classes(primary, replica), key=lambda one: one.getname()):
                if type(one).__name__ in SLOW or one.estimated_runtime() > SECONDS_MAX:
                    continue
                if one.run():
                    passed += 1
                else:
                    failed.append(f"{one.getname()}: {one.error_msg}")
        finally:
            for server in servers:
                server.kill()
                server.wait()
    print(f"vector sets: {passed} of Redis's tests pass")
    if failed or passed < 14:
        sys.exit("\n".join(failed) or "too few tests were found")


if __name__ == "__main__":
    main()
