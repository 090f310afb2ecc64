#!/usr/bin/env python3
"""russet beside real servers, in one run, on one machine.

    benches/peers.py bench  [NAME=PROGRAM ...]    throughput, and server CPU per command
    benches/peers.py memory [NAME=PROGRAM ...]    bytes per element
    benches/peers.py big    [NAME=PROGRAM ...]    time of commands on a million elements
    benches/peers.py single [NAME=PROGRAM ...]    a hundred single commands on 200,000 elements
    benches/peers.py large  [NAME=PROGRAM ...]    SETs of large values
    benches/peers.py persist [NAME=PROGRAM ...]   SAVE, the append only file, loading of both
    benches/peers.py lag    [NAME=PROGRAM ...]    a disk that lags: readers, writers, memory (benches/lag.py)
    benches/peers.py replicate [NAME=PROGRAM ...] what replicas cost (benches/replicate.py)
    benches/peers.py durable [NAME=PROGRAM ...]   what acknowledged replication costs (benches/durable.py)
    benches/peers.py vectors [NAME=PROGRAM ...]   vector sets: recall, CPU, bytes (benches/vectors.py)
    benches/peers.py documents [NAME=PROGRAM ...] JSON: CPU, bytes, a large one (benches/documents.py)
    benches/peers.py sketches [NAME=PROGRAM ...]  filters and other sketches: CPU, bytes, errors (benches/sketches.py)
    benches/peers.py timeseries [NAME=PROGRAM ...] time series: CPU, bytes (benches/timeseries.py)
    benches/peers.py pack [NAME=PROGRAM ...]      cold values packed: bytes a key, CPU (benches/pack.py)
    benches/peers.py search [NAME=PROGRAM ...]    indexes: CPU, bytes, recall, waits (benches/search.py)
    benches/peers.py small [NAME=PROGRAM ...]     what one small command of an engine holds (benches/small.py)
    benches/peers.py threads [NAME=PROGRAM ...]   I/O threads: CPU of the main thread and of all (benches/threads.py)
    benches/peers.py sentinel [NAME=PROGRAM ...]  what a Sentinel costs, how soon it fails over (benches/sentinel.py)
    benches/peers.py cluster [NAME=PROGRAM ...]   what a cluster costs, how slots move (benches/cluster.py)
    benches/peers.py budgets [russet=PROGRAM]     what budgets of users cost and keep away (benches/budgets.py)
    benches/peers.py features [russet=PROGRAM]    what the change stream, the audit and budgets cost (benches/features.py)

Without servers: target/release/russet and the peers of tests/peers/install, Valkey with
jemalloc, as its own build has it (NAME=.../valkey9/valkey-server is the one with libc's
allocator, which rounds sizes less). The first server is the one under judgement; ratios are
against the best of the others, and above 1 means that the first is better. A server by the name
of `limit` is shown and left out of the ratios: a floor that does no work. A peer that is not
there is named, and its absence stands in the last line too.

How it measures. One server runs at a time, pinned to CPU 0, the load generator to CPU 1.
CPU is user and system time of all the server's threads, from the scheduler's own
nanoseconds. Rounds are interleaved and the median is shown: single figures jump by ten
to twenty per cent from run to run, ratios less.

    ROWS=label,label    only these rows        ROUNDS=3    rounds of all but `memory`, `persist`
    ONLY=text           rows with this in their label
    SCALE=0.1           fewer requests          PORT=17000  first port
"""
import contextlib
import hashlib
import json
import os
import random
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROWS = [label for label in os.environ.get("ROWS", "").split(",") if label]
ONLY = os.environ.get("ONLY", "")
ROUNDS = int(os.environ.get("ROUNDS", "3"))
SCALE = float(os.environ.get("SCALE", "1"))
PORT = int(os.environ.get("PORT", str(22600 + os.getpid() % 200)))


def wanted(label):
    """Whether ROWS and ONLY let this row in."""
    return ONLY in label and (not ROWS or label in ROWS)


def command(*args):
    """One command as RESP."""
    parts = [b"*%d\r\n" % len(args)]
    for arg in args:
        data = arg if isinstance(arg, bytes) else str(arg).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(data), data))
    return b"".join(parts)


class Server:
    """One running server; a `with` block ends it."""

    def __init__(self, name, program, port, prefix=(), cpus="0", settings=("--save", "", "--appendonly", "no")):
        self.name, self.port = name, port
        self.folder = tempfile.mkdtemp(prefix=f"peers-{name}-")
        self.log = open(os.path.join(self.folder, "log"), "wb")
        self.words = ["taskset", "-c", cpus, *prefix, program, "--port", str(port), "--bind", "127.0.0.1",
                      "--dir", self.folder, "--daemonize", "no", *settings]
        self.start()

    def start(self, limit=30):
        """Starts the process and waits for its PONG, which comes when all is loaded."""
        self.process = subprocess.Popen(
            self.words, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, cwd=self.folder)
        until = time.time() + limit
        while not self.answers():
            if self.process.poll() is not None or time.time() > until:
                text = Path(self.folder, "log").read_text(errors="replace")[-2000:]
                self.__exit__()
                sys.exit(f"{self.name} does not answer; its log:\n{text}")
            time.sleep(0.01)

    def crash_and_start(self):
        """kill -9, and again in the same folder; the seconds until it serves."""
        self.process.kill()
        self.process.wait()
        begun = time.monotonic()
        self.start(600)
        return time.monotonic() - begun

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
                connection.sendall(b"PING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def cpu_seconds(self):
        tasks = Path(f"/proc/{self.process.pid}/task")
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks.iterdir()) / 1e9

    def resident_bytes(self):
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def info(self, section, field):
        """One field of INFO; empty if it is not there."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            # ECHO is answered while a snapshot is loaded, PING is not.
            connection.sendall(command("INFO", section) + command("ECHO", "end"))
            text = b""
            while not text.endswith(b"$3\r\nend\r\n"):
                data = connection.recv(1 << 16)
                if not data:
                    raise RuntimeError("the server closed the connection")
                text += data
        lines = (line.partition(b":") for line in text.split(b"\r\n"))
        return next((value.decode() for name, _, value in lines if name == field.encode()), "")

    def ask(self, *words):
        """The first line of one command's reply."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=600) as connection:
            connection.sendall(command(*words))
            line = b""
            while not line.endswith(b"\n"):
                line += connection.recv(1)
            return line

    def used_bytes(self):
        return int(self.info("memory", "used_memory"))

    def run(self, commands, pipeline=1):
        """Sends commands, so many at a time, and waits for all of each batch's replies."""
        # Behind each batch an ECHO, whose reply nothing else can be.
        mark, end = command("ECHO", "end of the batch"), b"$16\r\nend of the batch\r\n"
        with socket.create_connection(("127.0.0.1", self.port), timeout=600) as connection:
            for at in range(0, len(commands), pipeline):
                connection.sendall(b"".join(commands[at:at + pipeline]) + mark)
                head = tail = b""
                while not tail.endswith(end):
                    data = connection.recv(1 << 20)
                    if not data:
                        raise RuntimeError("the server closed the connection")
                    head, tail = head or data[:100], (tail + data)[-len(end):]
                if head.startswith(b"-"):
                    raise RuntimeError(head.decode(errors="replace"))

    def fill(self, commands, batch=2000):
        """Sends commands whose replies are one line each; stops at the first refusal, but for unknown commands."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=600) as connection:
            waiting, tail = [], b""

            def flush():
                nonlocal tail
                connection.sendall(b"".join(waiting))
                missing = len(waiting)
                while missing > 0:
                    data = connection.recv(1 << 20)
                    if not data:
                        raise RuntimeError("the server closed the connection")
                    *lines, tail = (tail + data).split(b"\r\n")
                    for line in lines:
                        if line.startswith(b"-") and b"unknown command" not in line:
                            raise RuntimeError(line.decode(errors="replace"))
                    missing -= len(lines)
                waiting.clear()

            for one in commands:
                waiting.append(one)
                if len(waiting) == batch:
                    flush()
            if waiting:
                flush()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


# What must be there before the load starts.
FILLS = {
    "strings": lambda: (command("SET", "key:%012d" % n, "x" * 64) for n in range(1_000_000)),
    "hash": lambda: (command("HSET", "h:{big}", "f:%012d" % n, "v:%012d" % n) for n in range(1_000_000)),
    "zset": lambda: (command("ZADD", "z:{big}", n, "m:%012d" % n) for n in range(1_000_000)),
    "list": lambda: (command("RPUSH", "mylist", *["xxxxxxxx%d" % n for n in range(100)]) for _ in range(22_000)),
    "array": lambda: (command("ARSET", "array", n, "v:%08d" % n) for n in range(1_000_000)),
    "stream": lambda: (command("XADD", "x:{big}", "%d-1" % (n + 1), "field", "v:%08d" % n) for n in range(1_000_000)),
    "bits": lambda: (command("SETBIT", "key:%012d" % n, 7, 1) for n in range(1_000_000)),
    "hyperloglogs": lambda: (command("PFADD", "log:%d" % (n % 10), *("m:%d" % (n * 100 + at) for at in range(100)))
                             for n in range(3_000)),
    "places": lambda: (command("GEOADD", "places", "%.6f" % (n * 0.754877666 % 1 * 80), "%.6f" % (n * 0.569840290 % 1 * 80), "m:%012d" % n)
                       for n in range(1_000_000)),
    "scripts": lambda: (command("SCRIPT", "LOAD", LUA_INCR), command("FUNCTION", "LOAD", LIBRARY)),
    "document": lambda: (command("SET", "document", DOCUMENT),),
    # The same, and somebody who may only read such keys.
    "strings of a user": lambda: (line for part in (
        [command("ACL", "SETUSER", "reader", "on", "nopass", "~key:*", "+@read", "+@connection")],
        FILLS["strings"]()) for line in part),
    "large": lambda: (command("SET", "big:%012d" % n, "x" * 16384) for n in range(1_000)),
}

RANDOM = ["-r", "1000000"]

# What scripts are used for.
LUA_INCR = "return redis.call('INCR', KEYS[1])"
LUA_TEN = "for i = 1, 10 do redis.call('INCR', KEYS[1]) end"
LUA_RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) else return 0 end"
LUA_BUCKET = """
local rate, size, now, wanted = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local bucket = redis.call('HMGET', KEYS[1], 'level', 'at')
local level, at = tonumber(bucket[1]) or size, tonumber(bucket[2]) or now
level = math.min(size, level + (now - at) * rate)
local allowed = level >= wanted
if allowed then level = level - wanted end
redis.call('HSET', KEYS[1], 'level', level, 'at', now)
redis.call('PEXPIRE', KEYS[1], 60000)
return allowed and 1 or 0"""
LUA_DECODE = "local text, d = redis.call('GET', KEYS[1]) for i = 1, 10 do d = cjson.decode(text) end return #d.items"
LUA_ENCODE = "local d, text = cjson.decode(redis.call('GET', KEYS[1])) for i = 1, 10 do text = cjson.encode(d) end return #text"
LIBRARY = "#!lua name=bench\nredis.register_function('bench_incr', function(keys) return redis.call('INCR', keys[1]) end)"
# A list of orders, 4 KiB of JSON.
DOCUMENT = json.dumps({"items": [
    {"id": n, "name": "order number %d" % n, "price": n * 1.25, "tags": ["new", "paid"], "open": n % 2 == 0, "note": None}
    for n in range(41)]}, separators=(",", ":"))

# label, pipeline, requests, what is there before, redis-benchmark's arguments
LOADS = [
    ("PING", 1, 150_000, None, ["-t", "ping_mbulk"]),
    ("SET 64B", 1, 150_000, None, ["-t", "set", "-d", "64", *RANDOM]),
    ("GET 64B", 1, 150_000, "strings", ["-t", "get", *RANDOM]),
    ("SET 64B x64", 64, 3_000_000, None, ["-t", "set", "-d", "64", *RANDOM]),
    ("GET 64B x64", 64, 4_000_000, "strings", ["-t", "get", *RANDOM]),
    ("GET 64B x64 by a user", 64, 4_000_000, "strings of a user",
     ["--user", "reader", "-a", "x", "-t", "get", *RANDOM]),
    ("INCR x64", 64, 3_000_000, None, ["-t", "incr", *RANDOM]),
    ("MSET of 10 x16", 16, 300_000, None, ["-t", "mset", *RANDOM]),
    ("SET EX x64", 64, 2_000_000, None, [*RANDOM, "SET", "key:__rand_int__", "x" * 16, "EX", "1000"]),
    ("HSET x64", 64, 2_000_000, None, [*RANDOM, "HSET", "h:{big}", "f:__rand_int__", "v:__rand_int__"]),
    ("HGET x64", 64, 2_000_000, "hash", [*RANDOM, "HGET", "h:{big}", "f:__rand_int__"]),
    ("SADD x64", 64, 2_000_000, None, [*RANDOM, "SADD", "s:{big}", "m:__rand_int__"]),
    ("ZADD x64", 64, 1_500_000, None, [*RANDOM, "ZADD", "z:{big}", "__rand_int__", "m:__rand_int__"]),
    ("ZRANK x64", 64, 1_000_000, "zset", [*RANDOM, "ZRANK", "z:{big}", "m:__rand_int__"]),
    ("ZRANGE 100 x16", 16, 100_000, "zset",
     ["-r", "990000", "ZRANGE", "z:{big}", "__rand_int__", "+inf", "BYSCORE", "LIMIT", "0", "100"]),
    ("LPUSH x64", 64, 3_000_000, None, ["-t", "lpush"]),
    ("LPOP x64", 64, 2_000_000, "list", ["LPOP", "mylist"]),
    ("LRANGE 100 x16", 16, 100_000, "list", ["LRANGE", "mylist", "0", "99"]),
    ("SETBIT x64", 64, 3_000_000, None, [*RANDOM, "SETBIT", "key:__rand_int__", "7", "1"]),
    ("GETBIT x64", 64, 4_000_000, "bits", [*RANDOM, "GETBIT", "key:__rand_int__", "7"]),
    ("PFADD x64", 64, 3_000_000, "hyperloglogs", [*RANDOM, "PFADD", "log:0", "m:__rand_int__"]),
    ("PFCOUNT x64", 64, 3_000_000, "hyperloglogs", ["PFCOUNT", "log:0"]),
    ("PFCOUNT of 10", 1, 30_000, "hyperloglogs", ["PFCOUNT", *("log:%d" % n for n in range(10))]),
    # Places in a square of 80 degrees, and those of them in a circle of 44 km: about a hundred.
    ("GEOADD x64", 64, 1_000_000, None,
     ["-r", "80000000", "GEOADD", "places", "__rand_int__e-6", "__rand_int__e-6", "m:__rand_int__"]),
    ("GEOSEARCH 100", 16, 50_000, "places",
     ["-r", "79000000", "GEOSEARCH", "places", "FROMLONLAT", "__rand_int__e-6", "40", "BYRADIUS", "44", "km"]),
    ("ARSET x64", 64, 3_000_000, None, ["-r", "1000000", "ARSET", "array", "__rand_int__", "value"]),
    ("ARGET x64", 64, 3_000_000, "array", ["-r", "1000000", "ARGET", "array", "__rand_int__"]),
    ("XADD x64", 64, 1_500_000, None, ["XADD", "stream", "*", "field", "value"]),
    ("XADD MAXLEN ~ x64", 64, 1_500_000, None, ["XADD", "stream", "MAXLEN", "~", "1000", "*", "field", "value"]),
    ("XRANGE 100 x16", 16, 100_000, "stream", ["XRANGE", "x:{big}", "500-0", "+", "COUNT", "100"]),
    ("XREAD 100 middle x16", 16, 100_000, "stream",
     ["-r", "900000", "XREAD", "COUNT", "100", "STREAMS", "x:{big}", "__rand_int__-0"]),
    ("EVAL INCR x16", 16, 500_000, None, ["-r", "100000", "EVAL", LUA_INCR, "1", "key:__rand_int__"]),
    ("EVALSHA INCR x16", 16, 500_000, "scripts",
     ["-r", "100000", "EVALSHA", hashlib.sha1(LUA_INCR.encode()).hexdigest(), "1", "key:__rand_int__"]),
    ("FCALL INCR x16", 16, 500_000, "scripts", ["-r", "100000", "FCALL", "bench_incr", "1", "key:__rand_int__"]),
    ("EVAL 10 calls x16", 16, 200_000, None, ["-r", "100000", "EVAL", LUA_TEN, "1", "key:__rand_int__"]),
    ("EVAL 1M additions", 1, 100, None, ["EVAL", "local n = 0 for i = 1, 1000000 do n = n + i end return n", "0"]),
    ("token bucket x16", 16, 200_000, None,
     ["-r", "100000", "EVAL", LUA_BUCKET, "1", "bucket:__rand_int__", "10", "100", "1700000000", "1"]),
    ("lock release x16", 16, 500_000, "strings",
     [*RANDOM, "EVAL", LUA_RELEASE, "1", "key:__rand_int__", "x" * 64]),
    ("cjson.decode 4KB", 1, 10_000, "document", ["EVAL", LUA_DECODE, "1", "document"]),
    ("cjson.encode 4KB", 1, 10_000, "document", ["EVAL", LUA_ENCODE, "1", "document"]),
    ("GET 16KB x4", 4, 300_000, "large", ["-r", "1000", "GET", "big:__rand_int__"]),
]


def pairs(count, name, value):
    return [text for n in range(count) for text in (name % n, value % n)]


# label, elements, the command that adds the nth
SETS = [
    ("strings 16B", 1_000_000, lambda n: command("SET", "key:%012d" % n, "x" * 16)),
    ("strings 64B", 1_000_000, lambda n: command("SET", "key:%012d" % n, "x" * 64)),
    ("strings 64B with TTL", 1_000_000, lambda n: command("SET", "key:%012d" % n, "x" * 64, "EX", 100_000)),
    ("integers", 1_000_000, lambda n: command("SET", "key:%012d" % n, n)),
    ("strings 1KB", 300_000, lambda n: command("SET", "key:%012d" % n, "x" * 1024)),
    ("hashes of 5", 200_000, lambda n: command("HSET", "h:%012d" % n, *pairs(5, "field%d", "value%011d"))),
    ("one hash", 1_000_000, lambda n: command("HSET", "h", "f:%012d" % n, "v:%012d" % n)),
    ("one set", 1_000_000, lambda n: command("SADD", "s", "m:%012d" % n)),
    ("one set of integers", 1_000_000, lambda n: command("SADD", "s", n * 7919)),
    ("sets of 50 integers", 100_000, lambda n: command("SADD", "s:%d" % n, *range(n, n + 50))),
    ("one zset", 1_000_000, lambda n: command("ZADD", "z", n * 0.5, "m:%012d" % n)),
    ("zsets of 20", 100_000, lambda n: command("ZADD", "z:%d" % n, *pairs(20, "%d", "m:%06d"))),
    ("one list", 1_000_000, lambda n: command("RPUSH", "l", "e:%012d" % n)),
    ("one array", 1_000_000, lambda n: command("ARSET", "a", n, "v:%05d" % (n % 100_000))),
    ("one array of integers", 1_000_000, lambda n: command("ARSET", "a", n, n)),
    ("one stream", 1_000_000, lambda n: command("XADD", "x", "%d-1" % (n + 1), "field", "v:%08d" % n)),
]


def many(name, key, texts, each=100):
    """The texts as arguments of commands of `each`."""
    texts = list(texts)
    return [command(name, key, *texts[at:at + each]) for at in range(0, len(texts), each)]


def members(first, count):
    return ("m:%012d" % n for n in range(first, first + count))


def scored(first, count):
    return (text for n in range(first, first + count) for text in (str(n * 7919 % count), "m:%012d" % n))


def shuffled(count):
    """0 .. count in an order that is the same for all servers."""
    order = list(range(count))
    random.Random(1).shuffle(order)
    return order


def zadds(scores):
    return [command("ZADD", "z", score, "m:%012d" % n) for n, score in enumerate(scores)]


def two_sets(n):
    return many("SADD", "a", members(0, n)) + many("SADD", "b", members(n // 2, n))


def two_sets_of_integers(n):
    return many("SADD", "a", range(0, 3 * n, 3)) + many("SADD", "b", range(0, 2 * n, 2))


def two_zsets(n):
    return many("ZADD", "a", scored(0, n // 2), 200) + many("ZADD", "b", scored(n // 4, n // 2), 200)


def numbers(n):
    return many("RPUSH", "l", shuffled(n))


def texts(n):
    return many("RPUSH", "l", ("e:%012d" % at for at in shuffled(n)))


def texts_in_order(n):
    return many("RPUSH", "l", ("e:%012d" % at for at in range(n)))


def around_the_middle(n, *words):
    """A hundred commands, each about one element around the middle of `texts_in_order`."""
    picked = ("e:%012d" % (n // 2 + at * 17 - 850) for at in range(100))
    return [command(*(text if word == "ELEMENT" else word for word in words)) for text in picked]


def bitmaps(n):
    """Two of random bytes and one of a single bit, four bytes for each of the elements."""
    noise = [random.Random(seed).randbytes(n * 4) for seed in (1, 2)]
    return [command("SET", "a", noise[0]), command("SET", "b", noise[1]), command("SETBIT", "c", n * 32 - 1, 1)]


def hundred(*words):
    return lambda n: [command(*words)] * 100


def five(*words):
    return lambda n: [command(*words)] * 5


def nothing(n):
    return []


def entries(n):
    return [command("XADD", "x", "%d-1" % (at + 1), "field", "v:%08d" % at) for at in range(n)]


def entries_and_group(n):
    return entries(n) + [command("XGROUP", "CREATE", "x", "g", "0")]


def claimed_and_acknowledged(n):
    """A fifth of the entries, ten at a time: each ten claimed as idle from another consumer, then acknowledged."""
    return [one for at in range(1, n // 5, 10) for one in (
        command("XREADGROUP", "GROUP", "g", "c", "CLAIM", "0", "COUNT", "10", "STREAMS", "x", ">"),
        command("XACK", "x", "g", *("%d-1" % entry for entry in range(at, at + 10))))]


def delivered(n):
    return entries_and_group(n) + [command("XREADGROUP", "GROUP", "g", "other", "STREAMS", "x", ">")]


def given_back(n):
    """A fifth of the entries, ten at a time."""
    return [command("XNACK", "x", "g", "FAIL", "IDS", "10", *("%d-1" % entry for entry in range(at, at + 10)))
            for at in range(1, n // 5, 10)]


def deleted_as(*words):
    """A fifth of the entries, ten at a time, each ten by one command."""
    return lambda n: [command(*words, "IDS", "10", *("%d-1" % entry for entry in range(at, at + 10)))
                      for at in range(1, n // 5, 10)]


def trimmed_of_references(n):
    """A thousandth at a time."""
    return [command("XTRIM", "x", "MAXLEN", str(n - n // 1000 * part), "DELREF") for part in range(1, 100)]


def idempotent(n):
    return [command("XADD", "x", "IDMP", "producer", "%d" % at, "*", "field", "v:%08d" % at) for at in range(n)]


def idempotent_by_content(n):
    return [command("XADD", "x", "IDMPAUTO", "producer", "*", "field", "v:%08d" % at) for at in range(n)]


def recorded(n):
    return [command("XIDMPRECORD", "x", "p:%d" % (at % 1000), "%d" % at, "%d-1" % (at + 1)) for at in range(n)]


def configured(n):
    return [command("XCFGSET", "x", "IDMP-MAXSIZE", str(1 + at % 10)) for at in range(n)]


def read_by_size(n):
    """A hundred entries each."""
    return [command("XREAD", "MAXCOUNT", "100", "MAXSIZE", "100000", "STREAMS", "x", "%d-0" % at)
            for at in range(1, n - 100, 100)]


def read_and_acknowledged(n):
    """A fifth of the entries, ten at a time: each ten read by a group, then acknowledged."""
    return [one for at in range(1, n // 5, 10) for one in (
        command("XREADGROUP", "GROUP", "g", "c", "COUNT", "10", "STREAMS", "x", ">"),
        command("XACK", "x", "g", *("%d-1" % entry for entry in range(at, at + 10))))]


# label, pipeline, what is filled before and what is measured, of a million elements
BIG = [
    ("SINTER", 1, two_sets, five("SINTER", "a", "b")),
    ("SINTER integers", 1, two_sets_of_integers, five("SINTER", "a", "b")),
    ("SINTERCARD", 1, two_sets, five("SINTERCARD", "2", "a", "b")),
    ("SUNION", 1, two_sets, five("SUNION", "a", "b")),
    ("SDIFF", 1, two_sets, five("SDIFF", "a", "b")),
    ("SUNIONSTORE", 1, two_sets, five("SUNIONSTORE", "c", "a", "b")),
    ("SINTERSTORE", 1, two_sets, five("SINTERSTORE", "c", "a", "b")),
    ("ZUNIONSTORE", 1, two_zsets, five("ZUNIONSTORE", "c", "2", "a", "b")),
    ("ZINTERSTORE", 1, two_zsets, five("ZINTERSTORE", "c", "2", "a", "b")),
    ("SORT", 1, numbers, five("SORT", "l")),
    ("SORT ALPHA", 1, texts, five("SORT", "l", "ALPHA")),
    ("SORT BY nosort", 1, numbers, five("SORT", "l", "BY", "nosort")),
    ("SORT LIMIT 10", 1, numbers, five("SORT", "l", "LIMIT", "0", "10")),
    ("LINSERT", 1, texts_in_order, lambda n: around_the_middle(n, "LINSERT", "l", "BEFORE", "ELEMENT", "x" * 14)),
    ("LREM", 1, texts_in_order, lambda n: around_the_middle(n, "LREM", "l", 1, "ELEMENT")),
    ("ZADD ascending", 64, nothing, lambda n: zadds(range(n))),
    ("ZADD descending", 64, nothing, lambda n: zadds(range(n, 0, -1))),
    ("ZADD random", 64, nothing, lambda n: zadds(shuffled(n))),
    ("XREADGROUP, XACK", 64, entries_and_group, read_and_acknowledged),
    ("XREADGROUP CLAIM, XACK", 64, delivered, claimed_and_acknowledged),
    ("XREAD MAXCOUNT MAXSIZE", 16, entries, read_by_size),
    ("XNACK of 10", 64, delivered, given_back),
    ("XDELEX of 10", 64, entries, deleted_as("XDELEX", "x")),
    ("XDELEX ACKED of 10", 64, entries, deleted_as("XDELEX", "x", "ACKED")),
    ("XACKDEL of 10", 64, delivered, deleted_as("XACKDEL", "x", "g")),
    ("XTRIM DELREF", 1, delivered, trimmed_of_references),
    ("XADD IDMP", 64, nothing, idempotent),
    ("XADD IDMPAUTO", 64, nothing, idempotent_by_content),
    ("XIDMPRECORD", 64, entries, recorded),
    ("XCFGSET", 64, entries, configured),
    ("BITCOUNT", 1, bitmaps, hundred("BITCOUNT", "a")),
    ("BITCOUNT BIT", 1, bitmaps, hundred("BITCOUNT", "a", "3", "-5", "BIT")),
    ("BITPOS", 1, bitmaps, hundred("BITPOS", "c", "1")),
    ("BITOP AND", 1, bitmaps, hundred("BITOP", "AND", "d", "a", "b", "c")),
    ("BITOP OR", 1, bitmaps, hundred("BITOP", "OR", "d", "a", "b", "c")),
    ("BITOP XOR", 1, bitmaps, hundred("BITOP", "XOR", "d", "a", "b", "c")),
    ("BITOP NOT", 1, bitmaps, hundred("BITOP", "NOT", "d", "a")),
    ("ZADD moved", 64, lambda n: zadds(range(n)), lambda n: zadds(shuffled(n))),
]

# What `single` works on: 200,000 elements of each, the second of two moved by half.
SINGLE_ELEMENTS = 200_000


def single_fill(n):
    yield from (command("SET", "key:%012d" % at, "x" * 64) for at in range(n))
    yield from many("SADD", "set", members(0, n)) + many("SADD", "set2", members(n // 2, n))
    yield from many("SADD", "ints", range(n))
    yield from many("RPUSH", "list", ("e:%012d" % at for at in range(n)))
    yield from many("HSET", "hash", (text for at in range(n) for text in ("f:%012d" % at, str(at))), 200)
    yield from many("ZADD", "zset", (text for at in range(n) for text in (str(at), "m:%012d" % at)), 200)
    yield from many("ZADD", "zset2", (text for at in range(n // 2, n + n // 2) for text in (str(at), "m:%012d" % at)), 200)
    yield from many("ZADD", "lex", (text for at in range(n) for text in ("0", "m:%012d" % at)), 200)
    yield from (command("SET", name, "".join(random.Random(name).choices("abcd", k=1000))) for name in ("text1", "text2"))
    yield from many("RPUSH", "short", range(100)) + many("HSET", "small", pairs(10, "f%d", "v%d")) + many("SADD", "few", range(100))
    yield from many("ARINSERT", "array", range(n)) + many("ARINSERT", "words", ("e:%06d" % at for at in range(n)))
    # One to be dumped, one whose fields expire, ten of thirty thousand elements.
    yield from many("RPUSH", "texts", ("e:%012d" % at for at in range(n))) + many("HSET", "leased", pairs(10, "f%d", "v%d"))
    yield from FILLS["hyperloglogs"]()


TEN_LOGS = "".join(" log:%d" % n for n in range(10))
MILLIS, MICROS = 10, 3000  # How often a command is sent that takes the one or the other.

# How often, and the commands: of several one after the other. `#` is another number each time.
SINGLE = [
    (MICROS, "PING"), (MICROS, "ECHO hello"), (MICROS, "SELECT 0"), (MICROS, "DBSIZE"), (300, "INFO"),
    (300, "INFO commandstats"), (300, "INFO keyspace"), (300, "CLIENT LIST"), (300, "CONFIG GET max*"), (30, "CONFIG GET *"), (100, "COMMAND"),
    (MICROS, "COMMAND COUNT"), (MICROS, "MULTI", "GET key:#", "EXEC"), (MICROS, "WATCH key:#", "UNWATCH"),
    (MICROS, "GET key:#"), (MICROS, "SET key:# value"), (MICROS, "SET key:# value XX KEEPTTL"), (MICROS, "SETNX key:# value"),
    (MICROS, "GETSET key:# value"), (MICROS, "GETEX key:# PERSIST"), (MICROS, "SET temporary x", "GETDEL temporary"),
    (MICROS, "APPEND appended 12345678"), (MICROS, "STRLEN key:#"), (MICROS, "GETRANGE text1 100 200"),
    (MICROS, "SETRANGE text2 100 abcd"), (MICROS, "INCR number"), (MICROS, "INCRBYFLOAT float 0.25"),
    (MICROS, "SET key:# value IFNE other"), (MICROS, "SET compared value", "SET compared value IFDEQ 87d57e269b9df0f0"),
    (MICROS, "DIGEST key:#"), (MICROS, "DIGEST text1"), (MICROS, "SET temporary x", "DELEX temporary IFEQ x"),
    (MICROS, "SET temporary x", "DELEX temporary"), (MICROS, "INCREX number"), (MICROS, "INCREX float BYFLOAT 0.25"),
    (MICROS, "INCREX bounded UBOUND 100 SATURATE EX 1000"), (MICROS, "INCREX bounded BYINT 500 UBOUND 100"),
    (MICROS, "MSETEX 10" + " key:# v" * 10 + " KEEPTTL"),
    (MICROS, "MGET" + " key:#" * 10), (MICROS, "MSET" + " key:# v" * 10), (MILLIS, "LCS text1 text2"),
    (MILLIS, "LCS text1 text2 IDX"), (MICROS, "EXISTS key:#"), (MICROS, "TYPE key:#"), (MICROS, "TTL key:#"),
    (MICROS, "EXPIRE key:# 1000"), (MICROS, "PERSIST key:#"), (MICROS, "TOUCH key:#"), (MICROS, "OBJECT ENCODING key:#"),
    (MICROS, "RENAME number number2", "RENAME number2 number"), (MICROS, "COPY key:# copied REPLACE"),
    (MICROS, "SET temporary x", "DEL temporary"), (MICROS, "RANDOMKEY"), (300, "SCAN #0 COUNT 1000"),
    (MILLIS, "KEYS key:*7777"), (MILLIS, "KEYS nothing*"), (MICROS, "MEMORY USAGE key:#"),
    (MICROS, "LPUSH list x", "LPOP list"), (MICROS, "RPUSH list x", "RPOP list"), (MICROS, "RPUSH empty x", "LPOP empty"),
    (MICROS, "LLEN list"), (MICROS, "LINDEX list 10"), (300, "LINDEX list 100000"), (300, "LSET list 100000 e:000000100000"),
    (MICROS, "LRANGE list 0 99"), (300, "LRANGE list 100000 100099"), (MILLIS, "LRANGE list 0 -1"),
    (MILLIS, "LPOS list e:000000100000"), (MILLIS, "LINSERT list BEFORE e:000000100000 x", "LREM list 1 x"),
    (MICROS, "LMOVE list list LEFT RIGHT"), (MICROS, "LMOVEM list list LEFT RIGHT"), (MICROS, "BLMOVEM list list LEFT RIGHT 0"),
    (MICROS, "LMOVEM list list LEFT LEFT COUNT 10 OBO"), (300, "LMOVEM list list LEFT RIGHT EXACTLY 1000 BULK"),
    (300, "LMOVEM list away LEFT RIGHT COUNT 100 BULK", "LMOVEM away list RIGHT LEFT COUNT 100 BULK"),
    (MICROS, "RPUSH short 7", "LTRIM short -100 -1"), (MICROS, "LMPOP 1 empty LEFT"),
    (MILLIS, "SORT list ALPHA LIMIT 0 10"), (300, "SORT short"),
    (MICROS, "HGET hash f:#"), (MICROS, "HSET hash f:# 17"), (MICROS, "HSET hash new 1", "HDEL hash new"),
    (MICROS, "HMGET hash" + " f:#" * 10), (MICROS, "HEXISTS hash f:#"), (MICROS, "HSTRLEN hash f:#"), (MICROS, "HLEN hash"),
    (MICROS, "HINCRBY hash f:# 1"), (MICROS, "HINCRBYFLOAT hash floating 0.5"), (MICROS, "HSETNX hash f:# 1"),
    (MICROS, "HRANDFIELD hash"), (300, "HRANDFIELD hash 100"), (300, "HSCAN hash #0 COUNT 1000"), (MILLIS, "HGETALL hash"),
    (MILLIS, "HKEYS hash"), (MILLIS, "HVALS hash"), (MICROS, "HGETALL small"), (MICROS, "HSET small f5 v5"),
    (MICROS, "HEXPIRE hash 1000 FIELDS 1 f:#"), (MICROS, "HTTL hash FIELDS 1 f:#"),
    (MICROS, "HIMPORT PREPARE set name age city", "HIMPORT SET imported set Bob 30 Paris"),
    (MICROS, "HEXPIRE leased 1000 FIELDS 1 f5"), (MICROS, "HEXPIRE leased 1000 FIELDS 2 f3 f7", "HPERSIST leased FIELDS 1 f3"),
    (MICROS, "SISMEMBER set m:#"), (MICROS, "SADD set m:#"), (MICROS, "SADD set new", "SREM set new"),
    (MICROS, "SMISMEMBER set" + " m:#" * 10), (MICROS, "SCARD set"), (MICROS, "SRANDMEMBER set"),
    (300, "SRANDMEMBER set 100"), (300, "SRANDMEMBER set -100"), (300, "SSCAN set #0 COUNT 1000"), (MILLIS, "SMEMBERS set"),
    (MILLIS, "SINTER set set2"), (MILLIS, "SUNION set set2"), (MILLIS, "SDIFF set set2"), (MILLIS, "SINTER ints few"),
    (300, "SINTERCARD 2 set set2 LIMIT 100"), (MILLIS, "SINTERSTORE stored set set2"), (MILLIS, "SUNIONSTORE stored set set2"),
    (MILLIS, "SUNIONCARD 2 set set2"), (MILLIS, "SUNIONCARD 2 set set2 APPROX"), (300, "SUNIONCARD 2 few few LIMIT 10"),
    (MILLIS, "SUNIONCARD 2 set ints"), (MILLIS, "SDIFFCARD 2 set set2"), (300, "SDIFFCARD 2 set set2 LIMIT 100"),
    (MILLIS, "SDIFFSTORE stored set set2"), (MICROS, "SADD moved x", "SMOVE moved moved2 x"), (MICROS, "SADD one x", "SPOP one"),
    (MICROS, "ZSCORE zset m:#"), (MICROS, "ZADD zset #0 m:#"), (MICROS, "ZADD zset 5.5 new", "ZREM zset new"),
    (MICROS, "ZMSCORE zset" + " m:#" * 10), (MICROS, "ZRANK zset m:#"), (MICROS, "ZREVRANK zset m:#"), (MICROS, "ZCARD zset"),
    (MICROS, "ZCOUNT zset 1000 #0"), (MICROS, "ZLEXCOUNT lex [m:# +"), (MICROS, "ZINCRBY zset 1 m:#"),
    (MICROS, "ZRANGE zset 0 99"), (MICROS, "ZRANGE zset 100000 100099 WITHSCORES"), (MICROS, "ZRANGE zset 0 99 REV"),
    (MICROS, "ZRANGEBYSCORE zset #0 +inf LIMIT 0 10"), (MICROS, "ZRANGE lex [m:# + BYLEX LIMIT 0 10"), (MILLIS, "ZRANGE zset 0 -1"),
    (MICROS, "ZRANDMEMBER zset"), (300, "ZRANDMEMBER zset 100"), (300, "ZSCAN zset #0 COUNT 1000"),
    (MICROS, "ZADD zset -1 first", "ZPOPMIN zset"), (300, "ZRANGESTORE stored zset 0 999"), (3, "ZUNION 2 zset zset2"),
    (MILLIS, "ZINTER 2 zset zset2"), (MILLIS, "ZDIFF 2 zset zset2"), (3, "ZUNIONSTORE stored 2 zset zset2"),
    (3, "ZUNION 2 zset zset2 AGGREGATE COUNT"), (MILLIS, "ZINTER 2 zset zset2 AGGREGATE COUNT"),
    (MILLIS, "ZINTERSTORE stored 2 zset zset2"), (MILLIS, "ZDIFFSTORE stored 2 zset zset2"),
    (MILLIS, "ZINTERCARD 2 zset zset2"), (MICROS, "ZADD few2 1 a 2 b 3 c", "ZREMRANGEBYRANK few2 0 -1"),
    (MICROS, "SETBIT bits #0 1"), (MICROS, "GETBIT bits #0"), (300, "BITCOUNT bits"), (MICROS, "PFADD log m:#"), (MICROS, "PFCOUNT log"),
    (300, "PFCOUNT" + TEN_LOGS), (300, "PFMERGE merged" + TEN_LOGS),
    (MICROS, "GEOADD places 13.4 52.5 p#"), (300, "GEOSEARCH places FROMLONLAT 13 52 BYRADIUS 100 km COUNT 10"),
    (MICROS, "XADD stream * f v"), (300, "XRANGE stream - + COUNT 100"), (MICROS, "PUBLISH nobody x"),
    (MICROS, "ARSET array #0 17"), (MICROS, "ARGET array #0"), (MICROS, "ARMSET array" + " #0 v" * 10), (MICROS, "ARMGET array" + " #0" * 10),
    (MICROS, "ARSET array 300000 x", "ARDEL array 300000"), (MICROS, "ARLEN array"), (MICROS, "ARCOUNT array"), (MICROS, "ARNEXT array"),
    (MICROS, "ARINSERT inserted x"), (MICROS, "ARSEEK inserted 1"), (MICROS, "ARRING ring 1000 x"), (MICROS, "ARLASTITEMS ring 100"),
    (MICROS, "ARINFO array"), (300, "ARINFO array FULL"), (300, "ARGETRANGE words 1000 1999"), (300, "ARSCAN words 1000 1999"),
    (MILLIS, "AROP array 0 199999 SUM"), (MILLIS, "AROP array 0 199999 MAX"), (MILLIS, "AROP array 0 199999 XOR"), (MILLIS, "AROP words 0 199999 USED"),
    (MILLIS, "AROP words 0 199999 MATCH e:000777"), (MILLIS, "ARGREP words - + EXACT e:000777"), (MILLIS, "ARGREP words - + MATCH 777 LIMIT 10"),
    (MILLIS, "ARGREP words - + GLOB *777"), (MILLIS, "ARGREP words - + RE 7{3}$"), (MICROS, "ARMSET few3 1 a 5000 b", "ARDELRANGE few3 0 9999"),
    (MICROS, "DUMP small"), (MILLIS, "DUMP texts"), (MICROS, "EVAL return(1) 0"),
]


def single_commands(count, lines, elements):
    """So many times the lines; the same numbers in the same order for all servers."""
    picked = random.Random(2)
    for _ in range(max(int(count * SCALE), 3)):
        for line in lines:
            words = []
            for word in line.split():
                # `#0` is the number alone, `key:#` one with twelve digits.
                while "#0" in word:
                    word = word.replace("#0", str(picked.randrange(elements)), 1)
                while "#" in word:
                    word = word.replace("#", "%012d" % picked.randrange(elements), 1)
                words.append(word)
            yield command(*words)


def single_cost(server, count, lines):
    """Microseconds of CPU for the lines once; none when the server refuses them."""
    commands = list(single_commands(count, lines, SINGLE_ELEMENTS))
    before = server.cpu_seconds()
    try:
        # Sixty are whole transactions, and whole turns of two lines.
        server.run(commands, pipeline=1 if count <= MILLIS and len(lines) == 1 else 60)
    except RuntimeError:
        return None
    return (server.cpu_seconds() - before) / (len(commands) / len(lines)) * 1e6


def single(servers):
    os.sched_setaffinity(0, {1})
    print(f"{'command':48}" + "".join(f"{name + ' us':>14}" for name, _ in servers) + f"{'CPU ratio':>11}")
    behind = rows = 0
    # All servers stay while the rows pass, each of which leaves them as they were.
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(Server(name, program, PORT + at)) for at, (name, program) in enumerate(servers)]
        for server in running:
            server.fill(single_fill(SINGLE_ELEMENTS), batch=500)
        for count, *lines in SINGLE:
            label = ", ".join(lines)
            if not wanted(label):
                continue
            costs = {server.name: [] for server in running}
            for _ in range(ROUNDS):
                for server in running:
                    cost = single_cost(server, count, lines)
                    if cost is not None:
                        costs[server.name].append(cost)
            show(f"{label[:47]:48}", servers, [(costs, "{:14.3f}", min)], (11,))
            others = [statistics.median(costs[name]) for name, _ in servers[1:] if costs[name] and name != "limit"]
            ours = costs[servers[0][0]]
            behind += bool(ours and others) and statistics.median(ours) > min(others)
            rows += 1
    print(f"behind the best peer: {behind} of {rows}")


# Label, bytes a value, values, keys that take turns, SETs before their replies are waited for.
LARGE = [
    ("SET 64KiB", 64 << 10, 8_000, 8, 1),
    ("SET 1MiB", 1 << 20, 800, 8, 1),
    ("SET 1MiB x8", 1 << 20, 800, 8, 8),
    ("SET 16MiB", 16 << 20, 60, 2, 1),
    ("SET 200MiB", 200 << 20, 6, 1, 1),
]


def load(port, pipeline, requests, args, clients=50):
    """redis-benchmark's requests per second; none when the server refuses the command."""
    done = subprocess.run(
        ["taskset", "-c", "1", "redis-benchmark", "-p", str(port), "-n", str(requests), "-c", str(clients), "-P", str(pipeline),
         "--csv", *args], capture_output=True, text=True)
    for line in reversed(done.stdout.splitlines()):
        fields = [field.strip('"') for field in line.split('","')]
        if len(fields) >= 7 and not line.startswith('"test"'):
            return float(fields[1])
    return None


def bench(servers):
    print(f"{'workload':16}" + "".join(f"{name + ' kops':>14}{'us/op':>8}" for name, _ in servers)
          + f"{'kops ratio':>12}{'CPU ratio':>11}")
    for label, pipeline, requests, before, args in LOADS:
        if not wanted(label):
            continue
        requests = max(int(requests * SCALE), 1000)
        rates, costs = {name: [] for name, _ in servers}, {name: [] for name, _ in servers}
        for _ in range(ROUNDS):
            for at, (name, program) in enumerate(servers):
                with Server(name, program, PORT + at) as server:
                    try:
                        if before:
                            server.fill(FILLS[before](), batch=50 if before == "large" else 2000)
                    except RuntimeError:
                        continue
                    start = server.cpu_seconds()
                    rate = load(server.port, pipeline, requests, args)
                    if rate:
                        rates[name].append(rate / 1e3)
                        costs[name].append((server.cpu_seconds() - start) / requests * 1e6)
        show(f"{label:16}", servers, [(rates, "{:14.1f}", max), (costs, "{:8.3f}", min)], (12, 11))


def big(servers):
    print(f"{'command':16}" + "".join(f"{name + ' ms':>14}{'CPU ms':>10}" for name, _ in servers)
          + f"{'ms ratio':>12}{'CPU ratio':>11}")
    os.sched_setaffinity(0, {1})
    for label, pipeline, fill, measured in BIG:
        if not wanted(label):
            continue
        elements = max(int(1_000_000 * SCALE), 10_000)
        before, commands = fill(elements), measured(elements)
        walls, costs = {name: [] for name, _ in servers}, {name: [] for name, _ in servers}
        for _ in range(ROUNDS):
            for at, (name, program) in enumerate(servers):
                with Server(name, program, PORT + at) as server:
                    try:
                        server.run(before, pipeline=100)
                        cpu, wall = server.cpu_seconds(), time.monotonic()
                        server.run(commands, pipeline)
                    except RuntimeError:
                        continue
                    walls[name].append((time.monotonic() - wall) / len(commands) * 1e3)
                    costs[name].append((server.cpu_seconds() - cpu) / len(commands) * 1e3)
        show(f"{label:16}", servers, [(walls, "{:14.4f}", min), (costs, "{:10.4f}", min)], (12, 11))


def set_large(port, size, count, keys, pipeline):
    """SETs of values of this size, so many before their replies are waited for."""
    head = [b"*3\r\n$3\r\nSET\r\n$6\r\nlarge%d\r\n$%d\r\n" % (key, size) for key in range(keys)]
    value = os.urandom(1 << 16) * (size // (1 << 16)) + b"\r\n"
    requests = [head[n % keys] + value for n in range(max(keys, pipeline))]
    if pipeline > 1:
        requests = [b"".join(requests)]
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        for at in range(count // pipeline):
            connection.sendall(requests[at % len(requests)])
            missing = 5 * pipeline
            while missing > 0:
                data = connection.recv(missing)
                if not data or b"-" in data:
                    raise RuntimeError(f"refused: {data}")
                missing -= len(data)


def large(servers):
    print(f"{'values':16}" + "".join(f"{name + ' ms':>14}{'CPU ms':>10}" for name, _ in servers)
          + f"{'ms ratio':>12}{'CPU ratio':>11}")
    os.sched_setaffinity(0, {1})
    for label, size, count, keys, pipeline in LARGE:
        if not wanted(label):
            continue
        count = max(int(count * SCALE), 2 * pipeline)
        walls, costs = {name: [] for name, _ in servers}, {name: [] for name, _ in servers}
        for _ in range(ROUNDS):
            for at, (name, program) in enumerate(servers):
                with Server(name, program, PORT + at) as server:
                    try:
                        set_large(server.port, size, max(keys, pipeline), keys, pipeline)
                        cpu, wall = server.cpu_seconds(), time.monotonic()
                        set_large(server.port, size, count, keys, pipeline)
                    except (OSError, RuntimeError):
                        continue
                    walls[name].append((time.monotonic() - wall) / count * 1e3)
                    costs[name].append((server.cpu_seconds() - cpu) / count * 1e3)
        show(f"{label:16}", servers, [(walls, "{:14.4f}", min), (costs, "{:10.4f}", min)], (12, 11))


def memory(servers):
    print(f"{'data':22}" + "".join(f"{name + ' used':>14}{'RSS':>8}" for name, _ in servers)
          + f"{'used ratio':>12}{'RSS ratio':>11}   bytes an element")
    for label, elements, add in SETS:
        if not wanted(label):
            continue
        elements = max(int(elements * SCALE), 1000)
        used, resident = {name: [] for name, _ in servers}, {name: [] for name, _ in servers}
        for at, (name, program) in enumerate(servers):
            with Server(name, program, PORT + at) as server:
                used_before, resident_before = server.used_bytes(), server.resident_bytes()
                try:
                    server.fill(add(n) for n in range(elements))
                except RuntimeError:
                    continue
                used[name].append((server.used_bytes() - used_before) / elements)
                resident[name].append((server.resident_bytes() - resident_before) / elements)
        show(f"{label:22}", servers, [(used, "{:14.1f}", min), (resident, "{:8.1f}", min)], (12, 11))


def of_all_kinds():
    """A million strings, small hashes, and half a million elements of each large value."""
    count = max(int(1_000_000 * SCALE), 10_000)
    yield from (command("SET", "key:%012d" % n, "x" * 64) for n in range(count))
    yield from (command("HSET", "h:%d" % n, *pairs(5, "field%d", "value%011d")) for n in range(count // 10))
    yield from (command("ZADD", "zset", n * 0.5, "m:%012d" % n) for n in range(count // 2))
    yield from (command("SADD", "set", "m:%012d" % n) for n in range(count // 2))
    yield from (command("RPUSH", "list", "e:%012d" % n) for n in range(count // 2))
    yield from (command("HSET", "hash", "f:%012d" % n, "v:%012d" % n) for n in range(count // 2))


def loaded_again(server):
    """Seconds from the start after kill -9 until all keys are there again; none if they are not."""
    before = server.ask("DBSIZE")
    seconds = server.crash_and_start()
    return seconds if server.ask("DBSIZE") == before else None


def saved(server):
    """SAVE, its file, and loading it; nothing where there is no SAVE."""
    server.fill(of_all_kinds())
    begun = time.monotonic()
    if not server.ask("SAVE").startswith(b"+OK"):
        return None, None, None
    seconds = time.monotonic() - begun
    size = (Path(server.folder) / "dump.rdb").stat().st_size
    return seconds, size / 1e6, loaded_again(server)


def appended(server):
    """SETs with an append only file, their CPU, and loading it."""
    requests = max(int(2_000_000 * SCALE), 10_000)
    cpu, begun = server.cpu_seconds(), time.monotonic()
    rate = load(server.port, 32, requests, ["-t", "set", *RANDOM, "-d", "64"])
    seconds, cpu = time.monotonic() - begun, server.cpu_seconds() - cpu
    if rate is None or not any(Path(server.folder).rglob("*.aof")):
        return None, None, None
    # What `everysec` has not written yet may go with the process.
    time.sleep(1.5)
    return seconds, cpu, loaded_again(server)


def persist(servers):
    columns = ["SAVE s", "RDB MB", "load s", "AOF s", "AOF CPU s", "load s"]
    print(f"{'server':12}" + "".join(f"{column:>12}" for column in columns))
    for at, (name, program) in enumerate(servers):
        figures = []
        for settings, measure in (
                (("--save", "", "--appendonly", "no", "--rdbcompression", "no"), saved),
                (("--save", "", "--appendonly", "yes", "--appendfsync", "everysec"), appended)):
            with Server(name, program, PORT + at, settings=settings) as server:
                figures += measure(server)
        print(f"{name:12}" + "".join(f"{'-':>12}" if one is None else f"{one:12.3f}" for one in figures), flush=True)


def show(row, servers, columns, widths):
    """A row of medians, then how the first server stands to the best of the others."""
    for name, _ in servers:
        for values, form, _ in columns:
            blank = "-".rjust(int(form[2:].split(".")[0]))
            row += form.format(statistics.median(values[name])) if values[name] else blank
    for (values, _, best), width in zip(columns, widths):
        ours = values[servers[0][0]]
        others = [statistics.median(values[name]) for name, _ in servers[1:] if values[name] and name != "limit"]
        if ours and others:
            ours, theirs = statistics.median(ours), best(others)
            top, bottom = (ours, theirs) if best is max else (theirs, ours)
            ratio = top / bottom if bottom else float("inf")
            row += f"{ratio:{width}.2f}"
        else:
            row += "-".rjust(width)
    print(row, flush=True)


def default_servers(*wanted):
    """The usual servers, or those with these names."""
    wanted = wanted or ("russet", "valkey9", "redis8", "redis7")
    peers = Path(os.environ.get("RUSSET_PEERS") or Path(
        os.environ.get("XDG_CACHE_HOME") or Path(os.environ.get("HOME", "/root")) / ".cache") / "russet" / "peers")
    servers = [("russet", ROOT / "target/release/russet"), ("valkey9", peers / "valkey9/valkey-jemalloc"),
               ("redis8", peers / "redis8/src/redis-server"), ("redis7", peers / "redis7/redis-server"),
               ("redis810", peers / "redis810/redis-server"), ("stack7", peers / "stack7/redis-stack")]
    servers = [(name, program) for name, program in servers if name in wanted]
    there = [(name, str(program)) for name, program in servers if program.exists()]
    missing = [name for name, program in servers if not program.exists()]
    if "russet" in missing:
        sys.exit("no target/release/russet: cargo build --release")
    return there, missing


def measure(servers, act, default=default_servers):
    """Has `act` measure the servers that the words NAME=PROGRAM name, or without any the usual ones."""
    missing = []
    if servers:
        servers = [tuple(word.split("=", 1)) for word in servers]
    else:
        servers, missing = default()
    for name in missing:
        print(f"missing: {name} (run tests/peers/install)")
    for name, program in servers:
        with Server(name, program, PORT) as server:
            profile = server.info("server", "russet_profile")
        if profile:
            print(f"{name} is built with profile {profile}")
    act(servers)
    if missing:
        print(f"not measured: {', '.join(missing)}")


def replicate(servers):
    # It builds upon this file.
    import replicate as rows
    rows.replicate(servers)


def durable(servers):
    import durable as rows
    rows.durable(servers)


def sentinel(servers):
    import sentinel as rows
    rows.sentinel(servers)


def cluster(servers):
    import cluster as rows
    rows.cluster(servers)


def vectors(servers):
    import vectors as rows
    rows.compare(servers)


def documents(servers):
    import documents as rows
    rows.compare(servers)


def sketches(servers):
    import sketches as rows
    rows.compare(servers)


def timeseries(servers):
    import timeseries as rows
    rows.compare(servers)


def search(servers):
    import search as rows
    rows.compare(servers)


def pack(servers):
    import pack as rows
    rows.compare(servers)


def small(servers):
    import small as rows
    rows.compare(servers)


def threads(servers):
    import threads as rows
    rows.compare(servers)


def budgets(servers):
    import budgets as rows
    rows.budgets(servers)


def lag(servers):
    import lag as rows
    rows.lag(servers)


def features(servers):
    import features as rows
    rows.features(servers)


def main():
    kinds = {"bench": bench, "memory": memory, "big": big, "single": single, "large": large, "persist": persist,
             "replicate": replicate, "durable": durable, "sentinel": sentinel, "cluster": cluster, "vectors": vectors, "documents": documents,
             "sketches": sketches, "timeseries": timeseries, "search": search, "pack": pack, "small": small, "threads": threads, "budgets": budgets, "features": features, "lag": lag}
    if len(sys.argv) < 2 or sys.argv[1] not in kinds:
        sys.exit(__doc__)
    for tool in ("redis-benchmark", "taskset"):
        if not shutil.which(tool):
            sys.exit(f"no {tool}: run tests/peers/install")
    if (os.cpu_count() or 1) < 2:
        sys.exit("two CPUs are needed: one for the server, one for the load")
    # Others have no vector sets; the newest ones stand for all beside a disk that lags.
    names = {"vectors": ("russet", "redis810"), "documents": ("russet", "stack7"), "sketches": ("russet", "stack7"),
             "timeseries": ("russet", "stack7"), "search": ("russet", "stack7"), "pack": ("russet", "redis810", "valkey9"), "small": ("russet", "stack7"), "lag": ("russet", "redis810", "valkey9"), "durable": ("russet", "redis810", "valkey9"), "threads": ("russet", "redis810", "valkey9")}.get(sys.argv[1], ())
    measure(sys.argv[2:], kinds[sys.argv[1]], lambda: default_servers(*names))


if __name__ == "__main__":
    main()
