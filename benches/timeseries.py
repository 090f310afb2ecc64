"""Time series: CPU of the commands, bytes of a sample, bytes of a series with four labels, and the PINGs beside a
MRANGE over many series.

    SERIES=100000     series without samples

Called by peers.py, which chooses the servers. Those without a command are left out of its row.
"""
import contextlib
import os
import random

import peers
from documents import timed
from sketches import Asking

BATCH = 100
SERIES = 100
SAMPLES = 1000
MANY = max(int(10_000 * min(1, peers.SCALE)), 100)
EMPTY_SERIES = int(float(os.environ.get("SERIES", "1e5")) * min(1, peers.SCALE))

random.seed(7)


def walk(n, step=1000):
    """Samples of a random walk with two decimals, a second apart."""
    value, at = 50.0, 1_700_000_000_000
    for _ in range(n):
        value += random.uniform(-1, 1)
        at += step
        yield at, f"{value:.2f}"


class Append:
    """The next timestamp for each `#`; each `~` is another series, `%` a value."""

    def __init__(self):
        self.at = 1_800_000_000_000

    def words(self, words):
        return [self.word(word) for word in words]

    def word(self, word):
        if word == "#":
            self.at += 1000
            return str(self.at)
        if word == "%":
            return f"{random.uniform(0, 100):.2f}"
        return word


# Label, words, commands of a round.
ROWS = [
    ("TS.ADD append", ["TS.ADD", "appended", "#", "%"], 20_000),
    ("TS.MADD 10", ["TS.MADD", *[word for at in range(10) for word in (f"appended:{at}", "#", "%")]], 5_000),
    ("TS.GET", ["TS.GET", "s:1"], 20_000),
    ("TS.RANGE 1000, raw", ["TS.RANGE", "s:1", "-", "+"], 1_000),
    ("TS.RANGE 1000, avg", ["TS.RANGE", "s:1", "-", "+", "AGGREGATION", "avg", "60000"], 5_000),
    ("TS.RANGE 1000, max", ["TS.RANGE", "s:1", "-", "+", "AGGREGATION", "max", "10000"], 5_000),
    ("TS.RANGE 1000, twa", ["TS.RANGE", "s:1", "-", "+", "AGGREGATION", "twa", "60000"], 5_000),
    ("TS.MRANGE 100 x 1000, avg", ["TS.MRANGE", "-", "+", "AGGREGATION", "avg", "60000", "FILTER", "kind=walk"], 50),
    ("TS.MRANGE, GROUPBY max", ["TS.MRANGE", "-", "+", "AGGREGATION", "avg", "60000", "FILTER", "kind=walk", "GROUPBY", "dc", "REDUCE", "max"], 50),
    ("TS.MREVRANGE 100, last 10", ["TS.MREVRANGE", "-", "+", "COUNT", "10", "FILTER", "kind=walk"], 100),
    ("TS.MGET 100", ["TS.MGET", "FILTER", "kind=walk"], 1_000),
    ("TS.QUERYINDEX 100", ["TS.QUERYINDEX", "kind=walk"], 1_000),
]


def fill(server):
    asking = Asking(server.port)
    asking.ask("TS.CREATE", "appended")
    for at in range(10):
        asking.ask("TS.CREATE", f"appended:{at}")
    for at in range(SERIES):
        asking.ask("TS.CREATE", f"s:{at}", "LABELS", "kind", "walk", "dc", f"dc{at % 5}")
        words = [word for time, value in walk(SAMPLES) for word in (f"s:{at}", str(time), value)]
        asking.ask("TS.MADD", *words)


def rows(running, servers):
    print(f"{'command':28}" + "".join(f"{name + ' us':>14}" for name, _ in servers) + f"{'CPU ratio':>11}")
    for label, words, count in ROWS:
        if not peers.wanted(label):
            continue
        count = max(int(count * peers.SCALE), 10)
        costs = {server.name: [] for server in running}
        numbers = {server.name: Append() for server in running}
        for _ in range(peers.ROUNDS):
            for server in running:
                commands = [peers.command(*numbers[server.name].words(words)) for _ in range(count)]
                before = server.cpu_seconds()
                server.run(commands, pipeline=min(BATCH, count))
                costs[server.name].append((server.cpu_seconds() - before) / count * 1e6)
        peers.show(f"{label:28}", servers, [(costs, "{:14.3f}", min)], (11,))


SHAPES = [
    ("walk", lambda n: list(walk(n))),
    ("counter", lambda n: [(1_700_000_000_000 + at * 1000, str(at * 3)) for at in range(n)]),
    ("constant", lambda n: [(1_700_000_000_000 + at * 1000, "5") for at in range(n)]),
]


def bytes_of(server, asking, samples):
    """Bytes of a sample among many series, those of the series themselves included: some allocate a chunk with it."""
    before = server.used_bytes()
    names = [f"b:{at}" for at in range(100)]
    for name in names:
        asking.ask("TS.CREATE", name)
    server.fill((peers.command("TS.MADD", *[word for time, value in samples[at:at + 500] for word in (name, str(time), value)])
                 for name in names for at in range(0, len(samples), 500)), batch=20)
    used = server.used_bytes() - before
    return used / len(samples) / len(names)


def memory(running):
    print("\nbytes of a sample, 100 series of 20,000; bytes of a series without samples, with four labels")
    # The same for all: one walk takes other bits than another.
    shapes = [make(20_000) for _, make in SHAPES]
    for server in running:
        asking = Asking(server.port)
        figures = []
        for samples in shapes:
            figures.append(bytes_of(server, asking, samples))
            for at in range(100):
                asking.ask("DEL", f"b:{at}")
        before = server.used_bytes()
        server.fill((peers.command("TS.CREATE", f"e:{at}", "LABELS", "region", f"r{at % 20}", "host", f"h{at % 5000}", "kind", f"k{at % 50}", "id", str(at))
                     for at in range(EMPTY_SERIES)), batch=200)
        empty = (server.used_bytes() - before) / EMPTY_SERIES
        names = ", ".join(f"{name} {bytes:.2f}" for (name, _), bytes in zip(SHAPES, figures))
        print(f"  {server.name:12} {names}; series {empty:.0f}", flush=True)


# Label, words before FILTER and after it.
LONG = [
    ("MRANGE, avg", ["AGGREGATION", "avg", "60000"], []),
    ("MRANGE, raw", [], []),
    ("MRANGE, GROUPBY", ["AGGREGATION", "avg", "60000"], ["GROUPBY", "dc", "REDUCE", "max"]),
    ("MREVRANGE, last 10", ["COUNT", "10"], []),
]


def beside(running):
    print(f"\nover {MANY} series of 200 samples: milliseconds, and the longest PING meanwhile")
    samples = [(str(time), value) for time, value in walk(200)]
    for server in running:
        names = [f"many:{at:06}" for at in range(MANY)]
        server.fill((peers.command("TS.CREATE", name, "LABELS", "of", "many", "dc", f"dc{at % 5}") for at, name in enumerate(names)), batch=200)
        server.fill((peers.command("TS.MADD", *[word for sample in samples for word in (name, *sample)]) for name in names), batch=20)
        for label, before, after in LONG:
            command = "TS.MREVRANGE" if "REV" in label else "TS.MRANGE"
            took, longest = timed(server, command, "-", "+", *before, "FILTER", "of=many", *after)
            print(f"  {server.name:12}{label:20}{took:10.1f}{longest:10.1f}", flush=True)


def compare(servers):
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(peers.Server(name, program, peers.PORT + at)) for at, (name, program) in enumerate(servers)]
        for server in running:
            fill(server)
        rows(running, servers)
        if peers.wanted("memory"):
            memory(running)
        if peers.wanted("beside"):
            beside(running)
