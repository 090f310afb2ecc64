"""Sketches: CPU of the commands, bytes of an item, measured errors of Bloom filters.

    ITEMS=10000000    items of the filters, and of the measured errors

Called by peers.py, which chooses the servers. Those without a command are left out of its row.
"""
import contextlib
import os
import random
import socket

import peers

ITEMS = int(float(os.environ.get("ITEMS", "1e7")) * min(1, peers.SCALE))
BATCH = 100
COMMANDS = 20_000

random.seed(7)
# As words of a text are: few that are frequent, many that are rare.
SKEWED = [min(int(random.paretovariate(1.1)), 1_000_000) for _ in range(100_000)]


class Numbers:
    """The next number for each `#`, in an order that no cache follows; for each `~` one that is skewed."""

    def __init__(self):
        self.at = 0

    def words(self, words):
        return [self.word(word) for word in words]

    def word(self, word):
        if "#" in word:
            self.at += 1
            word = word.replace("#", str(self.at * 7_919_317 % ITEMS))
        if "~" in word:
            self.at += 1
            word = word.replace("~", str(SKEWED[self.at % len(SKEWED)]))
        return word


# Label and words. The filters hold ITEMS items `item:0` and so on.
ROWS = [
    ("BF.ADD, new", ["BF.ADD", "bloom", "new:#"]),
    ("BF.ADD, known", ["BF.ADD", "bloom", "item:#"]),
    ("BF.EXISTS, known", ["BF.EXISTS", "bloom", "item:#"]),
    ("BF.EXISTS, unknown", ["BF.EXISTS", "bloom", "other:#"]),
    ("BF.MADD 10", ["BF.MADD", "bloom", *["item2:#"] * 10]),
    ("BF.MEXISTS 10", ["BF.MEXISTS", "bloom", *["item:#"] * 10]),
    ("CF.ADD", ["CF.ADD", "cuckoo", "new:#"]),
    ("CF.EXISTS, known", ["CF.EXISTS", "cuckoo", "item:#"]),
    ("CF.DEL", ["CF.DEL", "cuckoo", "new:#"]),
    ("CMS.INCRBY", ["CMS.INCRBY", "cms", "item:#", "1"]),
    ("CMS.QUERY", ["CMS.QUERY", "cms", "item:#"]),
    ("TOPK.ADD, skewed", ["TOPK.ADD", "topk", "item:~"]),
    ("TOPK.QUERY", ["TOPK.QUERY", "topk", "item:~"]),
    ("TDIGEST.ADD 10", ["TDIGEST.ADD", "digest", *["#"] * 10]),
    ("TDIGEST.QUANTILE 2", ["TDIGEST.QUANTILE", "digest", "0.5", "0.99"]),
]

MADE = [
    ["BF.RESERVE", "bloom", "0.01", str(2 * ITEMS)],
    ["CF.RESERVE", "cuckoo", str(2 * ITEMS)],
    ["CMS.INITBYDIM", "cms", "2000", "7"],
    ["TOPK.RESERVE", "topk", "50", "2000", "7", "0.9"],
    ["TDIGEST.CREATE", "digest"],
]


class Asking:
    """One connection whose replies are read."""

    def __init__(self, port):
        self.connection = socket.create_connection(("127.0.0.1", port))
        self.file = self.connection.makefile("rb")

    def ask(self, *words):
        self.connection.sendall(peers.command(*words))
        return self.reply()

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        if kind == b"$":
            return self.file.read(int(rest) + 2)[:-2] if rest != b"-1" else None
        return line[:-2]


def fill(server):
    asking = Asking(server.port)
    for words in MADE:
        asking.ask(*words)
    for command, key in [(["BF.MADD"], "bloom"), (["CF.INSERT"], "cuckoo")]:
        between = ["ITEMS"] if command == ["CF.INSERT"] else []
        server.fill((peers.command(*command, key, *between, *[f"item:{n}" for n in range(at, min(at + 500, ITEMS))])
                     for at in range(0, ITEMS, 500)), batch=20)


def knows(server, words):
    reply = Asking(server.port).ask(*Numbers().words(words))
    return not (isinstance(reply, bytes) and reply.startswith(b"-ERR unknown"))


def rows(running, servers):
    print(f"{'command':24}" + "".join(f"{name + ' us':>14}" for name, _ in servers) + f"{'CPU ratio':>11}")
    count = max(int(COMMANDS * peers.SCALE), 1000)
    for label, words in ROWS:
        if not peers.wanted(label):
            continue
        costs = {server.name: [] for server in running}
        numbers = {server.name: Numbers() for server in running}
        able = [server for server in running if knows(server, words)]
        for _ in range(peers.ROUNDS):
            for server in able:
                commands = [peers.command(*numbers[server.name].words(words)) for _ in range(count)]
                before = server.cpu_seconds()
                server.run(commands, pipeline=BATCH)
                costs[server.name].append((server.cpu_seconds() - before) / count * 1e6)
        peers.show(f"{label:24}", servers, [(costs, "{:14.3f}", min)], (11,))


def measured(server, error, capacity):
    """Adds ITEMS items to a filter: its false positives, and its bytes of an item."""
    asking = Asking(server.port)
    asking.ask("DEL", "measured")
    before = server.used_bytes()
    assert asking.ask("BF.RESERVE", "measured", str(error), str(capacity)) == b"+OK"
    server.fill((peers.command("BF.MADD", "measured", *[f"in:{n}" for n in range(at, min(at + 500, ITEMS))])
                 for at in range(0, ITEMS, 500)), batch=20)
    bits = (server.used_bytes() - before) * 8 / ITEMS
    wrong = 0
    for at in range(0, ITEMS, 1000):
        wrong += asking.ask("BF.MEXISTS", "measured", *[f"out:{n}" for n in range(at, at + 1000)]).count(b":1")
    asking.ask("DEL", "measured")
    return wrong / ITEMS, bits


def errors(running):
    print(f"\nfalse positives of {ITEMS:,} items: promised, in one link and in many; bits of an item")
    for server in running:
        for error in (0.01, 0.001, 0.0001):
            one, many = measured(server, error, ITEMS), measured(server, error, max(ITEMS // 100, 1))
            print(f"  {server.name:12}{error:10.4%}{one[0]:12.5%}{many[0]:12.5%}{one[1]:10.2f}{many[1]:10.2f}", flush=True)


def compare(servers):
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(peers.Server(name, program, peers.PORT + at)) for at, (name, program) in enumerate(servers)]
        used = {server.name: [] for server in running}
        for server in running:
            before = server.used_bytes()
            fill(server)
            used[server.name].append(server.used_bytes() - before)
        rows(running, servers)
        peers.show(f"\n{'bytes of all':24}", servers, [(used, "{:14.0f}", min)], (11,))
        if peers.wanted("errors"):
            errors(running)
