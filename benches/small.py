"""What one small command holds: its time, its CPU, its memory, and the longest PING of another client.

    DOCUMENTS=100000   hashes of an index: a text with a word of its own, a tag, a number, a place, a shape, a vector
    SAMPLES=1000000    samples of a series
    LIMIT=20           seconds a command may take; then its server is killed, and the row says so

Each command is at most 1 kB, but for the few whose data is the point. A server without the command is left out of
its row ("-"); one that ended says so ("ENDED"). Called by peers.py, which chooses the servers.
"""
import array
import multiprocessing
import os
import random
import socket
import threading
import time

import peers
from documents import waits
from search import wait_for_index
from sketches import Asking

DOCUMENTS = int(os.environ.get("DOCUMENTS", "100000"))
SAMPLES = int(os.environ.get("SAMPLES", "1000000"))
LIMIT = float(os.environ.get("LIMIT", "20"))
DIMENSIONS = 16


def blob(rng):
    return array.array("f", [rng.gauss(0, 1) for _ in range(DIMENSIONS)]).tobytes()


def names(rng, count):
    """Words of six letters with a serial number: each is in one document."""
    letters = "abcdefghijklmnop"
    return ["".join(rng.choices(letters, k=6)) + f"{n:06d}" for n in range(count)]


def square(rng):
    x, y, side = rng.randint(0, 9000), rng.randint(0, 9000), rng.randint(1, 40)
    return f"POLYGON(({x} {y}, {x} {y + side}, {x + side} {y + side}, {x + side} {y}, {x} {y}))"


def documents(count):
    rng = random.Random(5)
    for n, name in enumerate(names(rng, count)):
        yield peers.command("HSET", f"d:{n}", "t", f"common {name} w{n % 1000}", "g", f"tag{n}", "n", n, "k", n % 50,
                            "p", f"{rng.uniform(-20, 20):.5f},{rng.uniform(-20, 20):.5f}", "s", square(rng), "v", blob(rng))


CREATE = ["FT.CREATE", "i", "PREFIX", "1", "d:", "SCHEMA", "t", "TEXT", "g", "TAG", "n", "NUMERIC", "SORTABLE", "k", "NUMERIC", "p", "GEO",
          "s", "GEOSHAPE", "FLAT", "v", "VECTOR", "FLAT", "6", "TYPE", "FLOAT32", "DIM", str(DIMENSIONS), "DISTANCE_METRIC", "L2"]


def index(server, count=None):
    asking = Asking(server.port)
    asking.ask(*CREATE)
    server.fill(documents(count or DOCUMENTS), batch=500)
    settle(asking, "i")


def settle(asking, name):
    if isinstance(asking.ask("FT.INFO", name), list):
        wait_for_index(asking, name)


def lists(server):
    """A document whose text is a list of ten words."""
    asking = Asking(server.port)
    asking.ask("FT.CREATE", "lists", "PREFIX", "1", "lists:", "SCHEMA", "l", "TEXT", "SORTABLE")
    asking.ask("HSET", "lists:1", "l", "a,b,c,d,e,f,g,h,i,j")
    settle(asking, "lists")


def suggestions(server):
    rng = random.Random(6)
    server.fill((peers.command("FT.SUGADD", "suggestions", name, 1) for name in names(rng, DOCUMENTS)), batch=500)


def own_names(server):
    asking = Asking(server.port)
    asking.ask("FT.CREATE", "own", "PREFIX", "1", "own:", "SCHEMA", "k", "NUMERIC")
    server.fill(peers.command("HSET", f"own:{n}", "k", n, *[f"field{n}x{at}" if odd else "v" for at in range(20) for odd in (1, 0)])
                for n in range(3000))
    settle(asking, "own")


def long_text(server):
    asking = Asking(server.port)
    asking.ask("FT.CREATE", "long", "PREFIX", "1", "long:", "SCHEMA", "t", "TEXT")
    asking.ask("HSET", "long:1", "t", "red green blue " * 1_400_000)
    settle(asking, "long")


def texts(server):
    asking = Asking(server.port)
    asking.ask("JSON.SET", "texts", "$", "[" + ",".join(['"' + "x" * 20_000 + '"'] * 8000) + "]")


def nested(server):
    Asking(server.port).ask("JSON.SET", "nested", "$", "[[[[[[1]]]]]]")


def patterns(server):
    text = ",".join('{"t":"aaaaaaaaaaaaaaaaaaaaaaaa%d","p":"(a|b|ab)*%d"}' % (n, n) for n in range(1000))
    Asking(server.port).ask("JSON.SET", "patterns", "$", f"[{text}]")


def array_of_numbers(server):
    text = ",".join(str(n) for n in range(1_000_000))
    Asking(server.port).ask("JSON.SET", "numbers", "$", f'{{"a":[{text}]}}')


def series(server):
    server.fill((peers.command("TS.MADD", *[word for at in range(1000) for word in ("series", n * 1000 + at + 1, at)])
                 for n in range(SAMPLES // 1000)), batch=1) if "TSDB" not in str(Asking(server.port).ask("TS.CREATE", "series")) else None


def two_samples(server):
    for at in (1, 1_000_000_000):
        Asking(server.port).ask("TS.ADD", "two", at, 1)


def indexed_numbers(server):
    asking = Asking(server.port)
    asking.ask("FT.CREATE", "many", "ON", "JSON", "PREFIX", "1", "many:", "SCHEMA", "$.a[*]", "AS", "a", "NUMERIC")
    asking.ask("JSON.SET", "many:1", "$", '{"a":[' + ",".join(str(n) for n in range(100_000)) + "]}")
    settle(asking, "many")


def top(server):
    Asking(server.port).ask("TOPK.RESERVE", "top", 10, 8, 1000, 0.9)
    Asking(server.port).ask("TOPK.ADD", "top", "a")


def either(form, count, link="|"):
    return link.join(form(n) for n in range(count))


def two(n):
    return "abcdefghijklmnop"[n % 16] + "abcdefghijklmnop"[n // 16 % 16]


SEARCH = ["FT.SEARCH", "i"]
LONG = ["TIMEOUT", "0", "DIALECT", "2"]
NONE = ["NOCONTENT", "LIMIT", "0", "0", *LONG]
VECTOR = blob(random.Random(8))
CIRCLES = either(lambda n: f"@p:[{n % 9} {n % 7} {500 + n} km]", 40)
SHAPES = either(lambda n: f"@s:[WITHIN $w]", 40)
WORLD = "POLYGON((0 0, 0 9999, 9999 9999, 9999 0, 0 0))"

# Label, the data, the words of the command, clients that send it at once.
ROWS = [
    ("GROUPBY of 20 lists", lists, ["FT.AGGREGATE", "lists", "*", *[word for n in range(20) for word in ("APPLY", "split(@l)", "AS", f"l{n}")],
                                    "GROUPBY", "20", *[f"@l{n}" for n in range(20)], "TIMEOUT", "500"], 1),
    ("AGGREGATE, cursor of all", index, ["FT.AGGREGATE", "i", "*", "LOAD", "2", "@t", "@g", "WITHCURSOR", "COUNT", "1000000"], 1),
    ("90 infixes", index, [*SEARCH, either(lambda n: f"*{two(n)}{two(n + 77)}*", 90), *NONE], 1),
    ("70 wildcards", index, [*SEARCH, either(lambda n: f"w'*{two(n)}*{n % 10}'", 70), *NONE], 1),
    ("60 fuzzy words", index, [*SEARCH, either(lambda n: f"%%%{two(n)}{two(n + 5)}{two(n + 9)}%%%", 60), *NONE], 1),
    ("prefixes of all words", index, [*SEARCH, either(lambda n: f"{'abcdefghijklmnop'[n]}*", 16), *NONE], 1),
    ("40 circles", index, [*SEARCH, CIRCLES, *NONE], 1),
    ("40 shapes", index, [*SEARCH, SHAPES, "PARAMS", "2", "w", WORLD, "NOCONTENT", "LIMIT", "0", "0", "TIMEOUT", "0", "DIALECT", "3"], 1),
    ("one circle of all", index, [*SEARCH, "@p:[0 0 9000 km]", *NONE], 1),
    ("KNN of all", index, [*SEARCH, f"*=>[KNN {DOCUMENTS} @v $v]", "PARAMS", "2", "v", VECTOR, *NONE], 1),
    ("VECTOR_RANGE of all", index, [*SEARCH, "@v:[VECTOR_RANGE 1000 $v]", "PARAMS", "2", "v", VECTOR, *NONE], 1),
    ("all, LIMIT 0 N", index, [*SEARCH, "*", "LIMIT", "0", "1000000", *LONG], 1),
    ("all, SORTBY, LIMIT 0 N", index, [*SEARCH, "*", "SORTBY", "k", "LIMIT", "0", "1000000", *LONG], 1),
    ("LOAD, SORTBY, LIMIT 0 N", index, ["FT.AGGREGATE", "i", "*", "LOAD", "2", "@t", "@g", "SORTBY", "2", "@t", "ASC", "LIMIT", "0", "1000000", *LONG], 1),
    ("GROUPBY a tag of its own", index, ["FT.AGGREGATE", "i", "*", "GROUPBY", "1", "@g", "REDUCE", "COUNT", "0", "AS", "c", *LONG], 1),
    ("SPELLCHECK of 85 words", index, ["FT.SPELLCHECK", "i", " ".join(f"{two(n)}{two(n + 3)}{two(n + 11)}{n:04d}" for n in range(85)), "DISTANCE", "4"], 1),
    ("TAGVALS", index, ["FT.TAGVALS", "i", "g"], 1),
    ("DUMP_TAGIDX", index, ["_FT.DEBUG", "DUMP_TAGIDX", "i", "g"], 1),
    ("PROFILE of 40 circles", index, ["FT.PROFILE", "i", "SEARCH", "QUERY", CIRCLES, "LIMIT", "0", "0"], 1),
    ("HYBRID, WINDOW 40000", index, ["FT.HYBRID", "i", "SEARCH", "common", "VSIM", "@v", "$v", "KNN", "2", "K", "40000",
                                     "COMBINE", "RRF", "2", "WINDOW", "40000", "PARAMS", "2", "v", VECTOR], 1),
    ("20 clients, 90 infixes", index, [*SEARCH, either(lambda n: f"*{two(n)}{two(n + 77)}*", 90), *NONE], 20),
    ("200 clients, prefixes", index, [*SEARCH, either(lambda n: f"{'abcdefghijklmnop'[n]}*", 16), *NONE], 200),
    ("DROPINDEX DD", index, ["FT.DROPINDEX", "i", "DD"], 1),
    ("SUGGET MAX N", suggestions, ["FT.SUGGET", "suggestions", "a", "MAX", "1000000"], 1),
    ("SUGGET FUZZY", suggestions, ["FT.SUGGET", "suggestions", "abcdef", "FUZZY", "MAX", "1000000"], 1),
    ("SUMMARIZE of 20 MB", long_text, ["FT.SEARCH", "long", "red green blue", "SUMMARIZE", "FRAGS", "1000", "LEN", "1000", "HIGHLIGHT", *LONG], 1),
    ("LOAD * of names of their own", own_names, ["FT.AGGREGATE", "own", "*", "LOAD", "*", "SORTBY", "2", "@k", "ASC", "LIMIT", "0", "10000"], 1),
    ("JSON.GET of long texts", texts, ["JSON.GET", "texts", "$[*]"], 1),
    ("JSON.GET $[0,0,0]..", nested, ["JSON.GET", "nested", "$" + "[0,0,0,0,0,0,0,0,0,0,0,0]" * 6], 1),
    ("JSON patterns of the document", patterns, ["JSON.GET", "patterns", "$[?(@.t=~@.p)]"], 1),
    ("JSON.MGET of 100, patterns", patterns, ["JSON.MGET", *["patterns"] * 100, "$[?(@.t=~@.p)]"], 1),
    ("JSON.NUMINCRBY of a million", array_of_numbers, ["JSON.NUMINCRBY", "numbers", "$..[?(@>=0)]", "1"], 1),
    ("JSON.TYPE of a million, by filters", array_of_numbers, ["JSON.TYPE", "numbers", "$..[?(@>=0 && @<9999999)]"], 1),
    ("JSON.SET of indexed numbers", indexed_numbers, ["JSON.SET", "many:1", "$.b", "1"], 1),
    ("TOPK.INCRBY of 100,000 each", top, ["TOPK.INCRBY", "top", *[word for n in range(40) for word in (f"i{n}", "100000")]], 1),
    ("CMS.INITBYDIM depth 10^8", lambda server: None, ["CMS.INITBYDIM", "cms", "1", "100000000"], 1),
    ("BF.RESERVE of 4 * 10^8, DUMP", lambda server: Asking(server.port).ask("BF.RESERVE", "bloom", "0.01", "400000000"), ["DUMP", "bloom"], 1),
    ("TS.RANGE EMPTY of 12 aggregators", two_samples,
     ["TS.RANGE", "two", "-", "+", "AGGREGATION", "min,max,sum,avg,count,first,last,range,std.p,std.s,var.p,var.s", "1000", "EMPTY"], 1),
    ("TS.RANGE EMPTY", two_samples, ["TS.RANGE", "two", "-", "+", "AGGREGATION", "count", "1000", "EMPTY"], 1),
    ("TS.RANGE of all, twa", series, ["TS.RANGE", "series", "-", "+", "AGGREGATION", "twa", "2"], 1),
]


class Attempt:
    """One command in flight, from some clients, with the longest PING of another one."""

    def __init__(self, server, words, clients):
        self.server, self.words, self.clients = server, words, clients
        self.first, self.missing = b"", clients

    def ask(self):
        request = peers.command(*self.words) + peers.command("ECHO", "end of the batch")
        end = b"$16\r\nend of the batch\r\n"
        try:
            with socket.create_connection(("127.0.0.1", self.server.port), timeout=LIMIT) as connection:
                connection.sendall(request)
                tail = b""
                while not tail.endswith(end):
                    data = connection.recv(1 << 20)
                    if not data:
                        return
                    self.first = self.first or data[:60]
                    tail = (tail + data)[-len(end):]
        except OSError:
            return
        self.missing -= 1

    def run(self):
        """Seconds, CPU seconds, bytes at the peak, the longest PING in seconds; a text if it did not end well."""
        stop, longest = multiprocessing.Event(), multiprocessing.Value("d", 0.0)
        other = multiprocessing.Process(target=quiet_waits, args=(self.server.port, stop, longest))
        other.start()
        time.sleep(0.2)
        longest.value = 0.0
        resident, cpu, begun = self.server.resident_bytes(), self.server.cpu_seconds(), time.monotonic()
        threads = [threading.Thread(target=self.ask) for _ in range(self.clients)]
        for thread in threads:
            thread.start()
        peak = 0
        while any(thread.is_alive() for thread in threads):
            if self.server.process.poll() is not None or time.monotonic() - begun > LIMIT:
                break
            peak = max(peak, self.server.resident_bytes() - resident)
            time.sleep(0.002)
        took = time.monotonic() - begun
        ended = self.server.process.poll() is not None
        spent = 0 if ended else self.server.cpu_seconds() - cpu
        time.sleep(0.1)
        stop.set()
        if ended or self.missing:
            self.server.process.kill()
            self.server.process.wait()
        other.join()
        waited = longest.value
        if ended:
            return "ENDED"
        if self.missing:
            return f"> {LIMIT:.0f} s"
        if self.first.startswith(b"-ERR unknown"):
            return "-"
        return took, spent, peak, waited, self.first


def quiet_waits(port, stop, longest):
    try:
        waits(port, stop, longest)
    except OSError:
        pass


def measure(name, program, rows, at):
    """What each row gave, as it comes; the server starts anew for other data, and where the last row ended it."""
    server, data = None, None
    try:
        for label, load, words, clients in rows:
            if server and (data is not load or server.process.poll() is not None):
                server.__exit__()
                server = None
            if not server:
                server, data = peers.Server(name, program, peers.PORT + at), load
                load(server)
            yield Attempt(server, words, clients).run()
    finally:
        if server:
            server.__exit__()


def shown(result):
    if isinstance(result, str):
        return f"{result:>44}"
    took, spent, peak, waited, first = result
    mark = "E" if first.startswith(b"-") else " "
    return f"{took * 1e3:11.1f}{spent * 1e3:11.1f}{peak / 1e6:11.1f}{waited * 1e3:10.1f}{mark}"


def compare(servers):
    rows = [row for row in ROWS if peers.wanted(row[0])]
    print(f"{'ms, CPU ms, MB, longest PING ms (E: error)':44}" + "".join(f"{name:>44}" for name, _ in servers))
    columns = [measure(name, program, rows, at) for at, (name, program) in enumerate(servers)]
    for label, *_ in rows:
        print(f"{label:44}" + "".join(shown(next(column)) for column in columns), flush=True)
    for column in columns:
        column.close()
