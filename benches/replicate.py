"""What replication costs: the rows of `benches/peers.py replicate`.

A primary and its replicas are of the same kind. What a row measures is alone on CPU 0; the other
ends and the load share CPU 1.

    SET, n replicas     the primary's CPU a SET (pipeline 64), the sending included
    applied SET ..      the replica's CPU for a command that its primary sends
    full sync           of KEYS keys, with SETs meanwhile: seconds until the replica is online; of GETs
                        at the primary p99, p99 over p99 before, and the slowest; the primary's memory
                        above what it was, its children included (PSS)
    partial sync        seconds from the return of a replica that missed 100 MB until it is up to date
    9 of 10 stopped     memory that the primary holds after 1 GB of writes for replicas that did a full
                        sync and read no more, at the default output limits and with the append only
                        file, which may serve them later; how many are still attached

Redis and Valkey fork for a full sync: the child has what its parent leaves of CPU 0. As root the
primary of a full sync and the client that is timed run before all else (SCHED_FIFO), the child not.

    KEYS=5000000        keys of the full sync, before SCALE
"""
import contextlib
import os
import socket
import statistics
import threading
import time
from pathlib import Path

from peers import PORT, RANDOM, ROUNDS, SCALE, Server, command, load, show, wanted

KEYS = int(os.environ.get("KEYS", "5000000"))
# Time limit of a replica that must be in step.
LIMIT = 300
SETTINGS = ("--save", "", "--appendonly", "no", "--enable-debug-command", "yes", "--repl-diskless-sync", "yes",
            "--repl-diskless-sync-delay", "0", "--repl-backlog-size", "268435456")
UNLIMITED = ("--client-output-buffer-limit", "replica", "0", "0", "0")
WIDTHS = (12,)
IS_ROOT = os.geteuid() == 0
FIRST = ("chrt", "--reset-on-fork", "--fifo", "10") if IS_ROOT else ()


class Failed(Exception):
    """A row that this server cannot have."""


def wait(what, condition, pause=0.005):
    until = time.monotonic() + LIMIT
    while not condition():
        if time.monotonic() > until:
            raise Failed(what)
        time.sleep(pause)


def is_linked(replica):
    return replica.info("replication", "master_link_status") == "up"


def offset(primary):
    return int(primary.info("replication", "master_repl_offset"))


def wait_for_offsets(primary, replicas):
    def has_all(replica):
        return is_linked(replica) and int(replica.info("replication", "slave_repl_offset")) >= goal
    goal = offset(primary)
    wait("equal offsets", lambda: all(has_all(replica) for replica in replicas))


class Group(contextlib.ExitStack):
    """A primary and its replicas, which follow it from the start."""

    def __init__(self, name, program, at, replicas, primary_cpu="0", replica_cpu="1", settings=UNLIMITED, prefix=()):
        super().__init__()
        port = PORT + 10 * at
        self.primary = self.enter_context(
            Server(name, program, port, prefix, primary_cpu, SETTINGS + settings))
        self.replicas = [self.enter_context(
            Server(f"{name}-replica", program, port + n, (), replica_cpu, SETTINGS + settings))
            for n in range(1, replicas + 1)]

    def follow(self):
        """Until all replicas are online."""
        for replica in self.replicas:
            if not replica.ask("REPLICAOF", "127.0.0.1", self.primary.port).startswith(b"+OK"):
                raise Failed("REPLICAOF is refused")
        wait("online replicas", lambda: all(map(is_linked, self.replicas)))
        wait_for_offsets(self.primary, self.replicas)


def cost(group, measured, pipeline, requests, args):
    """Microseconds of CPU of one server for each request, until all replicas have it."""
    before = measured.cpu_seconds()
    if not load(group.primary.port, pipeline, requests, args):
        raise Failed("the load is refused")
    wait_for_offsets(group.primary, group.replicas)
    return (measured.cpu_seconds() - before) / requests * 1e6


def of_the_primary(replicas):
    def measure(name, program, at):
        with Group(name, program, at, replicas) as group:
            group.follow()
            return {"us": cost(group, group.primary, 64, scaled(2_000_000), ["-t", "set", "-d", "64", *RANDOM])}
    return measure


def of_the_replica(args):
    def measure(name, program, at):
        with Group(name, program, at, 1, primary_cpu="1", replica_cpu="0") as group:
            group.follow()
            return {"us": cost(group, group.replicas[0], 64, scaled(1_000_000), args)}
    return measure


def scaled(count, least=1000):
    return max(int(count * SCALE), least)


def proportional_bytes(server):
    """The memory of the process and of its children, shared pages counted once."""
    task = Path(f"/proc/{server.process.pid}")
    total = 0
    try:
        children = (task / f"task/{server.process.pid}/children").read_text().split()
    except OSError:
        children = []
    for pid in (server.process.pid, *children):
        # A child that has ended meanwhile has none.
        with contextlib.suppress(OSError, StopIteration):
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
            total += int(next(line for line in lines if line.startswith("Pss:")).split()[1]) * 1024
    return total


class Reader(threading.Thread):
    """GETs one at a time, timed, and between them SETs, until it is told to end."""

    def __init__(self, port, keys):
        super().__init__(daemon=True)
        self.port, self.keys, self.times, self.ends = port, keys, [], threading.Event()
        self.start()

    def run(self):
        if IS_ROOT:
            os.sched_setscheduler(threading.get_native_id(), os.SCHED_FIFO, os.sched_param(10))
        sets = b"".join(command("SET", f"key:{n * 7919 % self.keys}", "y" * 64) for n in range(20))
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            for n in range(1 << 40):
                if self.ends.is_set():
                    return
                asked = command("GET", f"key:{n * 104729 % self.keys}")
                begun = time.perf_counter()
                connection.sendall(asked)
                connection.recv(4096)
                self.times.append(time.perf_counter() - begun)
                if n % 20 == 0:
                    # Twenty times +OK.
                    connection.sendall(sets)
                    missing = 100
                    while missing > 0:
                        missing -= len(connection.recv(missing))
                time.sleep(0.0002)

    def end(self):
        """Microseconds at the 99th percentile, and the most."""
        self.ends.set()
        self.join()
        return statistics.quantiles(self.times, n=100)[98] * 1e6, max(self.times) * 1e6


def full_sync(name, program, at):
    keys = scaled(KEYS, 10_000)
    with Group(name, program, at, 1, prefix=FIRST) as group:
        primary, replica = group.primary, group.replicas[0]
        if not primary.ask("DEBUG", "POPULATE", keys, "key", 64).startswith(b"+OK"):
            raise Failed("DEBUG POPULATE is refused")
        reader = Reader(primary.port, keys)
        time.sleep(2)
        rest, _ = reader.end()
        before = most = proportional_bytes(primary)
        reader, begun = Reader(primary.port, keys), time.monotonic()
        replica.ask("REPLICAOF", "127.0.0.1", primary.port)
        until = begun + LIMIT
        while not is_linked(replica):
            most = max(most, proportional_bytes(primary))
            if time.monotonic() > until:
                raise Failed("an online replica")
            time.sleep(0.05)
        seconds = time.monotonic() - begun
        meanwhile, slowest = reader.end()
        wait_for_offsets(primary, [replica])
        if primary.ask("DBSIZE") != replica.ask("DBSIZE"):
            raise Failed("the same keys")
        return {"s": seconds, "p99 us": meanwhile, "p99 / rest": meanwhile / rest, "slowest us": slowest,
                "MB more": (most - before) / 1e6}


def partial_sync(name, program, at):
    with Group(name, program, at, 1) as group:
        group.follow()
        primary, replica = group.primary, group.replicas[0]
        counted = "sync_full", "sync_partial_ok"
        full, partial = (int(primary.info("stats", field)) for field in counted)
        replica.process.send_signal(19)
        try:
            primary.ask("CLIENT", "KILL", "TYPE", "replica")
            wait("a dropped replica", lambda: primary.info("replication", "connected_slaves") == "0")
            value = "x" * 1000
            primary.fill(command("SET", f"key:{n % 10_000}", value) for n in range(scaled(100_000)))
        finally:
            begun = time.monotonic()
            replica.process.send_signal(18)
        wait("a partial sync", lambda: int(primary.info("stats", counted[1])) > partial)
        wait_for_offsets(primary, [replica])
        seconds = time.monotonic() - begun
        if int(primary.info("stats", counted[0])) != full:
            raise Failed("a partial sync")
        return {"s": seconds}


class RawReplica:
    """A connection that does a full sync as a replica does, and keeps nothing."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.rest = b""
        for words in (("PING",), ("REPLCONF", "listening-port", "1"), ("REPLCONF", "capa", "eof", "capa", "psync2")):
            self.socket.sendall(command(*words))
            self.line()
        self.socket.sendall(command("PSYNC", "?", "-1"))
        if not self.line().startswith(b"+FULLRESYNC"):
            raise Failed("a full sync")
        header = self.line()
        if header.startswith(b"$EOF:"):
            mark, seen = header[5:], b""
            while not seen.endswith(mark):
                seen = (seen + self.more())[-4096:]
        else:
            missing = int(header[1:])
            while missing > 0:
                missing -= len(self.more(missing))
        self.acknowledge(0)

    def more(self, limit=1 << 16):
        if self.rest:
            data, self.rest = self.rest[:limit], self.rest[limit:]
        else:
            data = self.socket.recv(limit)
            if not data:
                raise Failed("a connection that stays")
        return data

    def line(self):
        """The next line that is not empty: a primary sends newlines while it waits."""
        line = b""
        while not line.strip() or not line.endswith(b"\n"):
            line += self.more(1)
        return line.strip()

    def acknowledge(self, upto):
        self.socket.sendall(command("REPLCONF", "ACK", upto))

    def drain(self):
        with contextlib.suppress(OSError):
            while self.socket.recv(1 << 20):
                pass


def stopped(name, program, at):
    replicas = []
    with Group(name, program, at, 0, settings=("--appendonly", "yes", "--repl-timeout", "3600")) as group:
        primary = group.primary
        value = "x" * 10_000
        write = [command("SET", f"key:{n}", value) for n in range(1000)]
        primary.fill(write, batch=100)
        try:
            replicas.extend(RawReplica(primary.port) for _ in range(10))
            wait("ten replicas", lambda: primary.info("replication", "connected_slaves") == "10")
            threading.Thread(target=replicas[0].drain, daemon=True).start()
            used, resident = primary.used_bytes(), primary.resident_bytes()
            most_used = most_resident = 0
            for _ in range(scaled(100, 5)):
                primary.fill(write, batch=100)
                # Without what waits for the disk.
                queued = int(primary.info("memory", "mem_aof_buffer") or 0)
                most_used = max(most_used, primary.used_bytes() - queued - used)
                most_resident = max(most_resident, primary.resident_bytes() - resident)
            attached = int(primary.info("replication", "connected_slaves"))
        finally:
            for one in replicas:
                one.socket.close()
        return {"MB used": most_used / 1e6, "MB RSS": most_resident / 1e6, "attached": attached}


# Label, the figures it has, and its measurement. Less is better, but for what is still attached.
MEASUREMENTS = [
    *((f"SET x64, {n} replicas", ["us"], of_the_primary(n)) for n in (0, 1, 3)),
    ("applied SET", ["us"], of_the_replica(["-t", "set", "-d", "64", *RANDOM])),
    ("applied HSET", ["us"], of_the_replica([*RANDOM, "HSET", "h:{big}", "f:__rand_int__", "v:__rand_int__"])),
    ("applied ZADD", ["us"], of_the_replica([*RANDOM, "ZADD", "z:{big}", "__rand_int__", "m:__rand_int__"])),
    ("full sync", ["s", "p99 us", "p99 / rest", "slowest us", "MB more"], full_sync),
    ("partial sync", ["s"], partial_sync),
    ("9 of 10 stopped", ["MB used", "MB RSS", "attached"], stopped),
]


def replicate(servers):
    os.sched_setaffinity(0, {1})
    print(f"{'figure':30}" + "".join(f"{name:>14}" for name, _ in servers) + f"{'ratio':>12}")
    for label, figures, measure in MEASUREMENTS:
        if not wanted(label):
            continue
        values = {figure: {name: [] for name, _ in servers} for figure in figures}
        for _ in range(ROUNDS):
            for at, (name, program) in enumerate(servers):
                try:
                    measured = measure(name, program, at)
                except (Failed, OSError, RuntimeError) as why:
                    print(f"{label}, {name}: not reached: {why}", flush=True)
                    continue
                for figure, value in measured.items():
                    values[figure][name].append(value)
        for figure in figures:
            best = max if figure == "attached" else min
            show(f"{label + ', ' + figure:30}", servers, [(values[figure], "{:14.3f}", best)], WIDTHS)
