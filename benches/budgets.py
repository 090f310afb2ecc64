"""Budgets per user: what a held back flood costs the others, and what a budget costs its user.

`benches/peers.py budgets [russet=PROGRAM]`. One server at a time, states alternate on it; medians of
ROUNDS. Only russet has budgets: another server's rows would have nothing to compare.

`others`: 1,000 connections of one user send SET and GET in turn, 10,000 a second together, each at
its time; p50 and p99 from that time. Quiet; beside one connection of another user that sends
pipelines of 64 as fast as it can and has `rate=1000`; and beside the same flood without a budget.

`cost`: CPU of the server per command, of redis-benchmark's SET and GET by a user without budgets, and
by one with all of them, none of which is ever reached.
"""
import resource
import statistics
import subprocess

import latency
from peers import PORT, ROUNDS, SCALE, Server

CLIENTS, RATE = 1_000, 10_000
EVERYTHING = ["rate=1000000000", "bytes=900gb|900gb", "clients=100000", "reply=900gb", "work=1000000000"]


def ask(server, *words):
    return latency.Client(server.port).ask(*words)


def flood(server):
    """One connection of the user `noisy` that never waits."""
    return subprocess.Popen(
        ["taskset", "-c", "1", "nice", "redis-benchmark", "-p", str(server.port), "--user", "noisy", "-a", "x", "-c", "1",
         "-P", "64", "-n", "1000000000", "-t", "incr"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def others(server):
    states = [("quiet", None), ("beside a flood of rate=1000", "rate=1000"), ("beside a flood without budget", "rate=0")]
    seen = {label: [] for label, _ in states}
    latency.at_rate(server.port, RATE, CLIENTS, 0.5)
    for _ in range(ROUNDS):
        for label, budget in states:
            process = None
            if budget:
                ask(server, "ACL", "SETUSER", "noisy", "on", ">x", "+@all", "~*", budget)
                process = flood(server)
            try:
                seen[label].append(latency.at_rate(server.port, RATE, CLIENTS, 2 * SCALE))
            finally:
                if process:
                    latency.end(process)
    base = None
    print(f"{'others':34}{'p50 us':>10}{'p99 us':>10}{'late':>8}{'p99 ratio':>11}")
    for label, _ in states:
        p50, p99, late = (statistics.median(figure) for figure in zip(*seen[label]))
        base = base or p99
        print(f"{label:34}{p50:10.0f}{p99:10.0f}{late * 100:7.1f}%{p99 / base:11.2f}", flush=True)


def cpu_of(server, user, pipeline, kind, requests):
    """Microseconds of the server's CPU per command."""
    before = server.cpu_seconds()
    subprocess.run(["taskset", "-c", "1", "redis-benchmark", "-p", str(server.port), "--user", user, "-a", "x", "-P", str(pipeline),
                    "-n", str(requests), "-t", kind, "-r", "100000", "-c", "50", "-q"],
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return (server.cpu_seconds() - before) / requests * 1e6


def cost(server):
    ask(server, "ACL", "SETUSER", "plain", "on", ">x", "+@all", "~*", "&*")
    ask(server, "ACL", "SETUSER", "budgeted", "on", ">x", "+@all", "~*", "&*", *EVERYTHING)
    print(f"{'cost':34}{'plain us':>10}{'budgets':>10}{'ratio':>11}")
    for pipeline, requests in ((16, 3_000_000), (1, 200_000)):
        for kind in ("set", "get"):
            costs = {"plain": [], "budgeted": []}
            for at in range(2 * ROUNDS):
                users = list(costs) if at % 2 else list(costs)[::-1]
                for user in users:
                    costs[user].append(cpu_of(server, user, pipeline, kind, int(requests * SCALE)))
            plain, budgeted = (statistics.median(costs[user]) for user in costs)
            print(f"{kind + f', pipeline {pipeline}':34}{plain:10.3f}{budgeted:10.3f}{budgeted / plain:11.3f}", flush=True)


def budgets(servers):
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096,) * 2)
    name, program = servers[0]
    with Server(name, program, PORT) as server:
        others(server)
        cost(server)
