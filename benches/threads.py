"""I/O threads: CPU of a request on the main thread and on all threads, russet with and without them beside real servers.

Each server runs with `--io-threads 2`, russet with 1 as well; nothing is pinned, as three
threads share two processors with the load. Rounds are interleaved, and the least of each
figure is shown, as other work can only add to it. Parts are those of russet's one thread in the same run.

Called by peers.py, which chooses the servers.
"""
import contextlib
import socket
import subprocess
import threading
from pathlib import Path

import peers
from tls import Certificates

PLAIN = ["--save", "", "--appendonly", "no"]

# Label, requests, words of redis-benchmark, and whether under TLS.
ROWS = [
    ("GET P1 c200", 200_000, ["-t", "get", "-c", "200", "-r", "1000000"], False),
    ("SET P1 c200", 200_000, ["-t", "set", "-c", "200", "-r", "1000000"], False),
    ("GET P4 c50", 600_000, ["-t", "get", "-c", "50", "-P", "4", "-r", "100000"], False),
    ("GET P16 c50", 1_600_000, ["-t", "get", "-c", "50", "-P", "16", "-r", "100000"], False),
    ("SET P16 c50", 1_600_000, ["-t", "set", "-c", "50", "-P", "16", "-r", "100000"], False),
    ("GET 16K c50", 100_000, ["-c", "50", "GET", "large"], False),
    ("GET P1 c4", 60_000, ["-t", "get", "-c", "4", "-r", "100000"], False),
    ("TLS GET P1 c200", 100_000, ["-t", "get", "-c", "200", "-r", "100000"], True),
    ("TLS GET P16 c50", 800_000, ["-t", "get", "-c", "50", "-P", "16", "-r", "100000"], True),
]
FAN_OUT = ("fan-out 100 x 64 B", 100, 64)
FAN_OUT_LONG = ("fan-out 100 x 4 KiB", 100, 4096)
MESSAGES = 5000


def cpu_of(server):
    """Seconds of the main thread and of all threads."""
    tasks = {int(task.name): int((task / "schedstat").read_text().split()[0]) / 1e9
             for task in Path(f"/proc/{server.process.pid}/task").iterdir()}
    return tasks[server.process.pid], sum(tasks.values())


def load(port, requests, words, certificates):
    tls = ["--tls", "--cacert", certificates.path("ca.crt"), "--cert", certificates.path("client.crt"),
           "--key", certificates.path("client.key")] if certificates else []
    subprocess.run(["redis-benchmark", "-p", str(port), "-n", str(requests), "--csv", *tls, *words],
                   capture_output=True, check=True)


def fan_out(port, subscribers, length):
    """Publishes so many messages to so many subscribers, each published when the one before has come everywhere."""
    message = "x" * length
    one = len(f"*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n${length}\r\n{message}\r\n")
    connections = [socket.create_connection(("127.0.0.1", port)) for _ in range(subscribers)]
    for connection in connections:
        connection.sendall(peers.command("SUBSCRIBE", "news"))
        connection.recv(1 << 16)

    def drain(part):
        for connection in part:
            missing = one * MESSAGES
            while missing > 0:
                missing -= len(connection.recv(1 << 20))

    readers = [threading.Thread(target=drain, args=([connection],)) for connection in connections]
    for reader in readers:
        reader.start()
    with socket.create_connection(("127.0.0.1", port)) as publisher:
        for _ in range(0, MESSAGES, 10):
            publisher.sendall(peers.command("PUBLISH", "news", message) * 10)
            left = len(f":{subscribers}\r\n") * 10
            while left > 0:
                left -= len(publisher.recv(1 << 16))
    for reader in readers:
        reader.join()
    for connection in connections:
        connection.close()
    return MESSAGES * subscribers


def forms(servers):
    """What runs: each server with two threads, the first with one too."""
    first = servers[0]
    yield f"{first[0]} 1", first[1], ["--io-threads", "1"]
    for name, program in servers:
        yield f"{name} 2", program, ["--io-threads", "2"]


def measure_one(form, at, act, certificates):
    name, program, words = form
    port = peers.PORT + at
    settings = [*(certificates.settings(port + 400) if certificates else PLAIN), *words]
    if "valkey" in program:
        settings += ["--io-threads-always-active", "yes"]
    with peers.Server(name.replace(" ", "-"), program, port, cpus="0-1", settings=settings) as server:
        server.fill([peers.command("SET", "large", "x" * 16384)])
        before = None
        # The first part of the load brings threads up, where a server starts them by load.
        for share in (0.25, 1):
            before = cpu_of(server)
            count = act(port + 400 if certificates else port, share)
        after = cpu_of(server)
        return [(then - now) / count * 1e6 for now, then in zip(before, after)]


def compare(servers):
    print(f"{'row':20}{'':14}{'main us':>9}{'part':>7}{'all us':>9}{'part':>7}")
    for label, requests, words, is_tls in ROWS:
        if not peers.wanted(label):
            continue
        requests = max(int(requests * peers.SCALE), 1000)
        with contextlib.ExitStack() as stack:
            certificates = Certificates("ec") if is_tls else None
            if certificates:
                stack.callback(certificates.remove)

            def act(port, share, words=words, requests=requests, certificates=certificates):
                count = max(int(requests * share), 1000)
                load(port, count, words, certificates)
                return count

            row(label, servers, act, certificates)
    for label, subscribers, length in (FAN_OUT, FAN_OUT_LONG):
        if peers.wanted(label):
            row(label, servers, lambda port, _share, s=subscribers, n=length: fan_out(port, s, n), None)


def row(label, servers, act, certificates):
    costs = {}
    for _ in range(peers.ROUNDS):
        for at, form in enumerate(forms(servers)):
            try:
                figures = measure_one(form, at, act, certificates)
                costs.setdefault(form[0], []).append(figures)
            except (RuntimeError, SystemExit, subprocess.CalledProcessError) as error:
                print(f"{label}: {form[0]} left out: {str(error)[:80]}")
    one = f"{servers[0][0]} 1"
    if one not in costs:
        return
    alone = [min(figures) for figures in zip(*costs[one])]
    for name, rounds in costs.items():
        main, every = (min(figures) for figures in zip(*rounds))
        print(f"{label:20}{name:14}{main:9.2f}{main / alone[0]:7.2f}{every:9.2f}{every / alone[1]:7.2f}", flush=True)
