"""JSON documents: CPU of the commands, bytes of three shapes, a document of 100 MB.

    LARGE=100    megabytes of the large document; 0 leaves it out

Called by peers.py, which chooses the servers. Those without JSON are left out of a row.
"""
import contextlib
import json
import multiprocessing
import os
import random
import socket
import statistics
import time

import peers

LARGE = int(os.environ.get("LARGE", "100"))
BATCH = 100

random.seed(5)


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def profile(n):
    """A flat profile of some 300 bytes."""
    return compact({
        "id": n, "name": "Ada Lovelace %d" % n, "mail": "ada.%d@example.org" % n, "age": 20 + n % 60, "active": n % 3 > 0,
        "city": random.choice(["London", "Paris", "Berlin", "Rome"]), "zip": "%05d" % (n * 7919 % 99999), "score": round(random.random() * 100, 2),
        "joined": "2024-%02d-%02dT08:%02d:00Z" % (n % 12 + 1, n % 28 + 1, n % 60), "tags": ["a%d" % (n % 7), "b%d" % (n % 11)], "balance": n * 37 % 10000 / 100,
        "locale": "en-GB", "plan": random.choice(["free", "pro", "team"]), "visits": n * 13 % 1000})


def order(n):
    """A nested order of some 1,000 bytes."""
    lines = [{"sku": "SKU-%05d" % (n * 31 % 99999 + at), "name": "Article number %d" % at, "quantity": at + 1, "price": round(9.99 * (at + 1), 2),
              "attributes": {"colour": "red", "size": "L", "weight": 1.25}} for at in range(6)]
    return compact({
        "id": n, "customer": {"name": "Grace Hopper", "address": {"street": "Main Street %d" % (n % 100), "city": "Arlington", "zip": "22201"}},
        "lines": lines, "total": 209.79, "currency": "EUR", "paid": True, "note": None, "history": [{"at": 1700000000 + n, "state": "new"}, {"at": 1700000600 + n, "state": "paid"}]})


def numbers(n):
    return compact([round(random.uniform(0, 1000), 2) for _ in range(1000)])


def product():
    """What the rows of commands use: some 1,000 bytes."""
    stars = [{"user": "user%d" % at, "stars": at % 5 + 1, "text": "A fine thing, number %d" % at} for at in range(10)]
    return compact({"id": 7, "name": "Lamp", "price": 49.9, "stock": 120, "category": {"path": ["home", "light", "desk"], "id": 3}, "tags": ["a", "b"],
                    "ratings": stars, "texts": {"en": "A lamp for the desk", "de": "Eine Lampe"}, "dims": [10, 20, 30], "active": True})


# Label and words; `#` is another number each time. The first is also the fill.
ROWS = [
    ("SET 1 kB", ["JSON.SET", "k:#", "$", product()]),
    ("GET 1 kB", ["JSON.GET", "k:#"]),
    ("GET $.price", ["JSON.GET", "k:#", "$.price"]),
    ("GET .price", ["JSON.GET", "k:#", ".price"]),
    ("GET $.category.path[1]", ["JSON.GET", "k:#", "$.category.path[1]"]),
    ("GET $..stars", ["JSON.GET", "k:#", "$..stars"]),
    ("GET $.ratings[?(@.stars>3)].user", ["JSON.GET", "k:#", "$.ratings[?(@.stars>3)].user"]),
    ("SET $.stock n", ["JSON.SET", "k:#", "$.stock", "#"]),
    ("NUMINCRBY $.stock 1", ["JSON.NUMINCRBY", "k:#", "$.stock", "1"]),
    ("ARRAPPEND $.tags", ["JSON.ARRAPPEND", "k:#", "$.tags", '"x"']),
    ("ARRPOP $.tags", ["JSON.ARRPOP", "k:#", "$.tags"]),
    ("MGET 10 $.price", ["JSON.MGET", *["k:#"] * 10, "$.price"]),
    ("TYPE $.tags", ["JSON.TYPE", "k:#", "$.tags"]),
]
KEYS = 1000
COMMANDS = 20_000

SHAPES = [("profile, 300 B", 20_000, profile), ("order, 1 kB", 10_000, order), ("1,000 numbers", 1_000, numbers)]


def words_of(words, n):
    return [word.replace("#", str(n)) for word in words]


def cost(server, words, count):
    commands = [peers.command(*words_of(words, at * 7919 % KEYS)) for at in range(count)]
    before = server.cpu_seconds()
    server.run(commands, pipeline=BATCH)
    return (server.cpu_seconds() - before) / count * 1e6


def rows(running, servers):
    print(f"{'command':36}" + "".join(f"{name + ' us':>14}" for name, _ in servers) + f"{'CPU ratio':>11}")
    count = max(int(COMMANDS * peers.SCALE), 1000)
    for label, words in ROWS:
        if not peers.wanted(label):
            continue
        costs = {server.name: [] for server in running}
        for _ in range(peers.ROUNDS):
            for server in running:
                costs[server.name].append(cost(server, words, count))
        peers.show(f"{label:36}", servers, [(costs, "{:14.3f}", min)], (11,))


def shapes(running, servers):
    print(f"\n{'shape':22}{'text':>8}" + "".join(f"{name + ' bytes':>16}" for name, _ in servers) + f"{'ratio':>11}")
    for label, count, make in SHAPES:
        count = max(int(count * peers.SCALE), 200)
        random.seed(11)
        texts = [make(n) for n in range(count)]
        used = {server.name: [] for server in running}
        for server in running:
            server.run([peers.command("FLUSHALL")])
            before = server.used_bytes()
            server.fill(peers.command("JSON.SET", "document:%08d" % n, "$", text) for n, text in enumerate(texts))
            used[server.name].append((server.used_bytes() - before) / count)
        text = statistics.mean(len(text) for text in texts)
        peers.show(f"{label:22}{text:8.0f}", servers, [(used, "{:16.1f}", min)], (11,))


def waits(port, stop, longest):
    with socket.create_connection(("127.0.0.1", port)) as connection:
        while not stop.is_set():
            begun = time.perf_counter()
            connection.sendall(b"PING\r\n")
            connection.recv(64)
            longest.value = max(longest.value, time.perf_counter() - begun)
            time.sleep(0.0005)


def timed(server, *words, until=None):
    """Milliseconds of the command, and of `until` after it; the longest PING meanwhile and a little later.

    The PINGs are another process's: a thread of this one would wait for it, not for the server.
    """
    request = peers.command(*words)
    stop, longest = multiprocessing.Event(), multiprocessing.Value("d", 0.0)
    other = multiprocessing.Process(target=waits, args=(server.port, stop, longest))
    other.start()
    time.sleep(0.2)
    longest.value = 0.0
    begun = time.perf_counter()
    server.run([request])
    if until:
        until()
    took = time.perf_counter() - begun
    time.sleep(1)
    stop.set()
    other.join()
    return took * 1e3, longest.value * 1e3


def large(running):
    item = order(1)
    text = "[" + ",".join([item] * (LARGE * 1_000_000 // (len(item) + 1))) + "]"
    print(f"\na document of {len(text) / 1e6:.0f} MB: milliseconds, and the longest PING meanwhile")
    for server in running:
        for label, words in [("SET of a string", ["SET", "s", text]), ("JSON.SET", ["JSON.SET", "large", "$", text]),
                             ("JSON.SET again", ["JSON.SET", "large", "$", text]), ("JSON.GET", ["JSON.GET", "large"]),
                             ("BGSAVE", ["BGSAVE"])]:
            took, longest = timed(server, *words)
            print(f"  {server.name:12}{label:20}{took:10.1f}{longest:10.1f}")
        for label, words in [("NUMINCRBY $[50000].id", ["JSON.NUMINCRBY", "large", "$[50000].id", "1"]), ("ARRAPPEND $", ["JSON.ARRAPPEND", "large", "$", "1"])]:
            commands = [peers.command(*words)] * 1000
            before = server.cpu_seconds()
            server.run(commands, pipeline=BATCH)
            print(f"  {server.name:12}{label:24}{(server.cpu_seconds() - before) * 1e3:10.2f} us")


def compare(servers):
    os.sched_setaffinity(0, {1})
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(peers.Server(name, program, peers.PORT + at)) for at, (name, program) in enumerate(servers)]
        for server in running:
            server.fill((peers.command(*words_of(ROWS[0][1], n)) for n in range(KEYS)), batch=500)
        rows(running, servers)
        shapes(running, servers)
        if LARGE:
            large(running)
