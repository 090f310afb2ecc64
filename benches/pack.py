"""Cold values packed in memory: bytes a key of four corpora, CPU of GET and SET of packed values.

    sessions    JSON of a web session          products    JSON of a shop
    html        fragments of a page            jobs        hashes of a queue

The corpora come from seeds, so each run has the same. A server with `compress-values` is measured
twice, plain and with all values packed (DEBUG PACK ALL, trained on what is there); the others as
they are. Called by peers.py, which chooses the servers.
"""
import contextlib
import json
import random
import statistics

import peers

KEYS = 20_000
READS = 40_000
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


CORPORA = [("sessions", session), ("products", product), ("html", html), ("jobs", job)]


def commands_of(label, make):
    rng = random.Random(label)
    count = max(int(KEYS * peers.SCALE), 1000)
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


def compare(servers):
    settings = ("--save", "", "--appendonly", "no", "--enable-debug-command", "local")
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(peers.Server(name, program, peers.PORT + at, settings=settings)) for at, (name, program) in enumerate(servers)]
        bytes_per_key(servers, running)
        rows(servers, running)
