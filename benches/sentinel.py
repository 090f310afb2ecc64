"""What a Sentinel costs, and how soon it fails over: the rows of `benches/peers.py sentinel`.

    failover            three Sentinels of one kind watch a primary and two replicas (`NODES`, by default
                        redis8), down-after 1000: the primary is killed, FAILOVERS times; seconds from
                        the kill to the first +sdown, from there to the first +switch-master, and from
                        the kill to the last Sentinel's +switch-master: median and p95
    idle                one Sentinel that watches PRIMARIES primaries with two replicas each, for SECONDS:
                        its CPU (milliseconds a second) and its memory (PSS, MB). The data nodes are
                        imitated by one process, so that nothing else works on the machine

    FAILOVERS=30  PRIMARIES=100  SECONDS=30
    NODES=PROGRAM       the data nodes of `failover`
"""
import multiprocessing
import os
import selectors
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from peers import PORT, command, default_servers, show, wanted

FAILOVERS = int(os.environ.get("FAILOVERS", "30"))
PRIMARIES = int(os.environ.get("PRIMARIES", "100"))
SECONDS = int(os.environ.get("SECONDS", "30"))
LIMIT = 60
WIDTHS = (12,)


class Failed(Exception):
    """A row that this Sentinel cannot have."""


class Process:
    """A server or a Sentinel in a folder of its own."""

    def __init__(self, folder, words, port, text=""):
        self.port = port
        self.folder = Path(tempfile.mkdtemp(dir=folder))
        self.file = self.folder / "conf"
        self.file.write_text(f"port {port}\ndir {self.folder}\nbind 127.0.0.1\n{text}")
        self.words = words[:1] + [str(self.file)] + words[1:]
        self.start()

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self.words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + LIMIT
        while True:
            try:
                self.ask("PING")
                return
            except OSError as error:
                if time.monotonic() > until or self.process.poll() is not None:
                    raise Failed(f"no answer: {(self.folder / 'log').read_text()[-500:]}") from error
                time.sleep(0.02)

    def ask(self, *words):
        """The first bytes of a reply."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(command(*words))
            return connection.recv(1 << 16)

    def end(self):
        self.process.kill()
        self.process.wait()


class Events:
    """The events of several Sentinels, with their times."""

    def __init__(self, ports):
        self.selector, self.rest = selectors.DefaultSelector(), {}
        for port in ports:
            connection = socket.create_connection(("127.0.0.1", port), timeout=5)
            connection.sendall(command("SUBSCRIBE", "+sdown", "+switch-master"))
            self.selector.register(connection, selectors.EVENT_READ, port)
            self.rest[port] = b""
        self.read(0.5)

    def read(self, seconds):
        """What comes within this time, or until something has come: (time, port, channel, text)."""
        found = []
        for key, _ in self.selector.select(seconds):
            data = key.fileobj.recv(1 << 16)
            if not data:
                raise Failed("a Sentinel has ended")
            now = time.monotonic()
            lines = (self.rest[key.data] + data).split(b"\r\n")
            self.rest[key.data] = lines.pop()
            # *3 $7 message $n channel $n text
            for at, line in enumerate(lines):
                if line == b"message" and at + 4 < len(lines):
                    found.append((now, key.data, lines[at + 2].decode(), lines[at + 4].decode()))
        return found

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.fileobj.close()
        self.selector.close()


def is_replica_of(node, port):
    try:
        reply = node.ask("INFO", "replication")
    except OSError:
        # A Sentinel closes clients' connections when it gives a node another role.
        return False
    return b"role:slave" in reply and f"master_port:{port}\r\n".encode() in reply and b"link_status:up" in reply


def failovers(name, program, at, nodes_program):
    folder = tempfile.mkdtemp(prefix="sentinel-")
    base, everything = PORT + 100 * at, []
    detected, switched, settled = [], [], []
    try:
        for n in range(3):
            follows = f"replicaof 127.0.0.1 {base}\n" if n else ""
            everything.append(Process(folder, [nodes_program], base + n, "save ''\nrepl-diskless-sync-delay 0\n"
                                      + follows))
        nodes = {node.port: node for node in everything}
        primary = base
        text = (f"sentinel monitor m 127.0.0.1 {primary} 2\nsentinel down-after-milliseconds m 1000\n"
                "sentinel failover-timeout m 2000\n")
        sentinels = [Process(folder, [program, "--sentinel"], base + 10 + n, text) for n in range(3)]
        everything += sentinels
        until = time.monotonic() + LIMIT
        while not all(b"OK 3" in one.ask("SENTINEL", "CKQUORUM", "m") for one in sentinels):
            if time.monotonic() > until:
                raise Failed("no quorum")
            time.sleep(0.1)
        for _ in range(FAILOVERS):
            others = [node for port, node in nodes.items() if port != primary]
            until = time.monotonic() + LIMIT
            while not all(is_replica_of(node, primary) for node in others):
                if time.monotonic() > until:
                    raise Failed("replicas that follow")
                time.sleep(0.05)
            # All INFO of before the next failover is known, at whatever moment of its period.
            time.sleep(12 + 0.137 * len(settled) % 1)
            events = Events([one.port for one in sentinels])
            nodes[primary].end()
            begun = time.monotonic()
            first_down = first_switch = None
            told = {}
            while len(told) < 3:
                if time.monotonic() - begun > LIMIT:
                    raise Failed("a failover")
                for now, port, channel, text in events.read(1):
                    if channel == "+sdown" and text.startswith("master "):
                        first_down = first_down or now
                    if channel == "+switch-master":
                        first_switch = first_switch or now
                        told[port] = now
                        new = int(text.split()[-1])
            events.close()
            detected.append(first_down - begun)
            switched.append(first_switch - first_down)
            settled.append(max(told.values()) - begun)
            nodes[primary].start()
            primary = new
    finally:
        for one in everything:
            one.end()
        shutil.rmtree(folder, ignore_errors=True)

    def of(what, values):
        p95 = statistics.quantiles(values, n=20)[18] if len(values) > 1 else values[0]
        return {f"{what} median": statistics.median(values), f"{what} p95": p95}
    return of("to sdown s", detected) | of("to switch s", switched) | of("in all s", settled)


def imitate(ports, ready):
    """Data nodes: groups of three, the first one the primary. They answer what a Sentinel asks."""
    selector, roles = selectors.DefaultSelector(), {}
    for n, port in enumerate(ports):
        listener = socket.create_server(("127.0.0.1", port), backlog=16)
        listener.setblocking(False)
        primary = ports[n - n % 3]
        head = f"# Server\r\nredis_version:8.0.6\r\nrun_id:{n:040x}\r\n# Replication\r\n"
        if n % 3 == 0:
            lines = "".join(f"slave{i}:ip=127.0.0.1,port={port + i + 1},state=online,offset=1000,lag=0\r\n"
                            for i in range(2))
            head += f"role:master\r\nconnected_slaves:2\r\n{lines}master_repl_offset:1000\r\n"
        else:
            head += (f"role:slave\r\nmaster_host:127.0.0.1\r\nmaster_port:{primary}\r\nmaster_link_status:up\r\n"
                     "slave_repl_offset:1000\r\nslave_priority:100\r\nreplica_announced:1\r\n")
        # As long as a real one.
        info = (head + "x:0123456789\r\n" * 250).encode()
        roles[listener] = b"$%d\r\n%s\r\n" % (len(info), info)
        selector.register(listener, selectors.EVENT_READ, None)
    ready.set()
    subscribers = {}
    while True:
        for key, _ in selector.select():
            if key.data is None:
                connection, _ = key.fileobj.accept()
                connection.setblocking(False)
                selector.register(connection, selectors.EVENT_READ, [b"", key.fileobj])
                continue
            connection, state = key.fileobj, key.data
            try:
                data = connection.recv(1 << 16)
            except OSError:
                data = b""
            if not data:
                selector.unregister(connection)
                connection.close()
                continue
            out = b""
            for request in data.split(b"*")[1:]:
                words = request.split(b"\r\n")
                name = words[2].upper() if len(words) > 2 else b""
                if name == b"PING":
                    out += b"+PONG\r\n"
                elif name == b"INFO":
                    out += roles[state[1]]
                elif name == b"SUBSCRIBE":
                    subscribers[state[1]] = connection
                    out += b"*3\r\n$9\r\nsubscribe\r\n$%d\r\n%s\r\n:1\r\n" % (len(words[4]), words[4])
                elif name == b"PUBLISH":
                    out += b":1\r\n"
                    message = b"*3\r\n$7\r\nmessage\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (
                        len(words[4]), words[4], len(words[6]), words[6])
                    if state[1] in subscribers:
                        try:
                            subscribers[state[1]].send(message)
                        except OSError:
                            del subscribers[state[1]]
                elif name:
                    out += b"+OK\r\n"
            try:
                connection.sendall(out)
            except OSError:
                pass


def cpu_seconds(pid):
    return sum(int((task / "schedstat").read_text().split()[0]) for task in Path(f"/proc/{pid}/task").iterdir()) / 1e9


def idle(name, program, at, _):
    base = PORT + 100 * at
    ports = [base + 20 + n for n in range(3 * PRIMARIES)]
    folder = tempfile.mkdtemp(prefix="sentinel-")
    ready = multiprocessing.Event()
    nodes = multiprocessing.Process(target=imitate, args=(ports, ready), daemon=True)
    nodes.start()
    sentinel = None
    try:
        ready.wait(30)
        text = "".join(f"sentinel monitor m{n} 127.0.0.1 {ports[3 * n]} 2\n" for n in range(PRIMARIES))
        sentinel = Process(folder, [program, "--sentinel"], base + 10, text)
        until = time.monotonic() + LIMIT
        while sentinel.ask("INFO", "sentinel").count(b"status=ok") + 0 < PRIMARIES \
                or sentinel.ask("INFO", "sentinel").count(b"slaves=2") < PRIMARIES:
            if time.monotonic() > until:
                raise Failed("all replicas known")
            time.sleep(0.5)
        time.sleep(5)
        before = cpu_seconds(sentinel.process.pid)
        time.sleep(SECONDS)
        spent = cpu_seconds(sentinel.process.pid) - before
        lines = Path(f"/proc/{sentinel.process.pid}/smaps_rollup").read_text().splitlines()
        memory = int(next(line for line in lines if line.startswith("Pss_Anon:")).split()[1]) * 1024
        return {"CPU ms/s": spent / SECONDS * 1000, "MB": memory / 1e6}
    finally:
        if sentinel:
            sentinel.end()
        nodes.terminate()
        nodes.join()
        shutil.rmtree(folder, ignore_errors=True)


MEASUREMENTS = [
    ("failover", ["to sdown s median", "to sdown s p95", "to switch s median", "to switch s p95", "in all s median",
                  "in all s p95"], failovers),
    ("idle", ["CPU ms/s", "MB"], idle),
]


def sentinel(servers):
    nodes = os.environ.get("NODES") or next(
        (program for name, program in default_servers()[0] if name == "redis8"), servers[-1][1])
    print(f"{'figure':30}" + "".join(f"{name:>14}" for name, _ in servers) + f"{'ratio':>12}")
    for label, figures, act in MEASUREMENTS:
        if not wanted(label):
            continue
        values = {figure: {name: [] for name, _ in servers} for figure in figures}
        for at, (name, program) in enumerate(servers):
            try:
                measured = act(name, program, at * 5, nodes)
            except (Failed, OSError) as why:
                print(f"{label}, {name}: not reached: {why}", flush=True)
                continue
            for figure, value in measured.items():
                values[figure][name].append(value)
        for figure in figures:
            show(f"{label + ', ' + figure:30}", servers, [(values[figure], "{:14.3f}", min)], WIDTHS)
