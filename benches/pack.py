"""Cold values packed in memory: the rows of `benches/peers.py pack`.

    sessions    JSON of a web session          products    JSON of a shop
    html        fragments of a page            jobs        hashes of a queue
    random      bytes that do not compress

    bytes a key, and of GET and SET the CPU a command, plain and all packed (DEBUG PACK ALL)
    GET by rank          zipf 0.99 by 20 clients, one at a time and pipelines of 16, while the server
                         has packed what it calls cold: CPU, throughput, p50 and p99; SECONDS each
    longest PING         one every 2 ms, while all values are packed by the thread
    SAVE                 seconds, CPU of the loop's thread, and of the file the bytes
    restart              into maxmemory of a 2.5th of what the data takes plain: seconds, keys, peak
    full cache           allkeys-lru, three times as many sessions as fit, in FULL_SECONDS: keys that are
                         there in the end

The corpora come from seeds, so each run has the same. A server with `compress-values` is measured
twice, plain and packed; the others as they are. Called by peers.py, which chooses the servers.

    SCALE=1      20,000 keys of each corpus, 100,000 of the rows by rank, PING, SAVE, restart
    SECONDS=8    of the rows by rank          FULL_SECONDS=120    of the full cache
"""
import bisect
import contextlib
import itertools
import json
import os
import random
import selectors
import socket
import statistics
import threading
import time
from pathlib import Path

import peers

KEYS = 20_000
MANY = 100_000
READS = 40_000
SECONDS = float(os.environ.get("SECONDS", "8"))
FULL_SECONDS = float(os.environ.get("FULL_SECONDS", "120"))
WAVE = 500
CLIENTS = 20
WORDS = ("fast quiet light home kitchen winter summer cotton steel oak small large travel garden music bright "
         "simple classic modern robust soft blue green black natural daily compact folding").split()
NAMES = "Ada Grace Alan Edsger Barbara Donald Niklaus Frances Ken Dennis Margaret Leslie Tony Robin".split()
CITIES = "Berlin Paris London Rome Madrid Vienna Oslo Dublin Lisbon Prague".split()


def prose(rng, count):
    return " ".join(rng.choice(WORDS) for _ in range(count))


def session(rng, n):
    name = rng.choice(NAMES).lower()
    cart = [{"sku": f"A-{rng.randrange(99999):05}", "count": rng.randrange(1, 9), "price": f"{rng.randrange(99)}.90", "currency": "EUR"}
            for _ in range(rng.randrange(1, 5))]
    return json.dumps({
        "cookie": {"originalMaxAge": 1209600000, "expires": f"2026-12-{n % 28 + 1:02}T08:{n % 60:02}:00.000Z", "httpOnly": True, "path": "/", "sameSite": "lax"},
        "csrf": f"{rng.getrandbits(96):024x}", "user": {"id": n, "mail": f"{name}.{n}@example.org", "roles": ["customer"], "locale": "en-GB"},
        "cart": cart, "visited": [f"/products/{rng.randrange(9999)}" for _ in range(rng.randrange(3, 9))], "flash": {}, "theme": "dark"}, separators=(",", ":"))


def product(rng, n):
    return json.dumps({
        "id": n, "name": f"{rng.choice(WORDS)} {rng.choice(WORDS)} {n}", "description": prose(rng, rng.randrange(20, 60)), "price": {"amount": rng.randrange(99999) / 100, "currency": "EUR"},
        "stock": rng.randrange(500), "category": {"id": n % 40, "path": ["home", rng.choice(WORDS), rng.choice(WORDS)]},
        "images": [f"https://images.example.org/{rng.getrandbits(64):016x}.jpg" for _ in range(3)], "tags": rng.sample(WORDS, 4),
        "attributes": {"colour": rng.choice(WORDS), "weight": rng.randrange(5000), "size": rng.choice("SML")}, "active": True}, separators=(",", ":"))


def html(rng, n):
    rows = "".join(f'<li class="item item--{rng.choice(WORDS)}"><a class="item__link" href="/products/{rng.randrange(9999)}">{prose(rng, 4)}</a>'
                   f'<span class="item__price">{rng.randrange(99)}.90 EUR</span></li>' for _ in range(rng.randrange(4, 12)))
    return (f'<section class="teaser" id="teaser-{n}"><header class="teaser__header"><h2 class="teaser__title">{prose(rng, 5)}</h2></header>'
            f'<ul class="teaser__list">{rows}</ul><footer class="teaser__footer"><p>{prose(rng, 15)}</p></footer></section>')


def job(rng, n):
    return ["queue", f"mail-{n % 5}", "class", "App\\Jobs\\SendConfirmation", "state", rng.choice(["waiting", "done", "failed"]), "attempts", str(rng.randrange(4)),
            "created", str(1_764_000_000 + n * 7), "payload", json.dumps({"order": n, "to": f"{rng.choice(NAMES).lower()}.{n}@example.org", "city": rng.choice(CITIES)})[:64],
            "trace", f"{rng.getrandbits(128):032x}", "worker", f"worker-{n % 16}.example.org", "options", "retry=3;backoff=60;timeout=90;unique=no"]


def noise(rng, n):
    return rng.randbytes(500)


CORPORA = [("sessions", session), ("products", product), ("html", html), ("jobs", job), ("random", noise)]


def commands_of(label, make, keys=KEYS):
    rng = random.Random(label)
    count = max(int(keys * peers.SCALE), 1000)
    for n in range(count):
        value = make(rng, n)
        key = f"{label}:{n:012d}"
        yield peers.command("HSET", key, *value) if isinstance(value, list) else peers.command("SET", key, value)


def bytes_per_key(servers, running):
    print(f"{'bytes a key':22}" + "".join(f"{name:>16}" for name, _ in servers) + f"{'packed':>12}{'of plain':>11}")
    for label, make in CORPORA:
        if not peers.wanted(label):
            continue
        line, packed = f"{label:22}", {}
        for server in running:
            server.run([peers.command("FLUSHALL")])
            before = server.used_bytes()
            commands = list(commands_of(label, make))
            server.fill(commands)
            plain = (server.used_bytes() - before) / len(commands)
            line += f"{plain:16.1f}"
            if can_pack(server):
                server.ask("DEBUG", "PACK", "ALL")
                packed[server.name] = ((server.used_bytes() - before) / len(commands), plain)
        for after, plain in packed.values():
            line += f"{after:12.1f}{after / plain:11.2f}"
        print(line, flush=True)


def can_pack(server):
    return server.ask("CONFIG", "GET", "compress-values") == b"*2\r\n"


def cost(server, commands, pipeline):
    start = server.cpu_seconds()
    server.run(commands, pipeline=pipeline)
    return (server.cpu_seconds() - start) / len(commands) * 1e6


def rows(servers, running):
    """Random reads and overwrites of sessions: CPU a command, one at a time and 16; each batch has an ECHO besides."""
    print(f"\n{'command':22}" + "".join(f"{name + ' us':>16}" for name, _ in servers) + f"{'packed us':>12}")
    count = max(int(READS * peers.SCALE), 1000)
    for kind in ("GET", "SET"):
        for pipeline in (1, 16):
            label = f"{kind} session P{pipeline}"
            if not peers.wanted(label):
                continue
            line, packed = f"{label:22}", ""
            for server in running:
                costs = {False: [], True: []}
                for _ in range(peers.ROUNDS):
                    for is_packed in (False, True) if can_pack(server) else (False,):
                        rng = random.Random(7)
                        fill = list(commands_of("sessions", session))
                        server.run([peers.command("FLUSHALL")])
                        server.fill(fill)
                        if is_packed:
                            server.ask("DEBUG", "PACK", "ALL")
                        numbers = [rng.randrange(len(fill)) for _ in range(count)]
                        if kind == "GET":
                            commands = [peers.command("GET", f"sessions:{n:012d}") for n in numbers]
                        else:
                            commands = [fill[n] for n in numbers]
                        costs[is_packed].append(cost(server, commands, pipeline))
                line += f"{statistics.median(costs[False]):16.2f}"
                if costs[True]:
                    packed += f"{statistics.median(costs[True]):12.2f}"
            print(line + packed, flush=True)


def forms(server):
    """How a server is measured: plain, and packed if it can."""
    return ("plain", "packed") if can_pack(server) else ("plain",)


def pack_by_thread(server, limit=600):
    """Has the server's own walk pack what is idle, and waits until it finds no more."""
    server.ask("CONFIG", "SET", "compress-idle-seconds", "0", "compress-cpu-percent", "100", "compress-values", "yes")
    until, last, still = time.time() + limit, -1, 0
    while time.time() < until and still < 6:
        time.sleep(0.5)
        packed = int(server.info("memory", "packed_keys"))
        last, still = packed, still + 1 if packed == last and packed else 0
    return last


def plain_again(server):
    if can_pack(server):
        server.ask("CONFIG", "SET", "compress-values", "no", "compress-idle-seconds", "300", "compress-cpu-percent", "5")


def many_sessions(server):
    server.run([peers.command("FLUSHALL")])
    plain_again(server)
    server.fill(commands_of("sessions", session, MANY))


class Reader:
    """A client that sends batches of GETs, each with an ECHO, and waits for their replies."""

    END = b"$16\r\nend of the batch\r\n"

    def __init__(self, port, requests):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests, self.tail, self.begun, self.times = itertools.cycle(requests), b"", 0.0, []

    def send(self):
        self.tail, self.begun = b"", time.perf_counter()
        self.socket.sendall(next(self.requests))

    def receive(self):
        data = self.socket.recv(1 << 18)
        if not data:
            raise RuntimeError("the server closed the connection")
        self.tail = (self.tail + data)[-len(self.END):]
        if self.tail == self.END:
            self.times.append(time.perf_counter() - self.begun)
            return True
        return False


def by_rank(rng, cumulated, pipeline):
    """Batches of GETs whose keys are drawn by zipf; ranks are spread over the keys."""
    def key():
        rank = bisect.bisect(cumulated, rng.random() * cumulated[-1])
        return f"sessions:{rank * 7919 % len(cumulated):012d}"
    mark = peers.command("ECHO", "end of the batch")
    return [b"".join(peers.command("GET", key()) for _ in range(pipeline)) + mark for _ in range(8000 // pipeline)]


def drive(readers, seconds):
    with selectors.DefaultSelector() as ready:
        for reader in readers:
            ready.register(reader.socket, selectors.EVENT_READ, reader)
            reader.send()
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for key, _ in ready.select(1):
                if key.data.receive():
                    key.data.send()
    for reader in readers:
        reader.socket.close()


def reads_by_rank(servers, running):
    print(f"\n{'reads by rank':30}" + f"{'CPU us a GET':>14}{'GET/s':>12}{'p50 us':>10}{'p99 us':>10}{'memory MB':>12}")
    count = max(int(MANY * peers.SCALE), 1000)
    cumulated = list(itertools.accumulate(1 / rank ** 0.99 for rank in range(1, count + 1)))
    for server in running:
        for pipeline in (1, 16):
            label = f"GET by rank P{pipeline}"
            if not peers.wanted(label):
                continue
            for form in forms(server):
                many_sessions(server)
                rng = random.Random(7)
                if form == "packed":
                    pack_by_thread(server)
                    server.ask("CONFIG", "SET", "compress-idle-seconds", "5", "compress-cpu-percent", "5")
                lists = [by_rank(rng, cumulated, pipeline) for _ in range(CLIENTS)]
                # The hot keys become known.
                drive([Reader(server.port, one) for one in lists], SECONDS)
                figures = []
                for _ in range(peers.ROUNDS):
                    readers = [Reader(server.port, one) for one in lists]
                    cpu = server.cpu_seconds()
                    drive(readers, SECONDS)
                    cpu = server.cpu_seconds() - cpu
                    times = sorted(itertools.chain.from_iterable(reader.times for reader in readers))
                    gets = len(times) * pipeline
                    figures.append((cpu / gets * 1e6, gets / SECONDS, times[len(times) // 2] * 1e6, times[len(times) * 99 // 100] * 1e6))
                median = [statistics.median(column) for column in zip(*figures)]
                print(f"{label + ', ' + server.name + ' ' + form:30}" + f"{median[0]:14.2f}{median[1]:12.0f}{median[2]:10.0f}{median[3]:10.0f}{server.used_bytes() / 1e6:12.1f}", flush=True)


class Pinger(threading.Thread):
    """Sends PING every 2 ms and keeps the longest time to a reply."""

    def __init__(self, port):
        super().__init__()
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self.times, self.ends = [], threading.Event()
        self.start()

    def run(self):
        while not self.ends.wait(0.002):
            begun = time.perf_counter()
            self.socket.sendall(b"PING\r\n")
            self.socket.recv(64)
            self.times.append(time.perf_counter() - begun)

    def longest_ms(self):
        self.ends.set()
        self.join()
        self.socket.close()
        times = sorted(self.times)
        return times[-1] * 1e3, times[len(times) * 999 // 1000] * 1e3


def longest_ping(running):
    if not peers.wanted("longest PING"):
        return
    print(f"\n{'longest PING while':30}{'keys':>12}{'seconds':>10}{'ms':>8}{'p99.9 ms':>10}")
    for server in filter(can_pack, running):
        for form in ("nothing happens", "values are packed"):
            many_sessions(server)
            pinger, begun, keys = Pinger(server.port), time.monotonic(), 0
            if form == "nothing happens":
                time.sleep(5)
            else:
                keys = pack_by_thread(server)
            seconds = time.monotonic() - begun
            longest, tail = pinger.longest_ms()
            print(f"{form:30}{keys:12}{seconds:10.1f}{longest:8.2f}{tail:10.2f}", flush=True)


def loop_seconds(server):
    return int(Path(f"/proc/{server.process.pid}/task/{server.process.pid}/schedstat").read_text().split()[0]) / 1e9


def saves(running):
    if not peers.wanted("SAVE"):
        return
    print(f"\n{'SAVE':30}{'seconds':>10}{'loop s':>10}{'file MB':>10}")
    for server in running:
        for form in forms(server):
            many_sessions(server)
            if form == "packed":
                server.ask("DEBUG", "PACK", "ALL")
            figures = []
            for _ in range(peers.ROUNDS):
                cpu, begun = loop_seconds(server), time.monotonic()
                server.ask("SAVE")
                figures.append((time.monotonic() - begun, loop_seconds(server) - cpu))
            seconds, cpu = (statistics.median(column) for column in zip(*figures))
            size = (Path(server.folder) / "dump.rdb").stat().st_size
            print(f"{server.name + ' ' + form:30}{seconds:10.3f}{cpu:10.3f}{size / 1e6:10.2f}", flush=True)


def restarts(running):
    if not peers.wanted("restart"):
        return
    print(f"\n{'restart':30}{'seconds':>10}{'keys':>10}{'limit MB':>10}{'peak MB':>10}")
    for server in running:
        many_sessions(server)
        taken = server.used_bytes()
        server.ask("SAVE")
        plain = server.words
        limits = [(0, "no"), (int(taken / 2.5), "auto")] if can_pack(server) else [(0, None)]
        for limit, compress in limits:
            server.words = plain + ["--maxmemory", str(limit), "--maxmemory-policy", "noeviction"] + (["--compress-values", compress] if compress else [])
            # The file stays as it was saved.
            server.process.kill()
            server.process.wait()
            begun = time.monotonic()
            server.start(600)
            seconds = time.monotonic() - begun
            keys, peak = server.ask("DBSIZE").strip(b":\r\n").decode(), int(server.info("memory", "used_memory_peak")) / 1e6
            print(f"{server.name + (' at a limit' if limit else ''):30}{seconds:10.3f}{keys:>10}{limit / 1e6:10.1f}{peak:10.1f}", flush=True)
        server.words = plain
        server.crash_and_start()


def full_cache(running):
    """Sessions into a limit that a third of them fills."""
    if not peers.wanted("full cache"):
        return
    print(f"\n{'full cache':30}{'keys kept':>12}{'of plain':>10}{'evicted':>12}")
    for server in running:
        many_sessions(server)
        limit, plain = server.used_bytes(), None
        for form in forms(server):
            server.run([peers.command("FLUSHALL")])
            plain_again(server)
            server.ask("CONFIG", "SET", "maxmemory", str(limit), "maxmemory-policy", "allkeys-lru")
            if form == "packed":
                server.ask("CONFIG", "SET", "compress-values", "auto")
            evicted, wave, due = int(server.info("stats", "evicted_keys")), [], time.monotonic()
            for one in commands_of("sessions", session, 3 * MANY):
                wave.append(one)
                if len(wave) == WAVE:
                    server.fill(wave)
                    wave, due = [], due + FULL_SECONDS * WAVE / max(3 * MANY * peers.SCALE, 1000)
                    time.sleep(max(0, due - time.monotonic()))
            keys = int(server.ask("DBSIZE").strip(b":\r\n"))
            plain = plain or keys
            print(f"{server.name + ' ' + form:30}{keys:12}{keys / plain:10.2f}{int(server.info('stats', 'evicted_keys')) - evicted:12}", flush=True)
        plain_again(server)
        server.ask("CONFIG", "SET", "maxmemory", "0")


def compare(servers):
    settings = ("--save", "", "--appendonly", "no", "--enable-debug-command", "local")
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(peers.Server(name, program, peers.PORT + at, settings=settings)) for at, (name, program) in enumerate(servers)]
        bytes_per_key(servers, running)
        rows(servers, running)
        reads_by_rank(servers, running)
        longest_ping(running)
        saves(running)
        restarts(running)
        full_cache(running)
