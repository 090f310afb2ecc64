#!/usr/bin/env python3
"""What one client meets while the server is busy otherwise, russet beside real servers.

    benches/latency.py expiry      [NAME=PROGRAM ...]   how late keys with a TTL are deleted
    benches/latency.py growth      [NAME=PROGRAM ...]   the keyspace grows to KEYS
    benches/latency.py connections [NAME=PROGRAM ...]   10,000 of them, 1,000 speak
    benches/latency.py rates       [NAME=PROGRAM ...]   how long a request takes at a given rate
    benches/latency.py closed      [NAME=PROGRAM ...]   each client waits for its reply

Without servers: target/release/russet and the peers of tests/peers/install. One server
runs at a time, pinned to CPU 0, load and clients to CPU 1. Two rows a server for `expiry`:
the loop idle, and under redis-benchmark's SET and GET (pipeline 16) in another database.

Lateness is sampled every few milliseconds: the time since the oldest key that DBSIZE still
counts was due. "slowest" is the longest answer to the small commands of one client that
asks all the time. "turn" is the longest turn of the loop (INFO `eventloop_duration_max`,
read and reset all the time); "taken" how often the kernel gave its CPU to others meanwhile: a
turn that was interrupted is longer than its work. A host that takes the CPU away is not even
counted there, so growth is repeated, and "each run" is the longest turn that every run had at
the same stage (two hundred of them): what growing itself costs.

`rates`: a load generator of epoll sends SET and GET in turn at 5,000, 20,000 and 40,000 a
second over 50, 10 and 1 clients, each at its time whether or not earlier ones are answered, so
that what waits is counted; p50 and p99 from that time. It says how many it could not send in
time. `closed`: redis-benchmark, one request at a time, with 2 to 1,000 clients: throughput, CPU
a request, and both beside the best peer (above 1: the first is better).

    KEYS=1000000     keys (10,000,000 for `growth`)    SECONDS=60    over which they expire
    PORT=17000       first port                        PREFIX="chrt -f 10"
    RUNS=3           runs of `growth`, rounds of `rates` and `closed`
"""
import os
import re
import resource
import select
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import deque
from pathlib import Path

import peers
from peers import PORT, Server, command

KEYS = int(os.environ.get("KEYS", "0"))
RUNS = int(os.environ.get("RUNS", "3"))
SECONDS = float(os.environ.get("SECONDS", "60"))


class Client:
    """A connection that waits for each reply, and remembers the slowest."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.times = []

    def ask(self, *words):
        start = time.perf_counter()
        self.socket.sendall(command(*words))
        reply = self.socket.recv(1 << 16)
        self.times.append(time.perf_counter() - start)
        return reply

    def slowest_ms(self):
        return max(self.times) * 1e3

    def percentile_ms(self, percent):
        return sorted(self.times)[int(len(self.times) * percent / 100)] * 1e3


def taken(server):
    """Times that the kernel took the CPU from the server's main thread."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(re.search(r"nonvoluntary_ctxt_switches:\s*(\d+)", status).group(1))


def benchmark(port, *args):
    return subprocess.Popen(["taskset", "-c", "1", "redis-benchmark", "-p", str(port), *args],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def end(process):
    process.terminate()
    process.wait()


def lateness(server, keys, loaded):
    """p50, p99 and maximum in milliseconds, and the client that measured."""
    # The first key is due once all are there.
    begin_ms = int((time.time() + keys / 100_000 + 3) * 1000)
    due_ms = lambda n: begin_ms + n * SECONDS * 1000 / keys
    server.fill(command("SET", "key:%012d" % n, "x" * 16, "PXAT", int(due_ms(n))) for n in range(keys))
    if time.time() * 1000 > begin_ms:
        sys.exit("filling took longer than foreseen: fewer KEYS, please")
    client, late = Client(server.port), []
    load = benchmark(server.port, "--dbnum", "1", "-t", "set,get", "-P", "16", "-n", "1000000000",
                     "-r", "100000") if loaded else None
    try:
        time.sleep(max(0, begin_ms / 1000 - time.time()))
        client.times.clear()
        limit = due_ms(keys) + 30_000
        while time.time() * 1000 < limit:
            asked = time.time() * 1000
            left = int(client.ask("DBSIZE")[1:-2])
            if left == 0:
                break
            late.append(max(0.0, asked - due_ms(keys - left)))
            time.sleep(0.003)
    finally:
        if load:
            end(load)
    late.sort()
    return late[len(late) // 2], late[int(len(late) * 0.99)], late[-1], client


def expiry(servers):
    print(f"{'server':12}{'loop':>8}{'p50 ms':>10}{'p99 ms':>10}{'max ms':>10}{'client p99':>12}{'slowest ms':>12}")
    for at, (name, program) in enumerate(servers):
        for loaded in (False, True):
            with Server(name, program, PORT + at) as server:
                p50, p99, most, client = lateness(server, KEYS or 1_000_000, loaded)
                print(f"{name:12}{'busy' if loaded else 'idle':>8}{p50:10.2f}{p99:10.2f}{most:10.2f}"
                      f"{client.percentile_ms(99):12.2f}{client.slowest_ms():12.2f}", flush=True)


def watch_growth(client, stop, seen):
    """Adds (keys, longest turn in ms since the last look) to `seen`, every few milliseconds."""
    while not stop.is_set():
        size, info = client.ask("DBSIZE"), client.ask("INFO", "debug")
        client.ask("CONFIG", "RESETSTAT")
        found = re.search(rb"eventloop_duration_max:(\d+)", info)
        if found:
            seen.append((int(size[1:-2]), int(found.group(1)) / 1e3))
        time.sleep(0.005)


def grow(server, keys):
    """One growth to `keys`: what was seen of it, the client that saw it, interruptions."""
    client, stop, seen = Client(server.port), threading.Event(), []
    client.ask("CONFIG", "RESETSTAT")
    before = taken(server)
    watcher = threading.Thread(target=watch_growth, args=(client, stop, seen))
    watcher.start()
    # Random names over a wide range: nearly every SET adds a key.
    for _ in range(40):
        benchmark(server.port, "-t", "set", "-P", "16", "-d", "16", "-n", str(keys // 4),
                  "-r", str(100 * keys)).wait()
        if int(Client(server.port).ask("DBSIZE")[1:-2]) >= keys:
            break
    stop.set()
    watcher.join()
    return seen, client, taken(server) - before


def in_every_run(runs, keys, steps=200):
    """The longest turn that all runs had at the same stage of growth. What growth itself
    costs comes back in every run; an interruption does not."""
    longest = [[0.0] * steps for _ in runs]
    for of_run, seen in zip(longest, runs):
        for size, turn in seen:
            step = min(size * steps // keys, steps - 1)
            of_run[step] = max(of_run[step], turn)
    # Neighbours count: a table does not grow at exactly the same size each time.
    near = [[max(of_run[max(0, i - 1):i + 2]) for i in range(steps)] for of_run in longest]
    return max(min(stage) for stage in zip(*near))


def growth(servers):
    keys = KEYS or 10_000_000
    print(f"{'server':12}{'runs':>6}{'turn ms':>10}{'each run':>10}{'taken':>8}{'client p99':>12}{'slowest ms':>12}")
    for at, (name, program) in enumerate(servers):
        runs, clients, interrupted = [], [], 0
        for _ in range(RUNS):
            with Server(name, program, PORT + at) as server:
                seen, client, times = grow(server, keys)
                runs.append(seen)
                clients.append(client)
                interrupted += times
        longest = max((turn for seen in runs for _, turn in seen), default=None)
        turns = ("-", "-") if longest is None else (f"{longest:.2f}", f"{in_every_run(runs, keys):.2f}")
        p99 = max(client.percentile_ms(99) for client in clients)
        slowest = max(client.slowest_ms() for client in clients)
        print(f"{name:12}{RUNS:6}{turns[0]:>10}{turns[1]:>10}{interrupted:8}{p99:12.2f}{slowest:12.2f}", flush=True)


def connections(servers, idle=10_000, active=1_000):
    resource.setrlimit(resource.RLIMIT_NOFILE, (idle + 1000,) * 2)
    print(f"{'server':12}{'used bytes':>12}{'RSS bytes':>12}{'ops a second':>14}   a connection of {idle}; {active} speak")
    for at, (name, program) in enumerate(servers):
        with Server(name, program, PORT + at) as server:
            Client(server.port).ask("CONFIG", "SET", "maxclients", idle + 500)
            used, resident = server.used_bytes(), server.resident_bytes()
            all_of_them = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(idle)]
            for one in all_of_them:
                one.sendall(command("PING"))
            for one in all_of_them:
                assert one.recv(64) == b"+PONG\r\n"
            # Buffers that were used are given back by cron.
            time.sleep(5)
            used = (server.used_bytes() - used) / idle
            resident = (server.resident_bytes() - resident) / idle
            start, done = time.time(), 0
            while time.time() - start < 3:
                for one in all_of_them[:active]:
                    one.sendall(command("SET", "key", "value"))
                for one in all_of_them[:active]:
                    done += one.recv(64) == b"+OK\r\n"
            print(f"{name:12}{used:12.0f}{resident:12.0f}{done / (time.time() - start):14.0f}", flush=True)
            for one in all_of_them:
                one.close()


RATES = [(rate, clients) for rate in (5_000, 20_000, 40_000) for clients in (50, 10, 1)]


def at_rate(port, rate, clients, seconds=2.0):
    """Sends at fixed times and waits for no reply; p50 and p99 in microseconds, and how many
    were sent more than a millisecond late."""
    sockets = [socket.create_connection(("127.0.0.1", port)) for _ in range(clients)]
    poll, due, took, late = select.epoll(), {}, [], 0
    for one in sockets:
        one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        one.setblocking(False)
        poll.register(one, select.EPOLLIN)
        due[one.fileno()] = deque()
    by_number = {one.fileno(): one for one in sockets}
    requests = [command("SET", "key", "x" * 64), command("GET", "key")]
    # A reply to SET is one line, one to GET two: lines tell how many have come.
    lines = [1, 2]
    owed = dict.fromkeys(due, 0)
    count, sent = int(rate * seconds), 0
    now = time.perf_counter
    begin = now() + 0.01
    while len(took) < count:
        while sent < count and begin + sent / rate <= now():
            one, time_due = sockets[sent % clients], begin + sent / rate
            late += now() - time_due > 1e-3
            kind = sent // clients % 2
            one.send(requests[kind])
            due[one.fileno()].append((time_due, lines[kind]))
            sent += 1
        wait = begin + sent / rate - now() if sent < count else 0.1
        # epoll rounds up to whole milliseconds: near the next request it only looks.
        for number, _ in poll.poll(0 if wait < 2e-3 else wait - 1e-3):
            data = by_number[number].recv(1 << 16)
            if not data:
                raise RuntimeError("the server closed the connection")
            came, have = now(), owed[number] + data.count(b"\n")
            waiting = due[number]
            while waiting and have >= waiting[0][1]:
                time_due, needed = waiting.popleft()
                have -= needed
                took.append(came - time_due)
            owed[number] = have
    for one in sockets:
        one.close()
    took.sort()
    return took[len(took) // 2] * 1e6, took[int(len(took) * 0.99)] * 1e6, late / count


def rates(servers):
    print(f"{'rate':>8}{'clients':>9}" + "".join(f"{name + ' p50':>14}{'p99 us':>10}{'late':>7}" for name, _ in servers))
    for rate, clients in RATES:
        row = f"{rate:8}{clients:9}"
        seen = {name: [] for name, _ in servers}
        for _ in range(RUNS):
            for at, (name, program) in enumerate(servers):
                with Server(name, program, PORT + at) as server:
                    at_rate(server.port, rate, clients, 0.2)
                    seen[name].append(at_rate(server.port, rate, clients))
        for name, _ in servers:
            p50, p99, late = (statistics.median(figure) for figure in zip(*seen[name]))
            row += f"{p50:14.0f}{p99:10.0f}{late * 100:6.1f}%"
        print(row, flush=True)


CLOSED = [2, 4, 8, 16, 24, 50, 200, 1_000]


def closed(servers):
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096,) * 2)
    print(f"{'clients':16}" + "".join(f"{name + ' kops':>14}{'us/op':>8}" for name, _ in servers)
          + f"{'kops ratio':>12}{'CPU ratio':>11}")
    requests = max(int(100_000 * peers.SCALE), 2_000)
    for clients in CLOSED:
        throughput, costs = {name: [] for name, _ in servers}, {name: [] for name, _ in servers}
        for _ in range(RUNS):
            for at, (name, program) in enumerate(servers):
                with Server(name, program, PORT + at) as server:
                    before = server.cpu_seconds()
                    rate = peers.load(server.port, 1, requests, ["-t", "set"], clients)
                    if rate:
                        throughput[name].append(rate / 1e3)
                        costs[name].append((server.cpu_seconds() - before) / requests * 1e6)
        peers.show(f"{clients:<16}", servers, [(throughput, "{:14.1f}", max), (costs, "{:8.3f}", min)], (12, 11))


def main():
    kinds = {"expiry": expiry, "growth": growth, "connections": connections, "rates": rates, "closed": closed}
    if len(sys.argv) < 2 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    # The server has CPU 0 for itself.
    os.sched_setaffinity(0, {1} if (os.cpu_count() or 1) > 1 else {0})
    peers.measure(sys.argv[2:], kinds[sys.argv[1]])


if __name__ == "__main__":
    main()
