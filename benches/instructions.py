#!/usr/bin/env python3
"""Instructions a command, counted by callgrind, against the committed table.

    benches/instructions.py [PROGRAM]                  compares with benches/instructions.txt
    benches/instructions.py --write [PROGRAM]          renews the table
    benches/instructions.py rows [NAME=PROGRAM ...]    several programs side by side, no table
    benches/instructions.py features [PROGRAM]         what optional features cost when they are on

Without PROGRAM: target/release/russet. The table is of the profile `release`, which `.ci/run`
builds and tests as well.

A row that costs 2 % more than in the table fails, and one that costs 5 % less: the table would let
that be lost again. Before it fails it is counted twice more, and the nearest count is judged. A
change that is meant to cost, or saves, renews the table in its own commit and says there why.

How it counts. Each row has a server of its own under `valgrind --tool=callgrind`, with a random
source that repeats itself and clocks that go by its work (instructions.c), a cron of one cycle a
second and no polling; one connection sends a fixed load, and a batch waits for the replies
of the one before. Counting begins after a quarter of the load, so that start, fill and the first
growth of buffers are not in it. User-mode instructions of the loop's
thread count: helpers wake when they can, and the kernel's are not seen. Time is measured nowhere,
so other work on the machine changes nothing.

Counts depend on compiler, C library and processor as well, which the table names: beside others
the rows are shown, and nothing fails.

    ONLY=text     rows with this in their label      JOBS=2    servers at a time
"""
import os
import platform
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from peers import ONLY, ROOT, command

TABLE = ROOT / "benches" / "instructions.txt"
JOBS = int(os.environ.get("JOBS", "2"))
# Ratios to the table.
LEAST, MOST = 0.95, 1.02
SETTINGS = ["--save", "", "--hz", "1", "--dynamic-hz", "no", "--busy-poll-usec", "0",
            "--event-coalesce-usec", "0"]
KEYS = 4000
V = b"x" * 64
BIG = b"x" * 16384


class Connection:
    """One client, which counts the replies that it waits for."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=120)
        self.data = b""

    def send(self, commands):
        """Sends commands at once and waits for all of their replies."""
        self.socket.sendall(b"".join(commands))
        self.skip(len(commands))

    def drain(self):
        """Reads all that comes, on a thread, until the connection ends."""
        def read():
            try:
                while self.socket.recv(1 << 20):
                    pass
            except OSError:
                pass
        self.socket.settimeout(None)
        threading.Thread(target=read, daemon=True).start()

    def skip(self, replies):
        """Reads so many replies; an error among them ends the run."""
        data, at = self.data, 0
        while replies:
            end = data.find(b"\r\n", at)
            kind = data[at:at + 1]
            after = end + 2
            if end >= 0 and kind in b"$=" and data[at + 1:at + 2] != b"-":
                after += int(data[at + 1:end]) + 2
            if end < 0 or after > len(data):
                more = self.socket.recv(1 << 20)
                if not more:
                    raise RuntimeError("the server closed the connection")
                data, at = data[at:] + more, 0
                continue
            if kind == b"-":
                self.data = data[after:]
                raise RuntimeError(data[at:end].decode(errors="replace"))
            if kind in b"*~>":
                replies += max(0, int(data[at + 1:end]))
            replies, at = replies - 1, after
        self.data = data[at:]


def replica(port):
    """Attaches a replica that reads the stream and does nothing with it."""
    link = Connection(port)
    link.send([command("REPLCONF", "listening-port", "1"), command("REPLCONF", "capa", "psync2")])
    link.socket.sendall(command("PSYNC", "?", "-1"))
    link.drain()
    asker = Connection(port)
    while True:
        asker.socket.sendall(command("INFO", "replication"))
        if b"state=online" in asker.socket.recv(1 << 16):
            return link, asker
        time.sleep(0.05)


class Row:
    """A load: `make(i)` is command number i, `fill` what must be there before."""

    def __init__(self, label, make, pipeline=64, count=25_600, fill=(), settings=(), unit=1, attach=None, prepare=None):
        self.label, self.make, self.pipeline, self.count = label, make, pipeline, count
        self.fill, self.settings, self.unit, self.attach, self.prepare = fill, settings, unit, attach, prepare

    def beside(self, settings, prepare):
        """The same load with a feature that is on."""
        return Row(self.label, self.make, self.pipeline, self.count, self.fill, settings, self.unit, prepare=prepare)


def strings():
    return [command("SET", f"key:{i:06}", V) for i in range(KEYS)]


def many(word, key, *rest):
    """Fills one key with KEYS elements; `%` in a word is replaced by the number."""
    return [command(word, key, *[str(part).replace("%", f"{i:06}") for part in rest]) for i in range(KEYS)]


def each(word, *rest):
    """Commands in which `%` is replaced by a number below KEYS, in scattered order."""
    def make(i):
        number = f"{i * 1567 % KEYS:06}"
        return command(word, *[part if isinstance(part, bytes) else str(part).replace("%", number) for part in rest])
    return make


def always(*words):
    line = command(*words)
    return lambda i: line


def new(word, *rest):
    """Commands in which `%` is replaced by a number that has not been before."""
    def make(i):
        return command(word, *[part if isinstance(part, bytes) else str(part).replace("%", f"{i:08}") for part in rest])
    return make


def ten(i):
    return [f"key:{(i * 10 + j) * 1567 % KEYS:06}" for j in range(10)]


def transaction(i):
    line = each("SET", "key:%", V)(i) + each("GET", "key:%")(i)
    return command("MULTI") + line + command("EXEC")


SETS, HASH, SET, ZSET = strings, lambda: many("HSET", "h", "f:%", V), lambda: many("SADD", "s", "m:%"), \
    lambda: many("ZADD", "z", "%", "m:%")
LIST = lambda: [command("RPUSH", "l", *[f"e:{i}" for i in range(100)])]  # noqa: E731
RANGE = lambda: [command("ZADD", "r", *[w for i in range(100) for w in (i, f"m:{i}")])]  # noqa: E731
AOF = ["--appendonly", "yes", "--appendfsync", "everysec"]
EVAL = "return redis.call('INCR', KEYS[1])"


def expired(connection):
    """Keys whose time is over, and which nothing has deleted."""
    connection.send([command("DEBUG", "SET-ACTIVE-EXPIRE", "0")])
    for at in range(0, 33_000, 1000):
        connection.send([command("SET", f"old:{i:08}", V, "PX", "1") for i in range(at, at + 1000)])
    # Each takes 20 microseconds or more by the server's clock.
    for _ in range(200):
        connection.send([command("PING")])


ROWS = [
    Row("PING", always("PING"), count=64_000),
    Row("PING, one at a time", always("PING"), 1, 8000),
    Row("SET, one at a time", each("SET", "key:%", V), 1, 8000, SETS),
    Row("GET, one at a time", each("GET", "key:%"), 1, 8000, SETS),
    Row("SET overwrites", each("SET", "key:%", V), fill=SETS),
    Row("SET of new keys", new("SET", "key:%", V)),
    Row("SET EX", each("SET", "key:%", V, "EX", "1000"), fill=SETS),
    Row("GET", each("GET", "key:%"), fill=SETS),
    Row("GET of no key", each("GET", "no:%"), fill=SETS),
    Row("GET of expired keys", new("GET", "old:%"), prepare=expired, settings=["--enable-debug-command", "yes"]),
    Row("SET 16 KB", each("SET", "key:%", BIG), 3, 3000),
    Row("GET 16 KB", always("GET", "big"), 2, 12_000, lambda: [command("SET", "big", BIG)]),
    Row("INCR", each("INCR", "n:%"), fill=lambda: [each("INCR", "n:%")(i) for i in range(KEYS)]),
    Row("APPEND", each("APPEND", "key:%", "xx"), fill=SETS),
    Row("MSET of 10", lambda i: command("MSET", *[word for key in ten(i) for word in (key, V)]), 16, 4000, SETS),
    Row("MGET of 10", lambda i: command("MGET", *ten(i)), 16, 4000, SETS),
    Row("DEL of a key", new("DEL", "key:%"), fill=lambda: [new("SET", "key:%", V)(i) for i in range(33_000)]),
    Row("EXPIRE", each("EXPIRE", "key:%", "1000"), fill=SETS),
    Row("EXISTS", each("EXISTS", "key:%"), fill=SETS),
    Row("HSET", each("HSET", "h", "f:%", V), fill=HASH),
    Row("HGET", each("HGET", "h", "f:%"), fill=HASH),
    Row("HSET of new small hashes", new("HSET", "h:%", "name", "abc", "age", "42", "city", "Bern"), 32, 8000),
    Row("HGETALL of 10", always("HGETALL", "t"), 32, 10_000,
        lambda: [command("HSET", "t", *[w for i in range(10) for w in (f"f{i}", f"value{i}")])]),
    Row("SADD", each("SADD", "s", "m:%"), fill=SET),
    Row("SADD of new members", new("SADD", "s", "m:%")),
    Row("SISMEMBER", each("SISMEMBER", "s", "m:%"), fill=SET),
    Row("LPUSH", always("LPUSH", "l", V)),
    Row("LPOP", always("LPOP", "l"), fill=lambda: [command("LPUSH", "l", *[V] * 330)] * 100),
    Row("LRANGE of 100", always("LRANGE", "l", "0", "99"), 8, 4000, LIST),
    Row("ZADD", each("ZADD", "z", "%", "m:%"), fill=ZSET),
    Row("ZADD of new members", lambda i: command("ZADD", "z", i * 7919 % 100_003, f"m:{i:08}")),
    Row("ZINCRBY", each("ZINCRBY", "z", "3", "m:%"), fill=ZSET),
    Row("ZRANK", each("ZRANK", "z", "m:%"), fill=ZSET),
    Row("ZRANGE of 100", always("ZRANGE", "r", "0", "99"), 8, 2000, RANGE),
    Row("XADD", always("XADD", "x", "*", "f", V)),
    Row("XRANGE of 10", always("XRANGE", "x", "-", "+", "COUNT", "10"), 16, 4000,
        lambda: [command("XADD", "x", "*", "f", V)] * 1000),
    Row("SETBIT", lambda i: command("SETBIT", "b", i * 7919 % 65_536, i & 1)),
    Row("PFADD", new("PFADD", "p", "m:%"), count=9600),
    Row("GEOADD", lambda i: command("GEOADD", "g", f"{i % 179}.{i % 89}", f"{i % 80}.5", f"m:{i % 2000}"), count=9600),
    Row("PUBLISH without readers", always("PUBLISH", "c", V)),
    Row("MULTI, SET, GET, EXEC", transaction, 16, 6000, SETS, unit=4),
    Row("EVAL of one INCR", always("EVAL", EVAL, "1", "n"), count=9600),
    Row("SET with a log, everysec", each("SET", "key:%", V), fill=SETS, settings=AOF),
    Row("HSET with a log, everysec", each("HSET", "h", "f:%", V), fill=HASH, settings=AOF),
    Row("SET with a replica", each("SET", "key:%", V), fill=SETS, attach=replica),
]

SHORT = 0.25


def asks(*commands):
    """What switches a feature on at run time."""
    return lambda connection: connection.send([command(*words.split(" ")) for words in commands])


def cluster(connection):
    """All slots; then until the cluster is up."""
    connection.send([command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")])
    while True:
        try:
            return connection.send([command("GET", "key:1")])
        except RuntimeError:
            time.sleep(0.1)


def monitor(connection):
    """A client that receives every command and reads it."""
    watcher = Connection(connection.socket.getpeername()[1])
    watcher.send([command("MONITOR")])
    watcher.drain()
    return watcher


USER = "ACL SETUSER u on >x"
CLUSTER = ["--cluster-enabled", "yes"]
BUDGETS = "rate=1000000000 bytes=900gb|900gb clients=100000 reply=900gb work=1000000000"
FEATURES = {
    "nothing": ([], None),
    "maxmemory, allkeys-lru": (["--maxmemory", "4gb", "--maxmemory-policy", "allkeys-lru"], None),
    "maxmemory, allkeys-lfu": (["--maxmemory", "4gb", "--maxmemory-policy", "allkeys-lfu"], None),
    "a user with all rights": ([], asks(f"{USER} +@all ~* &*", "AUTH u x")),
    "a user of some commands, keys": ([], asks(f"{USER} +@hash +@string ~key:* ~h", "AUTH u x")),
    "budgets, none reached": ([], asks(f"{USER} +@all ~* &* {BUDGETS}", "AUTH u x")),
    "append only file, everysec": (AOF, None),
    "change stream, no log": (["--changes-retain", "64mb"], None),
    "change stream and log": ([*AOF, "--changes-retain", "64mb"], None),
    "notify-keyspace-events KEA": (["--notify-keyspace-events", "KEA"], None),
    "audit of other commands": (["--audit-log", "audit", "--audit-categories", "@dangerous"], None),
    "audit of each command": (["--audit-log", "audit", "--audit-categories", "@all"], None),
    "prefix-stats": (["--prefix-stats", "yes"], None),
    "key-memory-histograms": (["--key-memory-histograms", "yes"], None),
    "HOTKEYS session, CPU and NET": ([], asks("HOTKEYS START METRICS 2 CPU NET")),
    "hotkey-top-k, 10 %": (["--hotkey-top-k", "10"], None),
    "cluster mode": (CLUSTER, cluster),
    "cluster, slot stats cpu net": ([*CLUSTER, "--cluster-slot-stats-enabled", "cpu net"], cluster),
    "tracking of what it reads": ([], asks("HELLO 3", "CLIENT TRACKING ON NOLOOP")),
    "tracking by prefix (BCAST)": ([], asks("HELLO 3", "CLIENT TRACKING ON BCAST NOLOOP")),
    "slow log of each command": (["--slowlog-log-slower-than", "0"], None),
    "latency-tracking no": (["--latency-tracking", "no"], None),
    "MONITOR by another client": ([], monitor),
}


def features(program):
    """What a feature that is on adds to SET, GET and HSET."""
    rows = [row for row in ROWS if row.label in ("SET overwrites", "GET", "HSET")]
    print(f"{'instructions a command':32}" + "".join(f"{label:>24}" for label in ("SET", "GET", "HSET")))
    wanted = {name: how for name, how in FEATURES.items() if ONLY in name or name == "nothing"}
    loads = [row.beside(*how) for how in wanted.values() for row in rows]
    results, base = counts_of([program], loads), []
    for name in wanted:
        counts = [next(results)[1][0] for _ in rows]
        base = base or counts
        cells = [f"{count:10.0f}{count - less:+8.0f}{count / less - 1:+6.1%}" for count, less in zip(counts, base)]
        print(f"{name:32}" + "".join(cells), flush=True)


class Server:
    """A server under callgrind, within a `with` block; `instructions` ends it and has their number."""

    preload = None

    def __init__(self, program, settings):
        self.program, self.folder = program, tempfile.mkdtemp(prefix="instructions-")
        self.words = ["valgrind", "--tool=callgrind", "--separate-threads=yes", "--instr-atstart=no",
                      f"--callgrind-out-file={self.folder}/counts", str(program), "--dir", self.folder,
                      "--logfile", "/dev/null", *SETTINGS, *settings]

    def __enter__(self):
        """Starts on a free port; another program may take it meanwhile: then on another."""
        for _ in range(5):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            # The environment lies on the stack, whose place counts.
            self.process = subprocess.Popen(
                [*self.words, "--port", str(port)], cwd=self.folder,
                env={"PATH": os.environ["PATH"], "LD_PRELOAD": self.preload},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            until = time.time() + 120
            while self.process.poll() is None and time.time() < until:
                try:
                    Connection(port).send([command("PING")])
                    self.port = port
                    return self
                except OSError:
                    time.sleep(0.05)
            self.process.kill()
            self.said = self.process.communicate()[1].decode(errors="replace")
        raise RuntimeError(f"{self.program} does not start:\n{self.said[-2000:]}")

    def __exit__(self, *_):
        self.process.kill()
        self.process.communicate()
        shutil.rmtree(self.folder, ignore_errors=True)

    def instructions(self):
        with socket.create_connection(("127.0.0.1", self.port)) as connection:
            connection.sendall(command("SHUTDOWN", "NOSAVE"))
            self.process.communicate(timeout=120)
        # One file a thread; the loop's is the first.
        text = Path(self.folder, "counts-01").read_text()
        return int(re.search(r"^totals: (\d+)", text, re.M).group(1))


def measure(program, row):
    """Instructions a command."""
    try:
        with Server(program, row.settings) as server:
            connection = Connection(server.port)
            helper = row.prepare(connection) if row.prepare else None
            fill = list(row.fill() if callable(row.fill) else row.fill)
            for at in range(0, len(fill), 64):
                connection.send(fill[at:at + 64])
            attached = row.attach(server.port) if row.attach else None

            def load(first, share):
                """Sends commands from number `first` on; returns the number after them."""
                end = first + int(row.count * share) // row.pipeline * row.pipeline
                for at in range(first, end, row.pipeline):
                    connection.socket.sendall(b"".join(row.make(i) for i in range(at, at + row.pipeline)))
                    connection.skip(row.pipeline * row.unit)
                return end

            begun = load(0, SHORT)
            server.process.send_signal(signal.SIGPROF)
            end = load(begun, 1)
            server.process.send_signal(signal.SIGPROF)
            count = server.instructions()
            del attached, helper
            return count / ((end - begun) * row.unit)
    except (RuntimeError, OSError) as error:
        raise RuntimeError(f"{row.label}: {error}") from error


def tools():
    """What counts depend on beside the source: compiler, C library, valgrind, the processor's sets."""
    def first(*words):
        try:
            return subprocess.run(words, capture_output=True, text=True, cwd=ROOT).stdout.split("\n")[0]
        except OSError:
            return f"no {words[0]}"
    try:
        flags = re.search(r"^flags\s*:(.*)$", Path("/proc/cpuinfo").read_text(), re.M)
        flags = set(flags.group(1).split()) if flags else set()
    except OSError:
        flags = set()
    sets = [name for name in ("avx2",) if name in flags]
    return ", ".join([first("rustc", "--version"), first("cc", "--version"), " ".join(platform.libc_ver()),
                      first("valgrind", "--version"), platform.machine(), *sets])


def read_table():
    """The table's tools, and its rows."""
    lines = [line for line in TABLE.read_text().split("\n") if line]
    rows = dict(re.match(r"(.*\S)\s+(\d+)$", line).groups() for line in lines if not line.startswith("#"))
    named = next((line[len("# tools: "):] for line in lines if line.startswith("# tools: ")), "")
    return named, {label: int(count) for label, count in rows.items()}


def write_table(counts):
    head = ["# Instructions a command: `benches/instructions.py --write` renews this table.",
            f"# tools: {tools()}"]
    TABLE.write_text("\n".join(head + [f"{label:32}{count:10.0f}" for label, count in counts.items()]) + "\n")


def wanted():
    return [row for row in ROWS if ONLY in row.label]


def counts_of(programs, rows):
    """All rows of all programs, row after row as they are done."""
    with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(JOBS) as pool:
        Server.preload = os.path.join(folder, "instructions.so")
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", Server.preload, ROOT / "benches/instructions.c"],
                       check=True)
        waiting = [(row, [pool.submit(measure, program, row) for program in programs]) for row in rows]
        for row, results in waiting:
            yield row, [result.result() for result in results]


def compare(program, write):
    """Rows off by more than the tolerance end the run with 1."""
    made_by, table = read_table() if TABLE.exists() else ("", {})
    if write and ONLY:
        counts = dict(table)
    else:
        counts = {}
    off = []
    print(f"{'instructions a command':32}{'table':>10}{'now':>10}{'ratio':>9}")
    for row, (count,) in counts_of([program], wanted()):
        counts[row.label] = count
        before = table.get(row.label)
        ratio = count / before if before else 0
        is_off = not LEAST <= ratio <= MOST
        if is_off and before and not write:
            # Large requests come in as many reads as the machine's other work makes of them.
            again = [count, *(measure(program, row) for _ in range(2))]
            count = min(again, key=lambda one: abs(one - before))
            ratio = count / before
            is_off = not LEAST <= ratio <= MOST
        off += [row.label] * is_off
        print(f"{row.label:32}{before or 0:10}{count:10.0f}{ratio:9.3f}{'  <--' if is_off else ''}", flush=True)
    if write:
        write_table(counts)
        return
    if not ONLY:
        off += [label for label in table if label not in counts]
    if not off:
        return
    print(f"not between {LEAST} and {MOST} of the table, or not in both: {', '.join(off)}")
    if made_by != tools():
        print(f"not judged: the table is of {made_by}\n            this is       {tools()}")
        return
    print("if it is meant: benches/instructions.py --write, in the same commit, which says why")
    sys.exit(1)


def side_by_side(named):
    print(f"{'instructions a command':32}" + "".join(f"{name:>10}" for name, _ in named) + "  over the first")
    for row, counts in counts_of([program for _, program in named], wanted()):
        ratios = "".join(f"{count / counts[0]:9.3f}" for count in counts[1:])
        print(f"{row.label:32}" + "".join(f"{count:10.0f}" for count in counts) + ratios, flush=True)


def main():
    words = sys.argv[1:]
    if not shutil.which("valgrind"):
        sys.exit("valgrind is not installed")
    if words[:1] == ["rows"]:
        return side_by_side([word.split("=", 1) for word in words[1:]])
    counts_features = words[:1] == ["features"]
    words = words[counts_features:]
    write = "--write" in words
    words = [word for word in words if word != "--write"]
    program = Path(words[0] if words else ROOT / "target/release/russet").resolve()
    if not program.exists():
        sys.exit(f"{program} is not there: see the head of this file")
    if counts_features:
        return features(program)
    compare(program, write)


if __name__ == "__main__":
    main()
