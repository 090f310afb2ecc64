#!/usr/bin/env python3
"""Connections under TLS, russet beside real servers.

    benches/tls.py speed      [NAME=PROGRAM ...]   GET and SET, 50 connections, pipeline 64 and 1
    benches/tls.py handshakes [NAME=PROGRAM ...]   full and resumed handshakes, server CPU of each
    benches/tls.py idle       [NAME=PROGRAM ...]   memory of connections that say nothing
    benches/tls.py crowd      [NAME=PROGRAM ...]   how long others wait while 1,000 come at once

Without servers: target/release/russet, and of the peers of tests/peers/install those that are
built with TLS: Redis 8.0 (redis8-tls) and 7.0, both with OpenSSL. The package of Valkey has none.
One server runs at a time, pinned to CPU 0, load and clients to CPU 1. CPU is that of all the
server's threads. Certificates are made anew with `openssl`; clients show one, as is the default.
Ratios are against the best peer: above 1 the first is better.

    ROUNDS=3   rounds    SCALE=0.1   fewer requests    KEYS=rsa,ec   kinds of keys
"""
import os
import resource
import select
import shutil
import socket
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import peers
from peers import PORT, ROUNDS, SCALE, Server, show, wanted

KEYS = os.environ.get("KEYS", "rsa,ec").split(",")
NEW_KEY = {"rsa": ["-newkey", "rsa:2048"], "ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]}


class Certificates:
    """An authority, a server's and a client's certificate with keys of one kind."""

    def __init__(self, kind):
        self.folder = Path(tempfile.mkdtemp(prefix="peers-tls-"))
        self.ca = self.folder / "ca.crt"
        extensions = self.folder / "extensions"
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        self.openssl("req", "-x509", *NEW_KEY[kind], "-nodes", "-keyout", "ca.key", "-out", "ca.crt", "-days", "9",
                     "-subj", "/CN=authority")
        for name in ("server", "client"):
            self.openssl("req", *NEW_KEY[kind], "-nodes", "-keyout", f"{name}.key", "-out", "request", "-subj", f"/CN={name}")
            self.openssl("x509", "-req", "-in", "request", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                         "-days", "9", "-out", f"{name}.crt", "-extfile", str(extensions))

    def openssl(self, *words):
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def path(self, name):
        return str(self.folder / name)

    def settings(self, port):
        return ("--save", "", "--appendonly", "no", "--tls-port", str(port), "--tls-cert-file", self.path("server.crt"),
                "--tls-key-file", self.path("server.key"), "--tls-ca-cert-file", self.path("ca.crt"))

    def context(self, resumes=False):
        context = ssl.create_default_context(cafile=self.path("ca.crt"))
        context.load_cert_chain(self.path("client.crt"), self.path("client.key"))
        if not resumes:
            context.options |= ssl.OP_NO_TICKET
        return context

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def each_server(servers, kind):
    """Each server, started under TLS, and its port for that."""
    certificates = Certificates(kind)
    try:
        for at, (name, program) in enumerate(servers):
            port = PORT + 400 + at
            with Server(name, program, PORT + at, settings=certificates.settings(port)) as server:
                yield name, server, port, certificates
    finally:
        certificates.remove()


def load(port, pipeline, requests, test, certificates):
    """redis-benchmark's requests per second."""
    done = subprocess.run(
        ["taskset", "-c", "1", "redis-benchmark", "-p", str(port), "-n", str(requests), "-c", "50", "-P", str(pipeline),
         "-r", "100000", "--csv", "-t", test, "--tls", "--cacert", certificates.path("ca.crt"),
         "--cert", certificates.path("client.crt"), "--key", certificates.path("client.key")], capture_output=True, text=True)
    for line in reversed(done.stdout.splitlines()):
        fields = [field.strip('"') for field in line.split('","')]
        if len(fields) >= 7 and not line.startswith('"test"'):
            return float(fields[1])
    raise RuntimeError(done.stderr[-500:])


def speed(servers):
    """The handshakes of the 50 count as well, which is little."""
    print(f"{'workload':16}" + "".join(f"{name + ' kops':>14}{'us/op':>8}" for name, _ in servers)
          + f"{'kops ratio':>12}{'CPU ratio':>11}")
    for test in ("get", "set"):
        for pipeline, requests in ((64, 2_000_000), (1, 150_000)):
            label = f"{test.upper()} P{pipeline}"
            if not wanted(label):
                continue
            requests = max(int(requests * SCALE), 1000)
            rates, costs = {name: [] for name, _ in servers}, {name: [] for name, _ in servers}
            for _ in range(ROUNDS):
                for name, server, port, certificates in each_server(servers, KEYS[0]):
                    if test == "get":
                        load(port, 64, 200_000, "set", certificates)
                    start = server.cpu_seconds()
                    rates[name].append(load(port, pipeline, requests, test, certificates) / 1e3)
                    costs[name].append((server.cpu_seconds() - start) / requests * 1e6)
            show(f"{label:16}", servers, [(rates, "{:14.1f}", max), (costs, "{:8.3f}", min)], (12, 11))


def shake(port, context, session=None):
    """One connection that is answered; its session."""
    with socket.create_connection(("127.0.0.1", port)) as plain:
        with context.wrap_socket(plain, server_hostname="localhost", session=session) as one:
            one.sendall(b"PING\r\n")
            assert one.recv(64) == b"+PONG\r\n"
            return one.session


def handshakes(servers):
    count = max(int(600 * SCALE), 50)
    print(f"server CPU of a connection with one PING, microseconds; {count} one after another")
    print(f"{'handshake':16}" + "".join(f"{name:>12}" for name, _ in servers) + f"{'CPU ratio':>11}")
    for kind in KEYS:
        for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
            for resumes in (False, True):
                label = f"{kind} {version.name[-3:]} {'resumed' if resumes else 'full'}"
                if not wanted(label):
                    continue
                costs = {name: [] for name, _ in servers}
                for _ in range(ROUNDS):
                    for name, server, port, certificates in each_server(servers, kind):
                        context = certificates.context(resumes)
                        context.maximum_version = version
                        session = shake(port, context) if resumes else None
                        start = server.cpu_seconds()
                        for _ in range(count):
                            session = shake(port, context, session) if resumes else shake(port, context)
                        costs[name].append((server.cpu_seconds() - start) / count * 1e6)
                show(f"{label:16}", servers, [(costs, "{:12.0f}", min)], (11,))


def idle(servers):
    count = max(int(2000 * SCALE), 100)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 1000,) * 2)
    print(f"bytes a connection of {count}, after one PING and five seconds")
    print(f"{'server':12}{'used':>12}{'RSS':>12}")
    for name, server, port, certificates in each_server(servers, KEYS[0]):
        context = certificates.context()
        # What the first ones need once and for all is not theirs.
        for _ in range(20):
            shake(port, context)
        used, resident = server.used_bytes(), server.resident_bytes()
        all_of_them = []
        for _ in range(count):
            one = context.wrap_socket(socket.create_connection(("127.0.0.1", port)), server_hostname="localhost")
            one.sendall(b"PING\r\n")
            assert one.recv(64) == b"+PONG\r\n"
            all_of_them.append(one)
        time.sleep(5)
        used, resident = (server.used_bytes() - used) / count, (server.resident_bytes() - resident) / count
        print(f"{name:12}{used:12.0f}{resident:12.0f}", flush=True)
        for one in all_of_them:
            one.close()


def hellos(port, context, count):
    """So many first messages on connections that have just been opened."""
    begun = []
    for _ in range(count):
        plain = socket.create_connection(("127.0.0.1", port))
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            pass
        begun.append((plain, tls, incoming, outgoing))
    return begun


def crowd(servers):
    """A thousand say hello at once; one who was there before asks meanwhile, until all have
    been answered."""
    count = max(int(1000 * SCALE), 50)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count + 1000,) * 2)
    print(f"while {count} agree on keys: another client's waits, milliseconds, and the time until all are answered")
    print(f"{'server':16}{'longest':>12}{'p99':>12}{'median':>12}{'all, s':>12}")
    for kind in KEYS:
        longest = {name: [] for name, _ in servers}
        for _ in range(ROUNDS):
            for name, server, port, certificates in each_server(servers, kind):
                context = certificates.context()
                begun = hellos(port, context, count)
                poll, waiting = select.epoll(), {}
                for plain, tls, incoming, outgoing in begun:
                    poll.register(plain, select.EPOLLIN)
                    waiting[plain.fileno()] = (plain, tls, incoming, outgoing)
                # A process of its own: what this one computes is no wait of his.
                watch = subprocess.Popen([sys.executable, __file__, "ask", str(server.port)], stdout=subprocess.PIPE, text=True)
                watch.stdout.readline()
                begin = time.perf_counter()
                for plain, _, _, outgoing in begun:
                    plain.sendall(outgoing.read())
                while waiting:
                    for number, _ in poll.poll():
                        plain, tls, incoming, outgoing = waiting[number]
                        incoming.write(plain.recv(1 << 16))
                        try:
                            tls.do_handshake()
                        except ssl.SSLWantReadError:
                            continue
                        plain.sendall(outgoing.read())
                        poll.unregister(plain)
                        del waiting[number]
                took = time.perf_counter() - begin
                watch.terminate()
                waits = sorted(float(line) for line in watch.stdout.read().split())
                longest[name].append((waits[-1], waits[int(len(waits) * 0.99)], waits[len(waits) // 2], took))
                for plain, *_ in begun:
                    plain.close()
        for name, _ in servers:
            figures = [statistics.median(column) for column in zip(*longest[name])]
            print(f"{kind + ' ' + name:16}" + "".join(f"{figure:12.2f}" for figure in figures), flush=True)


def ask(port):
    """PINGs without a pause until it is ended; then how long each took, in milliseconds."""
    import signal
    took, ended = [], []
    signal.signal(signal.SIGTERM, lambda *_: ended.append(True))
    with socket.create_connection(("127.0.0.1", port)) as one:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        print("ready", flush=True)
        while not ended:
            begin = time.perf_counter()
            one.sendall(b"PING\r\n")
            one.recv(64)
            took.append((time.perf_counter() - begin) * 1e3)
            time.sleep(0.0005)
    print("\n".join(f"{one:.3f}" for one in took))


def default_servers():
    there, missing = peers.default_servers()
    folder = Path(dict(there)["redis7"]).parent.parent if "redis7" in dict(there) else None
    there = [(name, program) for name, program in there if name in ("russet", "redis7")]
    with_tls = folder / "redis8-tls/redis-server" if folder else None
    if with_tls and with_tls.exists():
        there.insert(1, ("redis8", str(with_tls)))
        missing = [name for name in missing if name != "redis8"]
    else:
        missing.append("redis8 with TLS")
    return there, [name for name in missing if name != "valkey9"]


def main():
    if sys.argv[1:2] == ["ask"]:
        return ask(int(sys.argv[2]))
    kinds = {"speed": speed, "handshakes": handshakes, "idle": idle, "crowd": crowd}
    if len(sys.argv) < 2 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    for tool in ("redis-benchmark", "taskset", "openssl"):
        if not shutil.which(tool):
            sys.exit(f"no {tool}: run tests/peers/install")
    os.sched_setaffinity(0, {1})
    peers.measure(sys.argv[2:], kinds[sys.argv[1]], default_servers)


if __name__ == "__main__":
    main()
