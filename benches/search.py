"""Indexes: CPU of indexing and of queries, bytes, recall of KNN, and the PINGs beside long queries.

    DOCUMENTS=100000   hashes: 12 words of 20,000 with a cubic skew, a tag of 50, a number
    VECTORS=50000      of 128 dimensions, FLOAT32 in 200 clusters, HNSW M 16, EF_CONSTRUCTION 200; 0 leaves them out
    MANY=1000000       hashes that an index is built of, and asked, beside PINGs; 0 leaves them out

Called by peers.py, which chooses the servers. Those without a command are left out of its row.
"""
import array
import contextlib
import os
import random
import statistics
import time

import peers
from documents import timed
from sketches import Asking

DOCUMENTS = max(int(int(os.environ.get("DOCUMENTS", "100000")) * min(1, peers.SCALE)), 1000)
VECTORS = int(int(os.environ.get("VECTORS", "50000")) * min(1, peers.SCALE))
MANY = int(int(os.environ.get("MANY", "1000000")) * min(1, peers.SCALE))
DIMENSIONS = 128
BATCH = 200
QUERIES = 200

CREATE = ["FT.CREATE", "i", "PREFIX", "1", "d:", "SCHEMA", "t", "TEXT", "g", "TAG", "n", "NUMERIC"]
CREATE_SORTABLE = ["FT.CREATE", "s", "PREFIX", "1", "d:", "SCHEMA", "t", "TEXT", "g", "TAG", "SORTABLE", "n", "NUMERIC", "SORTABLE"]


def vocabulary():
    rng = random.Random(3)
    letters = "abcdefghijklmnopqrstuvwxyz"
    return ["".join(rng.choices(letters, k=rng.randint(3, 9))) for _ in range(20_000)]


WORDS = vocabulary()


def hashes(count):
    """Commands that fill `count` hashes: `onepercent` is in a hundredth of them, `tenone` and `tentwo` in a tenth each."""
    rng = random.Random(9)
    for at in range(count):
        words = [WORDS[int(rng.random() ** 3 * len(WORDS))] for _ in range(12)]
        planted = [("onepercent", at % 100 == 7), ("tenone", at % 10 == 0), ("tentwo", at // 10 % 10 == 0)]
        for place, (word, is_in) in enumerate(planted):
            if is_in:
                words[place] = word
        yield peers.command("HSET", f"d:{at}", "t", " ".join(words), "g", f"tag{at % 50}", "n", at)


# Label and words of a query, commands of a round.
def queries():
    some = DOCUMENTS // 10
    search, all_groups = ["FT.SEARCH", "i"], ["GROUPBY", "1", "@g", "REDUCE", "COUNT", "0", "AS", "c"]
    return [
        ("1 % term, LIMIT 0 10", [*search, "onepercent", "LIMIT", "0", "10"], QUERIES),
        ("1 % term, NOCONTENT", [*search, "onepercent", "NOCONTENT"], QUERIES),
        ("1 % term, LIMIT 0 0", [*search, "onepercent", "LIMIT", "0", "0"], QUERIES),
        ("two terms AND", [*search, "tenone tentwo", "LIMIT", "0", "10"], QUERIES),
        ("two terms OR", [*search, "tenone|tentwo", "LIMIT", "0", "10"], QUERIES // 4),
        ("phrase", [*search, '"tenone tentwo"', "LIMIT", "0", "10"], QUERIES),
        ("tag AND numbers", [*search, f"@g:{{tag7}} @n:[{2 * some} {3 * some}]", "LIMIT", "0", "10"], QUERIES),
        ("numbers, a tenth", [*search, f"@n:[{2 * some} {3 * some}]", "LIMIT", "0", "10"], QUERIES),
        ("prefix ab*", [*search, "ab*", "LIMIT", "0", "10"], QUERIES),
        ("fuzzy %tenone%", [*search, "%tenone%", "LIMIT", "0", "10"], QUERIES // 4),
        ("term SORTBY, not SORTABLE", [*search, "onepercent", "SORTBY", "n"], QUERIES // 4),
        ("GROUPBY tag, not SORTABLE", ["FT.AGGREGATE", "i", "*", *all_groups], 3),
        ("GROUPBY tag, SORTABLE", ["FT.AGGREGATE", "s", "*", *all_groups], 20),
        ("SUGGET", ["FT.SUGGET", "suggestions", "ab"], QUERIES * 20),
        ("SPELLCHECK", ["FT.SPELLCHECK", "i", "tenonr"], QUERIES // 4),
    ]


def cpu_of(server, commands, batch=BATCH):
    before = server.cpu_seconds()
    server.run(commands, pipeline=batch)
    return (server.cpu_seconds() - before) / len(commands) * 1e6


def row(label, servers, figures, form="{:14.2f}"):
    if peers.wanted(label):
        peers.show(f"{label:32}", servers, [(figures, form, min)], (11,))


def indexing(running, servers):
    """CPU and bytes of the same hashes without an index and with it."""
    commands = list(hashes(DOCUMENTS))
    figures = {name: {server.name: [] for server in running} for name in ("plain", "indexed", "more", "bytes", "update", "DEL")}
    for _ in range(min(peers.ROUNDS, 2)):
        for server in running:
            own = lambda name: figures[name][server.name]
            server.run([peers.command("FLUSHALL")])
            before = server.used_bytes()
            plain = cpu_of(server, commands)
            bytes_plain = server.used_bytes() - before
            server.run([peers.command("FLUSHALL"), peers.command(*CREATE)])
            before = server.used_bytes()
            indexed = cpu_of(server, commands)
            own("plain").append(plain)
            own("indexed").append(indexed)
            own("more").append(indexed - plain)
            own("bytes").append((server.used_bytes() - before - bytes_plain) / DOCUMENTS)
            step = max(DOCUMENTS // 20_000, 1)
            own("update").append(cpu_of(server, [peers.command("HSET", f"d:{at}", "n", at + 1) for at in range(0, DOCUMENTS, step)]))
            own("DEL").append(cpu_of(server, [peers.command("DEL", f"d:{at}") for at in range(1, DOCUMENTS, 10)]))
    row("HSET without an index", servers, figures["plain"])
    row("HSET with it", servers, figures["indexed"])
    row("the difference", servers, figures["more"])
    row("bytes of a document's index", servers, figures["bytes"], "{:14.0f}")
    row("update of the number", servers, figures["update"])
    row("DEL", servers, figures["DEL"])


def wait_for_index(asking, name):
    while True:
        info = asking.ask("FT.INFO", name)
        # Names and numbers are simple strings here, texts there.
        value = info[[str(word).strip("b'+$") for word in info].index("percent_indexed") + 1]
        if float(value.lstrip(b"+,")) >= 1:
            return
        time.sleep(0.05)


def fill(server):
    server.run([peers.command("FLUSHALL"), peers.command(*CREATE), peers.command(*CREATE_SORTABLE)])
    server.fill(hashes(DOCUMENTS), batch=BATCH)
    server.fill((peers.command("FT.SUGADD", "suggestions", word, at % 100 + 1) for at, word in enumerate(WORDS)), batch=BATCH)


def knows(server, words):
    reply = Asking(server.port).ask(*words)
    return not (isinstance(reply, bytes) and reply.startswith(b"-"))


def query_rows(running, servers):
    for label, words, count in queries():
        if not peers.wanted(label):
            continue
        costs = {server.name: [] for server in running}
        able = [server for server in running if knows(server, words)]
        for _ in range(peers.ROUNDS):
            for server in able:
                costs[server.name].append(cpu_of(server, [peers.command(*words)] * max(count, 1), batch=10))
        row(label, servers, costs)


def vectors(count, seed):
    rng, centres_rng = random.Random(seed), random.Random(7)
    centres = [[centres_rng.gauss(0, 1) for _ in range(DIMENSIONS)] for _ in range(200)]
    for _ in range(count):
        yield array.array("f", [x + rng.gauss(0, 0.4) for x in rng.choice(centres)]).tobytes()


def knn(blob, ef, condition="*", field="v"):
    return ["FT.SEARCH", field, f"{condition}=>[KNN 10 @{field} $b{f' EF_RUNTIME {ef}' if ef else ''} AS d]", "PARAMS", "2", "b", blob,
            "SORTBY", "d", "RETURN", "1", "d", "LIMIT", "0", "10", "DIALECT", "2"]


def vector_rows(running, servers):
    """KNN at several EF_RUNTIME with its recall, against a flat index."""
    blobs, asked = list(vectors(VECTORS, 1)), list(vectors(100, 2))
    load = {server.name: [] for server in running}
    used = {server.name: [] for server in running}
    truths = {}
    for server in running:
        server.run([peers.command("FLUSHALL")])
        kind = ["TYPE", "FLOAT32", "DIM", str(DIMENSIONS), "DISTANCE_METRIC", "L2"]
        commands = [peers.command("HSET", f"v:{at}", "v", blob, "g", f"tag{at % 100}") for at, blob in enumerate(blobs)]
        before = server.used_bytes()
        server.run(commands, pipeline=BATCH)
        plain = server.used_bytes() - before
        server.run([peers.command("FLUSHALL"), peers.command("FT.CREATE", "v", "PREFIX", "1", "v:", "SCHEMA", "v", "VECTOR", "HNSW", "10", *kind,
                                                            "M", "16", "EF_CONSTRUCTION", "200", "g", "TAG")])
        before = server.used_bytes()
        load[server.name].append(cpu_of(server, commands))
        used[server.name].append((server.used_bytes() - before - plain) / VECTORS)
        asking = Asking(server.port)
        asking.ask("FT.CREATE", "f", "PREFIX", "1", "v:", "SCHEMA", "v", "AS", "f", "VECTOR", "FLAT", "6", *kind)
        wait_for_index(asking, "f")
        truths[server.name] = [set(asking.ask(*knn(blob, None, field="f"))[1::2]) for blob in asked]
        asking.ask("FT.DROPINDEX", "f")
    row("HSET of a vector", servers, load)
    row("bytes of a vector's index", servers, used, "{:14.0f}")
    def recall_of(server, ef):
        asking = Asking(server.port)
        return statistics.mean(len(truth & set(asking.ask(*knn(blob, ef))[1::2])) / 10
                               for truth, blob in zip(truths[server.name], asked))

    def enough(server, recall):
        """The least EF_RUNTIME of these with such a recall."""
        return next((ef for ef in (None, 15, 20, 25, 30, 40, 50, 75, 100, 150) if recall_of(server, ef) >= recall), 200)

    usual = recall_of(running[0], None)
    equal = [None] + [enough(server, usual) for server in running[1:]]
    some = lambda ef: [ef] * len(running)
    for label, efs, condition in [("KNN 10", some(None), "*"), ("KNN 10, equal recall", equal, "*"), ("KNN 10, EF 50", some(50), "*"),
                                  ("KNN 10, EF 100", some(100), "*"), ("KNN 10, tag of 1 %", some(None), "(@g:{tag7})")]:
        costs = {server.name: [] for server in running}
        for _ in range(peers.ROUNDS):
            for server, ef in zip(running, efs):
                costs[server.name].append(cpu_of(server, [peers.command(*knn(blob, ef, condition)) for blob in asked], batch=10))
        row(label, servers, costs)
        if condition == "*":
            recalls = [(server.name, ef, recall_of(server, ef)) for server, ef in zip(running, efs)]
            print("  recall " + ", ".join(f"{name} {recall:.3f}{f' (EF {ef})' if ef else ''}" for name, ef, recall in recalls), flush=True)
    able = [server for server in running if not Asking(server.port).ask("FT.HYBRID", "none").startswith(b"-ERR unknown")]
    hybrid_rows(able, servers, asked)


def hybrid_rows(running, servers, asked):
    """FT.HYBRID beside its two sides: a word that a tenth of the documents have, and the vectors."""
    for server in running:
        server.run([peers.command("FT.ALTER", "v", "SCHEMA", "ADD", "t", "TEXT")])
        texts = (peers.command("HSET", f"v:{at}", "t", f"all {'tenone' if at % 10 == 0 else 'other'}") for at in range(VECTORS))
        server.fill(texts, batch=BATCH)
        wait_for_index(Asking(server.port), "v")
    text = ["FT.SEARCH", "v", "tenone", "LIMIT", "0", "10", "NOCONTENT"]
    both = lambda blob: ["FT.HYBRID", "v", "SEARCH", "tenone", "VSIM", "@v", "$b", "KNN", "2", "K", "10", "LIMIT", "0", "10", "PARAMS", "2", "b", blob]
    for label, words in [("hybrid: the text alone", lambda _: text), ("hybrid: the vector alone", lambda blob: [*knn(blob, None), "NOCONTENT"]),
                         ("hybrid: both", both)]:
        costs = {name: [] for name, _ in servers}
        for _ in range(peers.ROUNDS):
            for server in running:
                costs[server.name].append(cpu_of(server, [peers.command(*words(blob)) for blob in asked], batch=10))
        row(label, servers, costs)


def beside(running):
    print(f"\nover {MANY} hashes: milliseconds, and the longest PING meanwhile")
    for server in running:
        server.run([peers.command("FLUSHALL")])
        server.fill(hashes(MANY), batch=BATCH)
        asking = Asking(server.port)

        def show(label, took, longest):
            print(f"  {server.name:12}{label:28}{took:12.1f}{longest:10.1f}", flush=True)

        show("index built", *timed(server, *CREATE, until=lambda: wait_for_index(asking, "i")))
        some = MANY // 10
        for label, words in [
            ("1 % term", ["FT.SEARCH", "i", "onepercent"]), ("two terms AND", ["FT.SEARCH", "i", "tenone tentwo"]),
            ("two terms OR", ["FT.SEARCH", "i", "tenone|tentwo"]), ("phrase", ["FT.SEARCH", "i", '"tenone tentwo"']),
            ("tag AND numbers", ["FT.SEARCH", "i", f"@g:{{tag7}} @n:[{some} {5 * some}]"]), ("numbers", ["FT.SEARCH", "i", f"@n:[{some} {5 * some}]"]),
            ("prefix", ["FT.SEARCH", "i", "ab*"]), ("fuzzy", ["FT.SEARCH", "i", "%tenone%"]), ("all, SORTBY", ["FT.SEARCH", "i", "*", "SORTBY", "n"]),
            ("GROUPBY tag", ["FT.AGGREGATE", "i", "*", "GROUPBY", "1", "@g", "REDUCE", "COUNT", "0"])]:
            show(label, *timed(server, *words, *(["TIMEOUT", "0"])))


def compare(servers):
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(peers.Server(name, program, peers.PORT + at)) for at, (name, program) in enumerate(servers)]
        print(f"{'microseconds of CPU':32}" + "".join(f"{name:>14}" for name, _ in servers) + f"{'ratio':>11}")
        if peers.wanted("indexing"):
            indexing(running, servers)
        for server in running:
            fill(server)
        query_rows(running, servers)
        if VECTORS and peers.wanted("vectors"):
            vector_rows(running, servers)
        if MANY and peers.wanted("beside"):
            beside(running)
