#!/usr/bin/env python3
"""Messages between clients, russet beside real servers.

    benches/pubsub.py delivery [NAME=PROGRAM ...]   messages to subscribers, patterns, channels
    benches/pubsub.py tracking [NAME=PROGRAM ...]   GETs of a client that keeps what it reads
    benches/pubsub.py events   [NAME=PROGRAM ...]   how late a subscriber hears of expired keys

Without servers: target/release/russet and the peers of tests/peers/install. One server runs at
a time, pinned to CPU 0, load and clients to CPU 1. CPU is that of all the server's threads; for
`delivery` a message that reaches 200 subscribers counts 200 times. "held" is what the subscriptions
take of the server's used memory. Ratios are against the best peer: above 1 the first is better.

    ROUNDS=3   rounds    SCALE=0.1   fewer messages, keys    KEYS=1000000   volatile keys
"""
import os
import resource
import select
import socket
import statistics
import sys
import time

import peers
from peers import PORT, ROUNDS, SCALE, Server, command, wanted


def connect(port):
    one = socket.create_connection(("127.0.0.1", port), timeout=60)
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return one


def read_lines(one, count):
    """Reads so many lines."""
    while count > 0:
        data = one.recv(1 << 20)
        if not data:
            raise RuntimeError("the server closed the connection")
        count -= data.count(b"\n")


def listeners(port, count, words, lines):
    """So many clients that have sent the words and got so many lines for them."""
    all_of_them = [connect(port) for _ in range(count)]
    for one in all_of_them:
        one.sendall(command(*words))
    for one in all_of_them:
        read_lines(one, lines)
    return all_of_them


def publish(publisher, receivers, messages, expected_bytes, at_once):
    """Sends messages, so many at once, and waits until all receivers together have their bytes."""
    poll = select.epoll()
    by_number = {}
    for one in receivers:
        one.setblocking(False)
        poll.register(one, select.EPOLLIN)
        by_number[one.fileno()] = one
    for at in range(0, len(messages), at_once):
        batch = messages[at:at + at_once]
        publisher.sendall(b"".join(batch))
        missing = expected_bytes * len(batch)
        while missing > 0:
            for number, _ in poll.poll(60):
                data = by_number[number].recv(1 << 20)
                if not data:
                    raise RuntimeError("a subscriber was cut off")
                missing -= len(data)
        read_lines(publisher, len(batch))


def message(channel, text):
    return len(command("message", channel, text))


def to_subscribers(count, publishes, at_once, text="x" * 64):
    def run(server):
        used = server.used_bytes()
        receivers = listeners(server.port, count, ["SUBSCRIBE", "news"], 6)
        held = server.used_bytes() - used
        publisher = connect(server.port)
        many = [command("PUBLISH", "news", text)] * max(int(publishes * SCALE), 20)
        start = server.cpu_seconds()
        publish(publisher, receivers, many, message("news", text) * count, at_once)
        return (server.cpu_seconds() - start) / (len(many) * count) * 1e6, held
    return run


def benchmarked(pipeline, requests, args, prepare=None):
    def run(server):
        used = server.used_bytes()
        kept = prepare(server) if prepare else []
        held = server.used_bytes() - used
        requests_now = max(int(requests * SCALE), 1000)
        start = server.cpu_seconds()
        peers.load(server.port, pipeline, requests_now, args)
        cost = (server.cpu_seconds() - start) / requests_now * 1e6
        for one in kept:
            one.close()
        return cost, held
    return run


def subscribed(kind, name, count):
    """One client that listens to many names."""
    def prepare(server):
        one = connect(server.port)
        for at in range(0, count, 1000):
            names = [name % n for n in range(at, min(at + 1000, count))]
            one.sendall(command(kind, *names))
            read_lines(one, 4 * len(names) + len(names))
        return [one]
    return prepare


# label, what runs: CPU of one message and what is held for the subscriptions
DELIVERY = [
    ("to nobody x64", benchmarked(64, 3_000_000, ["PUBLISH", "nobody", "x" * 16])),
    ("to 200, x1", to_subscribers(200, 5_000, 1)),
    ("to 200, x16", to_subscribers(200, 10_000, 16)),
    ("to 200, x256", to_subscribers(200, 50_000, 256)),
    ("to 200 of 4 KiB", to_subscribers(200, 2_000, 16, "x" * 4096)),
    ("to 10,000", to_subscribers(10_000, 100, 1)),
    ("10,000 patterns", benchmarked(16, 30_000, ["PUBLISH", "news.7777.x", "x" * 16],
                                    subscribed("PSUBSCRIBE", "news.%d.*", 10_000))),
    ("1 M channels", benchmarked(64, 1_000_000, ["-r", "1000000", "PUBLISH", "none:__rand_int__", "x" * 16],
                                 subscribed("SUBSCRIBE", "channel:%012d", 1_000_000))),
]


def delivery(servers):
    print(f"{'messages':18}" + "".join(f"{name + ' us':>14}{'held MB':>10}" for name, _ in servers)
          + f"{'CPU ratio':>11}{'held':>8}")
    for label, run in DELIVERY:
        if not wanted(label):
            continue
        costs, held = {name: [] for name, _ in servers}, {name: [] for name, _ in servers}
        for _ in range(ROUNDS):
            for at, (name, program) in enumerate(servers):
                limits = ("--save", "", "--client-output-buffer-limit", "pubsub 0 0 0", "--maxclients", "12000")
                with Server(name, program, PORT + at, settings=limits) as server:
                    cost, bytes_held = run(server)
                    costs[name].append(cost)
                    held[name].append(max(bytes_held, 1) / 1e6)
        peers.show(f"{label:18}", servers, [(costs, "{:14.3f}", min), (held, "{:10.2f}", min)], (11, 8))


def reads(server, track, pipeline, keys, requests):
    """CPU microseconds of a GET by one client in RESP3."""
    one = connect(server.port)
    one.sendall(command("HELLO", "3") + (command("CLIENT", "TRACKING", "ON") if track else b"") + command("ECHO", "end"))
    data = b""
    while not data.endswith(b"$3\r\nend\r\n"):
        data += one.recv(1 << 16)
    batches = []
    for at in range(0, requests, pipeline):
        gets = [command("GET", "key:%012d" % ((at + n) * 7919 % keys)) for n in range(pipeline)]
        batches.append(b"".join(gets))
    start = server.cpu_seconds()
    for batch in batches:
        one.sendall(batch)
        read_lines(one, 2 * pipeline)
    cost = (server.cpu_seconds() - start) / requests * 1e6
    one.close()
    return cost


def tracking(servers):
    print(f"{'GETs':18}" + "".join(f"{name + ' us':>14}{'tracked':>10}{'dearer':>8}" for name, _ in servers))
    for label, pipeline, keys, requests in [("x1", 1, 1_000, 60_000), ("x64 of 1,000", 64, 1_000, 1_000_000),
                                            ("x64 of 100,000", 64, 100_000, 1_000_000)]:
        if not wanted(label):
            continue
        seen = {name: ([], []) for name, _ in servers}
        for _ in range(ROUNDS):
            for at, (name, program) in enumerate(servers):
                with Server(name, program, PORT + at) as server:
                    server.fill(command("SET", "key:%012d" % n, "x" * 64) for n in range(keys))
                    count = max(int(requests * SCALE), pipeline * 100) // pipeline * pipeline
                    for track in (False, True):
                        reads(server, track, pipeline, keys, min(count, keys * 2) // pipeline * pipeline)
                        seen[name][track].append(reads(server, track, pipeline, keys, count))
        row = f"{label:18}"
        for name, _ in servers:
            plain, tracked = map(statistics.median, seen[name])
            row += f"{plain:14.3f}{tracked:10.3f}{(tracked / plain - 1) * 100:7.1f}%"
        print(row, flush=True)


def events(servers):
    keys = int(int(os.environ.get("KEYS", "1000000")) * SCALE)
    seconds = float(os.environ.get("SECONDS", "30"))
    print(f"{keys} keys over {seconds:.0f} s, heard of by a subscriber; milliseconds late")
    print(f"{'server':12}{'p50':>10}{'p99':>10}{'max':>10}{'heard':>10}")
    for at, (name, program) in enumerate(servers):
        with Server(name, program, PORT + at) as server:
            server.ask("CONFIG", "SET", "notify-keyspace-events", "Ex")
            listener = connect(server.port)
            listener.sendall(command("SUBSCRIBE", "__keyevent@0__:expired"))
            read_lines(listener, 6)
            # Each key is named by the moment when it is due.
            begin = int(time.time() * 1000) + 12_000
            due = (begin + int(n * seconds * 1000 / keys) for n in range(keys))
            server.fill(command("SET", "%013d:%07d" % (when, n), "x", "PXAT", when) for n, when in enumerate(due))
            late, tail = [], b""
            until = begin / 1000 + seconds + 30
            listener.settimeout(1)
            while len(late) < keys and time.time() < until:
                try:
                    data = listener.recv(1 << 20)
                except TimeoutError:
                    continue
                now = time.time() * 1000
                *lines, tail = (tail + data).split(b"\r\n")
                late.extend(now - int(line[:13]) for line in lines if len(line) == 21 and line[13:14] == b":")
            late.sort()
            if late:
                p50, p99 = late[len(late) // 2], late[int(len(late) * 0.99)]
                print(f"{name:12}{p50:10.1f}{p99:10.1f}{late[-1]:10.1f}{len(late):10}", flush=True)


def main():
    kinds = {"delivery": delivery, "tracking": tracking, "events": events}
    if len(sys.argv) < 2 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    resource.setrlimit(resource.RLIMIT_NOFILE, (15_000,) * 2)
    os.sched_setaffinity(0, {1} if (os.cpu_count() or 1) > 1 else {0})
    peers.measure(sys.argv[2:], kinds[sys.argv[1]])


if __name__ == "__main__":
    main()
