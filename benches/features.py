"""Features of russet's own that are on: what they cost commands that do not use them.

`benches/peers.py features [russet=PROGRAM]`. One server; each feature goes on and off by turns, so
that both states are of the same process, and the figure is CPU of the server per command of
redis-benchmark's SET and GET (pipelines of 64, 50 connections, 100,000 keys). Medians of 8 * ROUNDS of
each state; the ratio and its quartiles are those of neighbours in time.

    changes, no log     changes-retain 64mb, without an append only file: the stream exists only for it
    changes, with log   the same with an append only file (appendfsync everysec), whose commands are
                        encoded in any case
    audit               audit-log with @dangerous: neither SET nor GET is of it
    budgets             a user with all of them, none of which is ever reached, beside one without
"""
import os
import statistics

from budgets import EVERYTHING, ask, cpu_of
from peers import PORT, ROUNDS, SCALE, Server, wanted

PIPELINE, REQUESTS = 64, 300_000


def one_round(server, user, kind):
    """Microseconds of the server's CPU per command."""
    return cpu_of(server, user, PIPELINE, kind, int(REQUESTS * SCALE))


def set_to(server, *words):
    reply = ask(server, *words)
    if reply != b"+OK\r\n":
        raise RuntimeError(f"{words}: {reply}")


def rows(server):
    """Each feature: its label, and what switches it on and off; both say whose commands are counted."""
    def changes(bytes_kept):
        return lambda: set_to(server, "CONFIG", "SET", "changes-retain", bytes_kept) or "plain"

    def audit(log):
        return lambda: set_to(server, "CONFIG", "SET", "audit-log", log) or "plain"
    log = os.path.join(server.folder, "audit.log")
    yield "changes, no log", changes("64mb"), changes("0")
    set_to(server, "CONFIG", "SET", "appendonly", "yes")
    yield "changes, with log", changes("64mb"), changes("0")
    set_to(server, "CONFIG", "SET", "appendonly", "no")
    set_to(server, "CONFIG", "SET", "audit-categories", "@dangerous")
    yield "audit", audit(log), audit("")
    yield "budgets", lambda: "budgeted", lambda: "plain"


def features(servers):
    name, program = servers[0]
    print(f"{'feature':30}{'off us':>10}{'on us':>10}{'ratio':>10}{'spread':>10}")
    with Server(name, program, PORT) as server:
        set_to(server, "ACL", "SETUSER", "plain", "on", ">x", "+@all", "~*", "&*")
        set_to(server, "ACL", "SETUSER", "budgeted", "on", ">x", "+@all", "~*", "&*", *EVERYTHING)
        one_round(server, "plain", "set")
        for label, on, off in rows(server):
            for kind in ("set", "get"):
                if not wanted(f"{label}: {kind}"):
                    continue
                costs = {on: [], off: []}
                for at in range(8 * ROUNDS):
                    for state in (on, off) if at % 2 else (off, on):
                        costs[state].append(one_round(server, state(), kind))
                off()
                median_on, median_off = statistics.median(costs[on]), statistics.median(costs[off])
                # Of neighbours in time: what else the machine does concerns both.
                pairs = sorted(a / b for a, b in zip(costs[on], costs[off]))
                quarter = len(pairs) // 4
                spread = f"{pairs[quarter]:.2f}-{pairs[-1 - quarter]:.2f}"
                print(f"{f'{label}: {kind}':30}{median_off:10.4f}{median_on:10.4f}"
                      f"{statistics.median(pairs):10.3f}{spread:>12}", flush=True)
