#!/usr/bin/env python3
"""Memory that is freed and comes back, russet beside real servers.

    benches/given_back.py [NAME=PROGRAM ...]

A million keys are written. Then in nine rounds half of them, drawn at random, get values of
another size of 20 to 500 bytes. So what a size took in its round is half left in the next, and
what that needs is not what was left: blocks of every size lie thinly everywhere. Four fifths of
the keys are deleted, at random, and the server is left alone: for IDLE seconds, and then until
MINUTE seconds have passed. MB used and resident after each step, and how many times the used
bytes the resident ones are at the end; the ratio is resident memory of the best peer over that
of the first server.

    SCALE=0.1   fewer keys than a million    IDLE=12 MINUTE=60   seconds without work
    SETTINGS="--activedefrag yes"            given to every server
"""
import os
import random
import sys
import time

import peers
from peers import PORT, SCALE, Server, command

# In this order.
SIZES = [20, 190, 40, 260, 90, 60, 130, 500, 370]
STEPS = ("written", "overwritten", "deleted", "idle", "a minute")
IDLE = float(os.environ.get("IDLE", "12"))
MINUTE = float(os.environ.get("MINUTE", "60"))
SETTINGS = tuple(os.environ.get("SETTINGS", "").split())


def steps(server):
    """Stops when each of the steps is done."""
    keys, some = int(1_000_000 * SCALE), random.Random(1)

    def write(at, size):
        return command("SET", "key:%012d" % at, "x" * size)

    server.fill(write(at, SIZES[0]) for at in range(keys))
    yield
    for size in SIZES:
        server.fill(write(at, size) for at in some.sample(range(keys), keys // 2))
    yield
    gone = [at for at in range(keys) if at % 5]
    some.shuffle(gone)
    server.fill(command("DEL", "key:%012d" % at) for at in gone)
    yield
    time.sleep(IDLE)
    yield
    time.sleep(max(0, MINUTE - IDLE))
    yield


def given_back(servers):
    print(f"{'server':10}" + "".join(f"{step:>20}" for step in STEPS) + f"{'times':>8}")
    last = {}
    for at, (name, program) in enumerate(servers):
        row = f"{name:10}"
        with Server(name, program, PORT + at, settings=("--save", "") + SETTINGS) as server:
            for _ in steps(server):
                used, last[name] = server.used_bytes(), server.resident_bytes()
                row += f"{used / 1e6:9.0f} /{last[name] / 1e6:6.0f} MB"
        print(row + f"{last[name] / used:8.2f}", flush=True)
    first, *others = (name for name, _ in servers)
    if others:
        print(f"resident, best peer over {first}: {min(last[name] for name in others) / last[first]:.2f}")


if __name__ == "__main__":
    peers.measure(sys.argv[1:], given_back)
