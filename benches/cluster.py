"""What a cluster costs: the rows of `benches/peers.py cluster`.

    commands            SET, GET, MGET and MSET of ten keys of one slot (pipeline 64) on a node with all
                        slots and KEYS keys, beside the same program without a cluster: server CPU (us),
                        and how much dearer the node is. Short runs that alternate, ROUNDS * 10 of them: a
                        low quartile, because what else works on the machine only adds
    reshard             three primaries with KEYS keys: seconds of `redis-cli --cluster reshard` of 1,000 slots
    import              seconds of an atomic migration of 1,000 slots, and p99 (ms) of a writer to the source's
                        keys at rest and meanwhile, and its longest wait
    failover            three primaries, three replicas, node timeout 2 s: a primary is killed, FAILOVERS
                        times; seconds until a write to one of its slots succeeds: median and worst
    search              three primaries with KEYS hashes under an index: ms (median of 50) of queries that all
                        shards answer, and the slowest shard's own time of the same queries, by FT.PROFILE

    KEYS=1000000  FAILOVERS=15
"""
import binascii
import multiprocessing
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from peers import PORT, ROUNDS, SCALE, command, load, show, wanted

KEYS = int(os.environ.get("KEYS", "1000000"))
FAILOVERS = int(os.environ.get("FAILOVERS", "15"))
LIMIT = 60
SLOTS = 16384
WIDTHS = (12,)
VALUE = b"x" * 64
# redis-benchmark gives each `__rand_int__` another number: random ones would be of several slots.
MANY = [f"{{many}}:{n}" for n in range(10)]
COMMANDS = [("SET", ["-t", "set"]), ("GET", ["-t", "get"]), ("MGET of ten", ["MGET", *MANY]),
            ("MSET of ten", ["MSET", *[word for key in MANY for word in (key, "v" * 20)]])]


class Failed(Exception):
    """A row that this server cannot have."""


class Connection:
    """A client that reads whole replies."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=LIMIT)
        self.file = self.socket.makefile("rb", 1 << 16)

    def __call__(self, *words):
        self.socket.sendall(command(*words))
        return self.read()

    def read(self):
        line = self.file.readline()
        kind, text = line[:1], line[1:-2]
        if kind in b"+-":
            return line[kind == b"+":-2].decode()
        if kind == b":":
            return int(text)
        if kind == b"$":
            return None if text == b"-1" else self.file.read(int(text) + 2)[:-2].decode(errors="replace")
        if kind == b"*":
            return [self.read() for _ in range(int(text))]
        raise Failed(f"a reply {line!r}")


class Node:
    """A server in a folder of its own; a node of a cluster unless said otherwise."""

    def __init__(self, folder, program, port, is_node=True, timeout_ms=5000):
        self.port = port
        self.folder = tempfile.mkdtemp(dir=folder)
        self.words = [program, "--port", str(port), "--bind", "127.0.0.1", "--dir", self.folder, "--save", "",
                      "--repl-diskless-sync-delay", "0"]
        if is_node:
            self.words += ["--cluster-enabled", "yes", "--cluster-node-timeout", str(timeout_ms)]
        self.start()

    def start(self):
        with open(Path(self.folder, "log"), "ab") as log:
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + LIMIT
        while True:
            try:
                self.ask = Connection(self.port)
                if self.ask("PING") == "PONG":
                    return
            except OSError as error:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise Failed(f"no answer: {Path(self.folder, 'log').read_text()[-500:]}") from error
            time.sleep(0.02)

    def cpu_seconds(self):
        tasks = Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def end(self):
        self.process.kill()
        self.process.wait()


def until(what, is_so):
    """Waits until something is so."""
    end = time.monotonic() + LIMIT
    while not is_so():
        if time.monotonic() > end:
            raise Failed(what)
        time.sleep(0.05)


def are_well(nodes):
    """Whether all nodes say that the cluster is well, and know all of them."""
    expected = ("cluster_state:ok", f"cluster_known_nodes:{len(nodes)}\r")
    return all(word in node.ask("CLUSTER", "INFO") for node in nodes for word in expected)


class Cluster:
    """Three primaries, with as many replicas each; a `with` block ends them."""

    def __init__(self, program, base, replicas=0, timeout_ms=5000):
        self.folder, self.nodes = tempfile.mkdtemp(prefix="cluster-"), []
        try:
            for n in range(3 + 3 * replicas):
                self.nodes.append(Node(self.folder, program, base + n, timeout_ms=timeout_ms))
            self.cli("create", *[f"127.0.0.1:{node.port}" for node in self.nodes],
                     "--cluster-replicas", str(replicas))
            until("a cluster", lambda: are_well(self.nodes))
        except Failed:
            self.__exit__()
            raise

    def cli(self, *words):
        done = subprocess.run(["redis-cli", "--cluster", *words, "--cluster-yes"], capture_output=True, text=True)
        if done.returncode:
            raise Failed(f"{words[0]}: {done.stdout[-300:]}")

    def owners(self):
        """The node of each slot."""
        by_port = {node.port: node for node in self.nodes}
        ranges = [(row[0], row[1], by_port[row[2][1]]) for row in self.nodes[0].ask("CLUSTER", "SLOTS")]
        return {slot: node for first, last, node in ranges for slot in range(first, last + 1)}

    def fill(self, count):
        self.run((b"k:%d" % n, command("SET", b"k:%d" % n, VALUE)) for n in range(count))

    def run(self, commands):
        """Sends commands to the owners of their keys."""
        owners = self.owners()
        waiting = {node: [] for node in self.nodes}
        for key, words in commands:
            node = owners[slot_of(key)]
            waiting[node].append(words)
            if len(waiting[node]) == 500:
                node.ask.socket.sendall(b"".join(waiting[node]))
                for _ in waiting[node]:
                    node.ask.read()
                waiting[node].clear()
        for node, rest in waiting.items():
            node.ask.socket.sendall(b"".join(rest))
            for _ in rest:
                node.ask.read()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            node.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def slot_of(key):
    return binascii.crc_hqx(key, 0) % SLOTS


def commands(_, program, base):
    folder, nodes = tempfile.mkdtemp(prefix="cluster-"), []
    costs = {(label, at): [] for label, _ in COMMANDS for at in (0, 1)}
    try:
        for at in (0, 1):
            nodes.append(Node(folder, program, base + at, is_node=at == 1))
        nodes[1].ask("CLUSTER", "ADDSLOTSRANGE", "0", str(SLOTS - 1))
        until("a node with all slots", lambda: are_well(nodes[1:]))
        for node in nodes:
            load(node.port, 64, 2 * KEYS, ["-r", str(KEYS), "-d", "64", "-t", "set"])
        for _ in range(ROUNDS * 10):
            for label, words in COMMANDS:
                requests = max(int((150_000 if len(words) == 2 else 30_000) * SCALE), 1000)
                for at, node in enumerate(nodes):
                    before = node.cpu_seconds()
                    load(node.port, 64, requests, ["-r", str(KEYS), "-d", "64", *words])
                    costs[label, at].append((node.cpu_seconds() - before) / requests * 1e6)
    finally:
        for node in nodes:
            node.end()
        shutil.rmtree(folder, ignore_errors=True)
    figures = {}
    for label, _ in COMMANDS:
        plain, node = (statistics.quantiles(costs[label, at], n=4)[0] for at in (0, 1))
        figures |= {f"{label} us": node, f"{label} to none": node / plain}
    return figures


def reshard(_, program, base):
    with Cluster(program, base) as cluster:
        cluster.fill(KEYS)
        ids = [node.ask("CLUSTER", "MYID") for node in cluster.nodes]
        begun = time.monotonic()
        cluster.cli("reshard", f"127.0.0.1:{base}", "--cluster-from", ids[0], "--cluster-to", ids[1],
                    "--cluster-slots", "1000")
        return {"s": time.monotonic() - begun}


class Writer:
    """A process that writes to one key after the other, and follows redirects. In a thread it would wait for
    the orders of this one."""

    def __init__(self, cluster, first, last):
        keys = (b"k:%d" % n for n in range(KEYS))
        keys = [key for key in keys if first <= slot_of(key) <= last][:5000]
        owner = next(node.port for slot, node in cluster.owners().items() if slot == first)
        ports = [node.port for node in cluster.nodes]
        self.is_over = multiprocessing.Value("b", 0, lock=False)
        self.result, result = multiprocessing.Pipe()
        arguments = (ports, owner, keys, self.is_over, result)
        self.process = multiprocessing.Process(target=Writer.write, args=arguments, daemon=True)
        self.process.start()

    @staticmethod
    def write(ports, owner, keys, is_over, result):
        by_port = {port: Connection(port) for port in ports}
        times, at = [], 0
        while not is_over.value:
            key, begun = keys[at % len(keys)], time.monotonic()
            reply = by_port[owner]("SET", key, VALUE)
            if reply.startswith("MOVED"):
                owner = int(reply.rpartition(":")[2])
                by_port[owner]("SET", key, VALUE)
            times.append((begun, (time.monotonic() - begun) * 1000))
            at += 1
        result.send(times)

    def end(self):
        """(When it began, on the clock of all processes; milliseconds) of each write."""
        self.is_over.value = 1
        times = self.result.recv()
        self.process.join()
        return times


def p99(times):
    return statistics.quantiles(times, n=100)[98] if len(times) > 100 else max(times)


def migrate(_, program, base):
    first, last = 8000, 8999
    with Cluster(program, base) as cluster:
        cluster.fill(KEYS)
        source, target = cluster.owners()[first].ask, cluster.nodes[2].ask
        if "unknown" in str(target("CLUSTER", "MIGRATION", "STATUS", "ALL")).lower():
            def begin():
                return source("CLUSTER", "MIGRATESLOTS", "SLOTSRANGE", first, last, "NODE", target("CLUSTER", "MYID"))

            def is_over():
                return "success" in str(source("CLUSTER", "GETSLOTMIGRATIONS"))
        else:
            def begin():
                return target("CLUSTER", "MIGRATION", "IMPORT", first, last)

            def is_over():
                return "completed" in str(target("CLUSTER", "MIGRATION", "STATUS", "ALL"))
        writer = Writer(cluster, first, last)
        time.sleep(2)
        begun = time.monotonic()
        if begin().startswith("ERR"):
            raise Failed("an atomic migration")
        while not is_over():
            if time.monotonic() > begun + LIMIT:
                raise Failed("the end of the migration")
            time.sleep(0.002)
        ended = time.monotonic()
        times = writer.end()
        at_rest = [ms for at, ms in times if begun - 1 <= at < begun]
        meanwhile = [ms for at, ms in times if begun <= at <= ended]
        return {"s": ended - begun, "p99 at rest ms": p99(at_rest), "p99 meanwhile ms": p99(meanwhile),
                "longest meanwhile ms": max(meanwhile)}


def failover(_, program, base):
    with Cluster(program, base, replicas=1, timeout_ms=2000) as cluster:
        by_port, times = {node.port: node for node in cluster.nodes}, []
        for at in range(FAILOVERS):
            # At whatever moment of a node's rounds.
            time.sleep(3 + 0.137 * at % 1)
            victim = cluster.owners()[0]
            others = [node for node in cluster.nodes if node is not victim]
            victim.end()
            begun, done = time.monotonic(), False
            key = next(b"k:%d" % n for n in range(SLOTS * 20) if slot_of(b"k:%d" % n) == 0)
            while not done:
                if time.monotonic() > begun + LIMIT:
                    raise Failed("a failover")
                done = any(node.ask("SET", key, VALUE) == "OK" for node in others)
            times.append(time.monotonic() - begun)
            victim.start()
            until("all nodes again", lambda: are_well(by_port.values()))
            until("a replica again", lambda: "master_link_status:up" in victim.ask("INFO", "replication"))
        return {"median s": statistics.median(times), "worst s": max(times)}


QUERIES = [
    ("1 % term", ["SEARCH", "onepercent"], []),
    ("two terms AND", ["SEARCH", "tenone tentwo"], []),
    ("GROUPBY a tag", ["AGGREGATE", "*"], ["GROUPBY", "1", "@g", "REDUCE", "COUNT", "0", "AS", "n"]),
]


def values_of(reply, name):
    """The values that follow a name, wherever it is in a reply."""
    if not isinstance(reply, list):
        return
    for at, item in enumerate(reply):
        if item == name and at + 1 < len(reply):
            yield reply[at + 1]
        yield from values_of(item, name)


def search(_, program, base):
    from search import CREATE, hashes
    figures = {}
    with Cluster(program, base) as cluster:
        ask = cluster.nodes[0].ask
        made = ask(*CREATE)
        if made != "OK":
            raise Failed(made)
        cluster.run((b"d:%d" % at, words) for at, words in enumerate(hashes(KEYS)))
        until("the index", lambda: all(list(values_of(node.ask("FT.INFO", "i"), "percent_indexed")) in (["1"], [1]) for node in cluster.nodes))
        for label, (kind, query), options in QUERIES:
            times, shards = [], []
            for _ in range(50):
                begun = time.monotonic()
                ask(f"FT.{kind}", "i", query, *options)
                times.append((time.monotonic() - begun) * 1000)
                profile = ask("FT.PROFILE", "i", kind, "QUERY", query, *options)
                shards.append(max(float(time) for time in values_of(profile, "Total profile time")))
            figures |= {f"{label} ms": statistics.median(times), f"{label} a shard ms": statistics.median(shards)}
    return figures


MEASUREMENTS = [
    ("commands", [f"{label} {what}" for label, _ in COMMANDS for what in ("us", "to none")], commands, 1),
    ("reshard", ["s"], reshard, ROUNDS),
    ("import", ["s", "p99 at rest ms", "p99 meanwhile ms", "longest meanwhile ms"], migrate, ROUNDS),
    ("failover", ["median s", "worst s"], failover, 1),
    ("search", [f"{label} {what}" for label, *_ in QUERIES for what in ("ms", "a shard ms")], search, 1),
]


def cluster(servers):
    print(f"{'figure':30}" + "".join(f"{name:>14}" for name, _ in servers) + f"{'ratio':>12}")
    for label, figures, act, rounds in MEASUREMENTS:
        if not wanted(label):
            continue
        values = {figure: {name: [] for name, _ in servers} for figure in figures}
        for _ in range(rounds):
            for at, (name, program) in enumerate(servers):
                try:
                    measured = act(name, program, PORT + 10 * at)
                except (Failed, OSError) as why:
                    print(f"{label}, {name}: not reached: {why}", flush=True)
                    continue
                for figure, value in measured.items():
                    values[figure][name].append(value)
        for figure in figures:
            show(f"{label + ', ' + figure:30}", servers, [(values[figure], "{:14.3f}", min)], WIDTHS)
