"""What acknowledged replication costs: the rows of `benches/peers.py durable`.

A primary (CPU 0) with replicas of its own kind; the replicas and the load share CPU 1. russet runs
with `min-sync-replicas 1`; the others, which have no such mode, get `WAIT 1 0` at the end of each
batch, which is the nearest that a client can do there. Each row runs three times at russet: in the
mode ("russet"), in it as a group whose failovers lose nothing ("quorum": `sync-quorum yes`), and
without it, with the same replicas ("async").

    SET x64, 50 clients      batches of 64: commands a second, the primary's CPU a command
    SET, 50 clients          one command at a time
    SET, 1 client            p50 and p99 of a SET, microseconds
    one pipeline             a client that never stops sending: commands a second
    GET beside SET x64       p99 of a GET of another key, while 20 clients write
    GET of the written       p99 of a GET of the keys that they write
    SET, a replica stopped   two replicas, one of them stopped: p99 of a SET

    SECONDS=3                length of each row
"""
import os
import selectors
import signal
import socket
import statistics
import time

from peers import ROUNDS, command, wanted
from replicate import Failed, Group, wait

SECONDS = float(os.environ.get("SECONDS", "3"))
WAIT = command("WAIT", "1", "0")
VALUE = "x" * 64
KEYS = 100_000


class Batches:
    """A client that sends a batch, reads all of its reply, and sends the next."""

    def __init__(self, port, requests, reply_bytes):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests, self.reply_bytes = requests, reply_bytes
        self.sent = self.missing = 0
        self.begun, self.times = 0.0, []

    def send(self):
        self.socket.sendall(self.requests[self.sent % len(self.requests)])
        self.sent += 1
        self.missing, self.begun = self.reply_bytes, time.perf_counter()

    def receive(self):
        data = self.socket.recv(1 << 16)
        if not data or data.startswith(b"-"):
            raise Failed(data[:100].decode() or "a closed connection")
        self.missing -= len(data)
        if self.missing <= 0:
            self.times.append(time.perf_counter() - self.begun)
            return True
        return False


def drive(clients, seconds):
    """Runs the clients for so long; the seconds that it took."""
    with selectors.DefaultSelector() as ready:
        for client in clients:
            ready.register(client.socket, selectors.EVENT_READ, client)
            client.send()
        begun = time.monotonic()
        while (now := time.monotonic()) < begun + seconds:
            for key, _ in ready.select(1):
                if key.data.receive():
                    key.data.send()
        # Nothing of a row is left for the next.
        for client in clients:
            while client.missing > 0:
                client.receive()
            client.socket.close()
        return now - begun


def sets(port, pipeline, waits, seed):
    """A client of SETs of `pipeline` at a time; `waits`: and a WAIT."""
    batches = []
    for at in range(50):
        keys = ((seed * 7919 + at * pipeline + n) * 104729 % KEYS for n in range(pipeline))
        batches.append(b"".join(command("SET", f"key:{key}", VALUE) for key in keys) + (WAIT if waits else b""))
    return Batches(port, batches, 5 * pipeline + (4 if waits else 0))


def throughput(clients, pipeline):
    def measure(group, waits):
        port = group.primary.port
        all_of_them = [sets(port, pipeline, waits, seed) for seed in range(clients)]
        before = group.primary.cpu_seconds()
        seconds = drive(all_of_them, SECONDS)
        commands = sum(len(client.times) for client in all_of_them) * pipeline
        if not commands:
            raise Failed("a reply")
        return {"per s": commands / seconds, "us CPU": (group.primary.cpu_seconds() - before) / commands * 1e6}
    return measure


def percentiles(times):
    cuts = statistics.quantiles(times, n=100)
    return {"p50 us": cuts[49] * 1e6, "p99 us": cuts[98] * 1e6}


def alone(group, waits):
    client = sets(group.primary.port, 1, waits, 1)
    drive([client], SECONDS)
    return percentiles(client.times)


def one_pipeline(group, waits):
    """Four batches are always on their way."""
    batch = sets(group.primary.port, 64, waits, 1)
    reply, missing, done, ahead = batch.reply_bytes, 0, 0, 4
    for at in range(ahead):
        batch.socket.sendall(batch.requests[at])
    begun = time.monotonic()
    while (now := time.monotonic()) < begun + SECONDS:
        missing += len(batch.socket.recv(reply))
        while missing >= reply:
            missing -= reply
            done += 1
            batch.socket.sendall(batch.requests[(done + ahead) % len(batch.requests)])
    batch.socket.close()
    return {"per s": done * 64 / (now - begun)}


def beside(of_written):
    def measure(group, waits):
        port = group.primary.port
        key = "key:%d" if of_written else "other:%d"
        group.primary.fill(command("SET", f"other:{n}", VALUE) for n in range(1000))
        writers = [sets(port, 64, waits, seed) for seed in range(20)]
        reader = Batches(port, [command("GET", key % (n * 104729 % 1000)) for n in range(1000)], 1)
        reader.reply_bytes = 5
        drive([*writers, reader], SECONDS)
        return {"p99 us": percentiles(reader.times)["p99 us"]}
    return measure


def one_stopped(group, waits):
    process = group.replicas[1].process
    process.send_signal(signal.SIGSTOP)
    try:
        return {"p99 us": alone(group, waits)["p99 us"]}
    finally:
        process.send_signal(signal.SIGCONT)


# Label, figures, replicas, measurement.
MEASUREMENTS = [
    ("SET x64, 50 clients", ["per s", "us CPU"], 1, throughput(50, 64)),
    ("SET, 50 clients", ["per s", "us CPU"], 1, throughput(50, 1)),
    ("SET, 1 client", ["p50 us", "p99 us"], 1, alone),
    ("one pipeline", ["per s"], 1, one_pipeline),
    ("GET beside SET x64", ["p99 us"], 1, beside(False)),
    ("GET of the written", ["p99 us"], 1, beside(True)),
    ("SET, a replica stopped", ["p99 us"], 2, one_stopped),
]


def run(name, program, at, replicas, measure, mode):
    """`mode`: "async", "sync" or "quorum"; of the others "sync" is WAIT."""
    is_russet = name.startswith("russet")
    of_group = ("--sync-quorum", "yes", "--min-sync-replicas", "1", "--sync-replicas", str(replicas))
    with Group(name, program, at, replicas, settings=of_group if mode == "quorum" else ()) as group:
        group.follow()
        if mode == "sync" and is_russet:
            group.primary.ask("CONFIG", "SET", "min-sync-replicas", "1")
        if mode != "async" and is_russet:
            # Of a group all, because a replica becomes a member after it is online.
            all_of_them = str(replicas)
            wait("sync replicas", lambda: group.primary.info("replication", "sync_state") == "ok"
                 and group.primary.info("replication", "sync_good_replicas") == all_of_them)
        return measure(group, mode == "sync" and not is_russet)


def durable(servers):
    os.sched_setaffinity(0, {1})
    ours = servers[0]
    columns = [(ours[0], ours[1], "sync"), ("quorum", ours[1], "quorum"), ("async", ours[1], "async"),
               *((name, program, "sync") for name, program in servers[1:])]
    print(f"{'figure':34}" + "".join(f"{name:>14}" for name, _, _ in columns) + f"{'ratio':>12}{'to async':>12}")
    for label, figures, replicas, measure in MEASUREMENTS:
        if not wanted(label):
            continue
        values = {figure: {name: [] for name, _, _ in columns} for figure in figures}
        for _ in range(ROUNDS):
            for at, (name, program, mode) in enumerate(columns):
                kind = "russet" if name in ("async", "quorum", ours[0]) else name
                try:
                    measured = run(kind, program, at, replicas, measure, mode)
                except (Failed, OSError, RuntimeError) as why:
                    print(f"{label}, {name}: not reached: {why}", flush=True)
                    continue
                for figure, value in measured.items():
                    values[figure][name].append(value)
        for figure in figures:
            best = max if figure == "per s" else min
            of = {name: statistics.median(all_of) for name, all_of in values[figure].items() if all_of}
            row = f"{label + ', ' + figure:34}" + "".join(
                f"{of[name]:14.1f}" if name in of else "-".rjust(14) for name, _, _ in columns)
            peers = [of[name] for name, _ in servers[1:] if name in of]
            for other in (best(peers) if peers else None, of.get("async")):
                mine = of.get(ours[0])
                if mine is None or other is None:
                    row += "-".rjust(12)
                else:
                    row += f"{(mine / other if best is max else other / mine):12.2f}"
            print(row, flush=True)
