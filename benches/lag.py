"""What clients meet while the disk of the append only file lags: the rows of `benches/peers.py lag`.

Each server runs with benches/lag.c preloaded (compiled here by cc), which makes its writes and
syncs as slow as a row says, from the moment that KEYS keys of 2 KB are there. Then, for SECONDS,
two writers send SETs of these keys in pipelines of 64 and wait for the replies, one client sends
PING and another GET every 5 ms.

    20 MB/s              writes share 20 MB a second, an fsync takes 10 ms; `appendfsync everysec`
    20 MB/s + rewrite    the same; BGREWRITEAOF after a fifth of the time
    sync 2 s             each fsync takes two seconds; `everysec`
    always + sync 50 ms  each fsync takes 50 ms; `appendfsync always`

PING and GET are sent at their time whether or not earlier ones are answered, so that all that wait are
counted.

Memory is what the server's process has resident when the keys are there, and at most from then on
(`VmHWM`), without the pages of its program and libraries (`RssFile`), which are files; a child that
writes a base is not in it.

Medians over the rounds, which are interleaved; in brackets the longest of all rounds. Below each
row the goals that the first server misses: PING and GET below every other server, p99 of GET below
5 ms, as many SETs, memory at most 1.1 times the least of the others. With `always` every server has
all clients wait for each fsync: SETs and memory alone count.

As root the two clients that are timed run before all else (SCHED_FIFO). BUSY=1 lets servers and
writers run before all other work, too (SCHED_RR): for a machine that has some; the kernel then takes
a twentieth of each second from a server that never sleeps.

    SECONDS=8      of each measurement      KEYS=30000    keys
    WRITERS=2      writers                  BUSY=1        see above
"""
import multiprocessing
import os
import random
import re
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import deque
from pathlib import Path

from peers import PORT, ROOT, ROUNDS, Server, command, wanted

SECONDS = float(os.environ.get("SECONDS", "8"))
KEYS = int(os.environ.get("KEYS", "30000"))
IS_BUSY = bool(os.environ.get("BUSY"))
PREFIX = ("chrt", "--rr", "10") if IS_BUSY else ()
WRITERS = int(os.environ.get("WRITERS", "2"))
VALUE, PIPELINE, EVERY_S = "v" * 2000, 64, 0.005
# How the disk lags, settings of the server, and what to send after a fifth of the time.
ROWS = {
    "20 MB/s": ({"LAG_MB_S": 20, "LAG_SYNC_MS": 10}, "everysec", None),
    "20 MB/s + rewrite": ({"LAG_MB_S": 20, "LAG_SYNC_MS": 10}, "everysec", ("BGREWRITEAOF",)),
    "sync 2 s": ({"LAG_SYNC_MS": 2000}, "everysec", None),
    "always + sync 50 ms": ({"LAG_SYNC_MS": 50}, "always", None),
}
TIMES = ("p50", "p99", "max")


def compiled(folder):
    shim = Path(folder, "lag.so")
    subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", shim, ROOT / "benches/lag.c", "-ldl"], check=True)
    return shim


def preloaded(program, shim):
    """The program to start, and what to preload: a script of tests/peers/install may preload an allocator."""
    head = Path(program).read_bytes()[:4096].decode(errors="replace")
    found = re.search(r'^LD_PRELOAD=(\S+) exec "(.+)" "\$@"$', head, re.MULTILINE)
    if not found:
        return program, str(shim)
    return found.group(2), f"{shim} {found.group(1)}"


def write(port, until, seed, replies):
    """Sends pipelines of SETs until a moment; the number answered by then."""
    if IS_BUSY:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(5))
    chosen, answered = random.Random(seed), 0
    batches = [b"".join(command("SET", "key:%08d" % chosen.randrange(KEYS), VALUE) for _ in range(PIPELINE))
               for _ in range(32)]
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        while time.monotonic() < until:
            connection.sendall(chosen.choice(batches))
            missing = PIPELINE * len(b"+OK\r\n")
            while missing > 0:
                data = connection.recv(1 << 16)
                if not data or b"-" in data:
                    raise RuntimeError(f"a SET was refused: {data[:100]}")
                missing -= len(data)
            answered += PIPELINE if time.monotonic() < until else 0
    replies.send(answered)


def ask(port, until, request, reply_bytes, times):
    """Sends a request every few milliseconds, whether or not earlier ones are answered; the seconds that each took."""
    if os.geteuid() == 0:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(10))
    took, waiting, due, received = [], deque(), time.monotonic(), 0
    with socket.create_connection(("127.0.0.1", port), timeout=120) as connection:
        while due < until or waiting:
            is_readable, _, _ = select.select([connection], [], [], max(0, due - time.monotonic()) if due < until else 120)
            now = time.monotonic()
            if is_readable:
                data = connection.recv(1 << 16)
                if not data:
                    raise RuntimeError("the server closed the connection")
                received += len(data)
                while received >= reply_bytes:
                    received -= reply_bytes
                    took.append(now - waiting.popleft())
            if due <= now and due < until:
                # What this client itself is late by is not the server's.
                waiting.append(now)
                connection.sendall(request)
                due = max(due + EVERY_S, now)
    times.send(took)


class Client:
    """One of the functions above in a process of its own, on CPU 1."""

    def __init__(self, act, *args):
        self.end, far = multiprocessing.Pipe(duplex=False)
        self.process = multiprocessing.Process(target=self.run, args=(act, *args, far))
        self.process.start()
        far.close()

    @staticmethod
    def run(act, *args):
        os.sched_setaffinity(0, {1})
        act(*args)

    def result(self):
        try:
            return self.end.recv()
        except EOFError:
            raise RuntimeError("a client has failed") from None
        finally:
            self.process.join()


def most_resident_mb(server):
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    kib = lambda field: int(re.search(field + r":\s*(\d+)", status).group(1))
    return (kib("VmHWM") - kib("RssFile")) * 1024 / 1e6


def percentiles_ms(times):
    times = sorted(times)
    return [1e3 * times[min(int(len(times) * share), len(times) - 1)] for share in (0.5, 0.99, 1)]


def measure(name, program, port, shim, row):
    """Figures of one server: times of PING, of GET, SETs a second, memory at first and at most."""
    lag, policy, midway = ROWS[row]
    program, preload = preloaded(program, shim)
    switch, counts = (Path(shim.parent, file) for file in ("switch", "counts"))
    switch.unlink(missing_ok=True)
    counts.unlink(missing_ok=True)
    words = {"LD_PRELOAD": preload, "LAG_SWITCH": switch, "LAG_COUNTS": counts, **lag}
    prefix = (*PREFIX, "env", *(f"{word}={value}" for word, value in words.items()))
    settings = ("--save", "", "--appendonly", "yes", "--appendfsync", policy, "--auto-aof-rewrite-percentage", "0")
    with Server(name, program, port, prefix, settings=settings) as server:
        server.run([command("SET", "key:%08d" % n, VALUE) for n in range(KEYS)], pipeline=PIPELINE)
        if str(shim) not in Path(f"/proc/{server.process.pid}/maps").read_text():
            sys.exit(f"{name} runs without {shim}")
        Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
        at_first = most_resident_mb(server)
        switch.touch()
        until = time.monotonic() + SECONDS
        clients = [Client(ask, port, until, command("PING"), len(b"+PONG\r\n")),
                   Client(ask, port, until, command("GET", "key:%08d" % 0), len(b"$2000\r\n" + b"v" * 2000 + b"\r\n")),
                   *(Client(write, port, until, seed) for seed in range(WRITERS))]
        if midway:
            time.sleep(SECONDS / 5)
            server.ask(*midway)
        ping, get, *answered = (client.result() for client in clients)
        most = most_resident_mb(server)
        switch.unlink()
    caught = counts.read_text() if counts.exists() else ""
    if not re.search(r"^[1-9]\d* writes", caught, re.MULTILINE):
        sys.exit(f"{name}: no write to its append only file was seen ({caught.strip()})")
    return percentiles_ms(ping), percentiles_ms(get), sum(answered) / SECONDS, at_first, most


def missed(figures, policy):
    """The goals that the first server misses; all figures are medians: PING, GET, SETs, memory."""
    (_, ours), *others = figures.items()
    if not others:
        return []
    others, goals = [theirs for _, theirs in others], []
    for at, what in ((0, "PING"), (1, "GET")) if policy != "always" else ():
        goals += [f"{what} {word}" for n, word in enumerate(TIMES) if ours[at][n] > min(o[at][n] for o in others)]
    if ours[1][1] >= 5 and policy != "always":
        goals.append("p99 of GET below 5 ms")
    if ours[2] < max(o[2] for o in others):
        goals.append(f"as many SETs ({ours[2] / max(o[2] for o in others):.2f})")
    if ours[4] > 1.1 * min(o[4] for o in others):
        goals.append(f"memory ({ours[4] / min(o[4] for o in others):.2f})")
    return goals


def report(row, rounds):
    """Shows a row's figures: {server: its rounds}."""
    middle = lambda runs, pick: statistics.median(pick(run) for run in runs)
    figures = {}
    for name, runs in rounds.items():
        times = [[middle(runs, lambda run: run[at][n]) for n in range(3)] for at in (0, 1)]
        rate, at_first, most = (middle(runs, lambda run: run[at]) for at in (2, 3, 4))
        figures[name] = (*times, rate, at_first, most)
        cells = "".join("".join(f"{one:8.2f}" for one in part) + f" ({max(run[at][2] for run in runs):7.1f})"
                        for at, part in enumerate(times))
        print(f"{row:20}{name:10}{cells}{rate:10,.0f}{at_first:8.1f}{most:8.1f}", flush=True)
    goals = missed(figures, ROWS[row][1])
    print(f"{'':20}missed: {', '.join(goals) or 'none'}", flush=True)


def lag(servers):
    if not shutil.which("cc"):
        sys.exit("no cc: run tests/peers/install")
    multiprocessing.set_start_method("fork")
    times = "".join(f"{word:>8}" for word in TIMES) + " (longest)"
    print(f"{'':20}{'':10}{'PING ms':>34}{'GET ms':>34}")
    print(f"{'disk':20}{'server':10}{times}{times}{'SETs/s':>10}{'MB':>8}{'most':>8}")
    with tempfile.TemporaryDirectory(prefix="lag-") as folder:
        shim = compiled(folder)
        for row in filter(wanted, ROWS):
            rounds = {name: [] for name, _ in servers}
            for _ in range(ROUNDS):
                for at, (name, program) in enumerate(servers):
                    rounds[name].append(measure(name, program, PORT + at, shim, row))
            report(row, rounds)
