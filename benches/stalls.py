#!/usr/bin/env python3
"""How long the loop is held while huge values grow and go.

    benches/stalls.py [NAME=PROGRAM ...]          without servers: target/release/russet

For a set, a set of integers, a hash, a list and a sorted set of ELEMENTS each: growing it by
a hundred elements at a time, so that a turn has little else to do; deleting it by DEL,
UNLINK, expiry, SET, RENAME, SUNIONSTORE and FLUSHALL; and what a helper thread still frees
while small commands go on. Each row shows the longest turn of the loop in milliseconds (INFO
`eventloop_duration_max` after CONFIG RESETSTAT), and how many tries the kernel disturbed by
taking the CPU from the loop: a turn that was interrupted is longer than its work. A row over
LIMIT_MS is measured again, up to TRIES times, and the longest turn of the undisturbed tries
counts, or the shortest of all. What a hypervisor takes away is not told apart. The exit
status is 1 if a row is over the limit.

Run it on an idle machine, or with PREFIX="chrt -f 10" (as root), which keeps the CPU.

    ELEMENTS=2000000    elements of each value       ROWS=set,zset      only these
    LIMIT_MS=2          the longest turn allowed     TRIES=3            tries of a row
    PORT=17000          the port                     PREFIX="chrt -f 10"
"""
import os
import sys
import time
from pathlib import Path

import peers
from peers import Server, command

ELEMENTS = int(os.environ.get("ELEMENTS", "2000000"))
LIMIT_MS = float(os.environ.get("LIMIT_MS", "2"))
TRIES = int(os.environ.get("TRIES", "3"))
ROWS = [row for row in os.environ.get("ROWS", "").split(",") if row]
# A command of each value's growth, and the words of its nth element.
VALUES = {
    "set": ("SADD", lambda n: ("m:%012d" % n,)),
    "integers": ("SADD", lambda n: (n * 7919,)),
    "hash": ("HSET", lambda n: ("f:%012d" % n, "v:%012d" % n)),
    "list": ("RPUSH", lambda n: ("e:%012d" % n,)),
    "zset": ("ZADD", lambda n: (n * 7919 % 999_983, "m:%012d" % n)),
}


def one_by_one(name, words):
    """Batches of a hundred commands of one element."""
    for start in range(0, ELEMENTS, 100):
        yield b"".join(command(name, "v", *words(n)) for n in range(start, min(start + 100, ELEMENTS)))


def by_hundreds(name, words):
    """Commands of a hundred elements."""
    for start in range(0, ELEMENTS, 100):
        yield command(name, "v", *(word for n in range(start, min(start + 100, ELEMENTS)) for word in words(n)))


SMALL = [command("SADD", "two", "x", "y"), command("SET", "one", "x")]

# What makes the value of the key `v` go.
ENDS = {
    "DEL": [command("DEL", "v")],
    "UNLINK": [command("UNLINK", "v")],
    "expiry": [command("PEXPIRE", "v", "20")],
    "SET": [command("SET", "v", "x")],
    "RENAME": [command("RENAME", "one", "v")],
    "SUNIONSTORE": [command("SUNIONSTORE", "v", "two")],
    "FLUSHALL": [command("FLUSHALL", "SYNC")],
}

# Short commands of all kinds, to run while a helper thread frees.
TRAFFIC = [one for n in range(1000) for one in (
    command("SET", "k:%d" % n, "x" * 200), command("LPUSH", "small", n), command("HSET", "h:%d" % n, "f", "v"),
    command("DEL", "k:%d" % n), command("DEL", "h:%d" % n))]


def preemptions(server):
    """How often the kernel took the CPU from the server's loop, its first thread."""
    status = Path(f"/proc/{server.process.pid}/status").read_text()
    return int(status.partition("nonvoluntary_ctxt_switches:")[2].split()[0])


class Turns:
    """The longest turn of what runs in a `with` block."""

    def __init__(self, server):
        self.server = server

    def __enter__(self):
        self.before = preemptions(self.server)
        self.server.run([command("CONFIG", "RESETSTAT")])
        return self

    def __exit__(self, *_):
        field = self.server.info("debug", "eventloop_duration_max")
        self.longest_ms = int(field) / 1000
        self.interrupted = preemptions(self.server) - self.before


def report(value, what, tries):
    """Shows a row; whether it is within the limit."""
    undisturbed = [turns.longest_ms for turns in tries if turns.interrupted == 0]
    longest = max(undisturbed) if undisturbed else min(turns.longest_ms for turns in tries)
    fine = longest <= LIMIT_MS
    print(f"{value:10} {what:14} {longest:8.2f} ms   tries {len(tries):2d}, interrupted {len(tries) - len(undisturbed):2d}"
          + ("" if fine else "   OVER THE LIMIT"), flush=True)
    return fine


def grow(server, batches):
    with Turns(server) as turns:
        server.run(batches)
    return turns


def end(server, commands):
    """The turns of a value's end, and those while it is being freed."""
    server.run(SMALL)
    with Turns(server) as first:
        server.run(commands)
        until = time.monotonic() + 5
        while server.info("keyspace", "db0").startswith("keys=4") and time.monotonic() < until:
            time.sleep(0.01)
    with Turns(server) as then:
        for _ in range(3):
            server.run(TRAFFIC, pipeline=100)
        while int(server.info("memory", "lazyfree_pending_objects")) > 0:
            server.run(TRAFFIC, pipeline=100)
    return first, then


def measure(server):
    fine = True
    for value, element in VALUES.items():
        if ROWS and value not in ROWS:
            continue
        grown, ended, after = [], {}, []
        singly, quickly = list(one_by_one(*element)), list(by_hundreds(*element))
        for what, how in ENDS.items():
            for _ in range(TRIES):
                server.run([command("FLUSHALL", "SYNC")])
                grown.append(grow(server, quickly if grown else singly))
                first, then = end(server, how)
                ended.setdefault(what, []).append(first)
                after.append(then)
                if first.longest_ms <= LIMIT_MS:
                    break
            fine &= report(value, what, ended[what])
        fine &= report(value, "growing", grown)
        fine &= report(value, "while freed", after)
    return fine


def main():
    words = sys.argv[1:] or [f"russet={peers.ROOT / 'target/release/russet'}"]
    fine = True
    for name, program in (word.split("=", 1) for word in words):
        print(f"{name}: {ELEMENTS} elements, longest turns")
        # Not pinned: the helper thread is to work beside the loop.
        with Server(name, program, peers.PORT, os.environ.get("PREFIX", "").split(), "0-1") as server:
            fine &= measure(server)
    sys.exit(0 if fine else 1)


if __name__ == "__main__":
    main()
