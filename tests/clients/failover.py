"""Clients that ask Sentinels for the primary go on writing when it dies: failover.py PORT.

$SERVER is started as three servers and as three Sentinels; redis-py, ioredis and node-redis write at once,
the primary is killed, and each must write on. The same with three Sentinels of Redis 8.0, to compare the
time without writes, which is printed and not judged."""
import os, shutil, signal, socket, subprocess, sys, tempfile, threading, time
from pathlib import Path

import redis
from redis.sentinel import Sentinel

HERE = Path(__file__).parent
SERVER = os.environ["SERVER"]
REDIS = Path(os.environ["RUSSET_PEERS_FOLDER"]) / "redis8/src/redis-server"
NAME = "m"
DEADLINE = 60
AFTER = 100


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait(what, condition):
    until = time.time() + DEADLINE
    while True:
        try:
            if condition():
                return
        except redis.RedisError:
            pass
        assert time.time() < until, f"still waiting for {what}"
        time.sleep(0.02)


class PythonClient:
    """redis-py, in a thread."""

    name = "redis-py"

    def __init__(self, ports):
        addresses = [("127.0.0.1", port) for port in ports]
        self.primary = Sentinel(addresses, socket_timeout=1).master_for(NAME, socket_timeout=1)
        self.writing, self.killed = threading.Event(), threading.Event()
        self.gap = None
        threading.Thread(target=self.write, daemon=True).start()

    def write(self):
        written = after = 0
        gap, last, until = 0, time.monotonic(), time.monotonic() + DEADLINE
        while after < AFTER and time.monotonic() < until:
            is_after = self.killed.is_set()
            try:
                self.primary.incr(f"n:{self.name}")
            except redis.RedisError:
                time.sleep(0.01)
                continue
            now = time.monotonic()
            gap, last = max(gap, now - last), now
            written, after = written + 1, after + is_after
            if written == 50:
                self.writing.set()
            time.sleep(0.002)
        if after == AFTER:
            self.gap = gap

    def begun(self):
        assert self.writing.wait(DEADLINE), f"{self.name} does not write"

    def tell(self):
        self.killed.set()

    def finish(self):
        wait(f"{self.name} to write on", lambda: self.gap is not None)
        return self.gap


class NodeClient:
    """ioredis or node-redis, a process."""

    def __init__(self, name, ports):
        self.name = name
        words = ["node", HERE / "failover.cjs", name, NAME, str(AFTER), *map(str, ports)]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def begun(self):
        line = self.process.stdout.readline()
        assert line == "writing\n", (self.name, line)

    def tell(self):
        self.process.stdin.write("killed\n")
        self.process.stdin.flush()

    def finish(self):
        out, _ = self.process.communicate(timeout=DEADLINE)
        assert self.process.returncode == 0, (self.name, out)
        return float(out.split()[-1])


class Group:
    """Three servers, three Sentinels of this program."""

    def __init__(self, program):
        self.folder = tempfile.mkdtemp(prefix="russet-failover-")
        self.nodes, self.ports, self.sentinels, self.clients = [], [], [], []
        self.processes = []
        for n in range(3):
            port = free_port()
            words = [SERVER, "--port", port, "--bind", "127.0.0.1", "--save", "", "--repl-diskless-sync-delay", 0]
            words += ["--replicaof", "127.0.0.1", self.ports[0]] if n else []
            self.nodes.append(self.spawn(f"node{n}", words))
            self.ports.append(port)
        for n in range(3):
            port = free_port()
            file = Path(self.folder) / f"sentinel{n}.conf"
            file.write_text(
                f"port {port}\nbind 127.0.0.1\ndir {self.folder}\n"
                f"sentinel monitor {NAME} 127.0.0.1 {self.ports[0]} 2\n"
                f"sentinel down-after-milliseconds {NAME} 2000\nsentinel failover-timeout {NAME} 5000\n"
            )
            self.spawn(f"sentinel{n}", [program, file, "--sentinel"])
            self.sentinels.append(port)
        for port in self.sentinels:
            r = redis.Redis(port=port, socket_timeout=5, decode_responses=True)
            wait("a Sentinel", r.ping)
            wait("two replicas", lambda: self.count(r, "SLAVES", "slave") == 2)
            wait("two Sentinels", lambda: self.count(r, "SENTINELS", "sentinel") == 2)

    def count(self, r, what, flags):
        found = r.execute_command("SENTINEL " + what, NAME)
        return sum(one["flags"] in (flags, {flags}) or one.get("is_" + flags, False) for one in found)

    def spawn(self, name, words):
        log = open(f"{self.folder}/{name}.log", "wb")
        process = subprocess.Popen([str(word) for word in words], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(process)
        return process

    def fail_over(self):
        clients = [PythonClient(self.sentinels)]
        if shutil.which("node"):
            self.clients = [NodeClient(name, self.sentinels) for name in ("ioredis", "node-redis")]
        clients += self.clients
        for client in clients:
            client.begun()
        self.nodes[0].kill()
        for client in clients:
            client.tell()
        gaps = {client.name: client.finish() for client in clients}
        _, port = redis.Redis(port=self.sentinels[0], decode_responses=True).execute_command("SENTINEL GET-MASTER-ADDR-BY-NAME", NAME)
        new = redis.Redis(port=int(port), socket_timeout=5)
        for client in clients:
            assert int(new.get(f"n:{client.name}")) >= AFTER, client.name
        return gaps

    def end(self, failed):
        for process in self.processes + [client.process for client in self.clients]:
            process.kill()
            process.wait()
        if failed:
            for log in sorted(Path(self.folder).glob("*.log")):
                print(f"--- {log.name}", *log.read_text(errors="replace").splitlines()[-15:], sep="\n")
        shutil.rmtree(self.folder)


# A time limit of the caller ends what was started, too.
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

for name, program in (("russet", SERVER), ("Redis 8.0", REDIS)):
    group, failed = None, True
    try:
        group = Group(program)
        gaps = group.fail_over()
        failed = False
    finally:
        if group:
            group.end(failed)
    print(f"ok failover by three Sentinels of {name}, seconds without writes:", ", ".join(f"{k} {v:.2f}" for k, v in gaps.items()))
