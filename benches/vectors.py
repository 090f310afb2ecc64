"""Vector sets: recall, CPU of queries and inserts, bytes, and how long another client waits meanwhile.

    COUNT=20000    vectors            DIM=128         dimension
    KIND=clustered or uniform         QUANT=Q8        Q8, NOQUANT or BIN
    QUERIES=300    queries by EF      CPUS=0,1       of the server: its workers may use another than the loop

Called by peers.py, which chooses the servers.
"""
import array
import os
import random
import socket
import statistics
import threading
import time

import peers

COUNT = int(os.environ.get("COUNT", "20000"))
DIM = int(os.environ.get("DIM", "128"))
KIND = os.environ.get("KIND", "clustered")
QUANT = os.environ.get("QUANT", "Q8")
QUERIES = int(os.environ.get("QUERIES", "300"))
EFS = [int(ef) for ef in os.environ.get("EFS", "50,100,200,400").split(",")]
CPUS = os.environ.get("CPUS", "0,1")
PIPELINE = 100
TRUTHS = int(os.environ.get("TRUTHS", "100"))


def vectors(count, seed):
    """Blobs of 32-bit floats."""
    rng = random.Random(seed)
    centres_rng = random.Random(7)
    centres = [[centres_rng.gauss(0, 1) for _ in range(DIM)] for _ in range(200)]
    for _ in range(count):
        if KIND == "uniform":
            numbers = [rng.gauss(0, 1) for _ in range(DIM)]
        else:
            numbers = [x + rng.gauss(0, 0.4) for x in rng.choice(centres)]
        yield array.array("f", numbers).tobytes()


class Client:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def send(self, requests):
        self.socket.sendall(b"".join(peers.command(*request) for request in requests))

    def reply(self):
        line = self.file.readline()
        kind, rest = line[:1], line[1:-2]
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"$":
            size = int(rest)
            return None if size < 0 else self.file.read(size + 2)[:-2]
        if kind == b"*":
            return [self.reply() for _ in range(int(rest))]
        return int(rest) if kind == b":" else rest

    def ask(self, *request):
        self.send([request])
        return self.reply()


def pings(port, stop, times):
    client = Client(port)
    while not stop.is_set():
        began = time.perf_counter()
        client.ask("PING")
        times.append(time.perf_counter() - began)
        time.sleep(0.001)


def measure_one(name, program):
    """Figures of one server, by name."""
    figures = {}
    settings = ("--save", "", "--appendonly", "no", "--enable-debug-command", "local")
    with peers.Server(name, program, peers.PORT, cpus=CPUS, settings=settings) as server:
        port = server.port

        def cpu():
            """Of the whole process: the time of threads that have ended is in no task's own figures."""
            return sum(float(server.info("cpu", field)) for field in ("used_cpu_sys", "used_cpu_user"))

        client = Client(port)
        before, spent = server.used_bytes(), cpu()
        request = lambda at, blob: ("VADD", "v", "FP32", blob, f"e{at}", QUANT)
        pending = 0
        for at, blob in enumerate(vectors(COUNT, 1)):
            client.send([request(at, blob)])
            pending += 1
            if pending == PIPELINE:
                [client.reply() for _ in range(pending)]
                pending = 0
        [client.reply() for _ in range(pending)]
        figures["VADD us of CPU"] = (cpu() - spent) / COUNT * 1e6
        figures["bytes a vector"] = (server.used_bytes() - before) / COUNT
        queries = list(vectors(max(QUERIES, TRUTHS), 2))
        truths = [set(client.ask("VSIM", "v", "FP32", blob, "TRUTH")) for blob in queries[:TRUTHS]]
        for ef in EFS:
            ask = lambda blob: client.ask("VSIM", "v", "FP32", blob, "EF", ef)
            same = [len(truth & set(ask(blob))) / len(truth) for truth, blob in zip(truths, queries)]
            figures[f"recall@10, EF {ef}"] = statistics.mean(same)
            spent = cpu()
            for blob in queries[:QUERIES]:
                ask(blob)
            figures[f"VSIM us of CPU, EF {ef}"] = (cpu() - spent) / QUERIES * 1e6
        stop, times = threading.Event(), []
        other = threading.Thread(target=pings, args=(port, stop, times))
        other.start()
        for at in range(0, QUERIES, 10):
            client.send([("VSIM", "v", "FP32", blob, "EF", 1000) for blob in queries[at:at + 10]])
            [client.reply() for _ in range(min(10, QUERIES - at))]
        stop.set()
        other.join()
        figures["PING p99 meanwhile, ms"] = statistics.quantiles(times, n=100)[98] * 1e3
        began = time.perf_counter()
        client.ask("DEBUG", "RELOAD")
        figures["save and load, s"] = time.perf_counter() - began
    return figures


def compare(servers):
    print(f"{COUNT} vectors of {DIM} dimensions, {KIND}, {QUANT}")
    columns = {name: measure_one(name, program) for name, program in servers}
    names = list(columns)
    print(" " * 28 + "".join(f"{name:>14}" for name in names))
    for row in columns[names[0]]:
        print(f"{row:28}" + "".join(f"{columns[name][row]:14.3f}" for name in names))
