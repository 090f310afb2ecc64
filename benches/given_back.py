#!/usr/bin/env python3
"""Memory that is freed and comes back, russet beside real servers.

    benches/given_back.py [NAME=PROGRAM ...]

Keys are written, their values overwritten at random in nine sizes of 20 to 500 bytes, four fifths
of the keys deleted, and the server left alone. MB used and resident after each step; the ratio is
resident memory of the best peer over that of the first server, at the end.

    SCALE=0.1   fewer keys than a million    IDLE=12   seconds without work
    SETTINGS="--activedefrag yes"            given to every server
"""
import os
import random
import sys
import time

import peers
from peers import PORT, SCALE, Server, command

SIZES = [20, 40, 60, 90, 130, 190, 260, 370, 500]
IDLE = float(os.environ.get("IDLE", "12"))
SETTINGS = tuple(os.environ.get("SETTINGS", "").split())


def steps(server):
    """Yields the name of each step when it is done."""
    keys, some = int(1_000_000 * SCALE), random.Random(1)

    def write(at):
        return command("SET", "key:%012d" % at, "x" * some.choice(SIZES))

    server.fill(write(at) for at in range(keys))
    yield "written"
    server.fill(write(some.randrange(keys)) for _ in range(3 * keys))
    yield "overwritten"
    server.fill(command("DEL", "key:%012d" % at) for at in range(keys) if at % 5)
    yield "deleted"
    time.sleep(IDLE)
    yield "idle"


def given_back(servers):
    print(f"{'server':10}" + "".join(f"{step:>22}" for step in ("written", "overwritten", "deleted", "idle")))
    last = {}
    for at, (name, program) in enumerate(servers):
        row = f"{name:10}"
        with Server(name, program, PORT + at, settings=("--save", "") + SETTINGS) as server:
            for _ in steps(server):
                last[name] = server.resident_bytes()
                row += f"{server.used_bytes() / 1e6:10.0f} /{last[name] / 1e6:8.0f} MB"
        print(row, flush=True)
    first, *others = (name for name, _ in servers)
    if others:
        print(f"resident, best peer over {first}: {min(last[name] for name in others) / last[first]:.2f}")


if __name__ == "__main__":
    peers.measure(sys.argv[1:], given_back)
