"""Clients of a cluster, from its making to the loss of a primary: cluster.py PORT.

$SERVER is started as six nodes, which redis-cli joins to a cluster of three primaries and three
replicas. redis-py's RedisCluster, ioredis's Cluster, node-redis's and redis-rs's (if $REDIS_RS names
that program, built from redis-rs/) do what programs do with a cluster: commands on single keys and of several in one slot, pipelines, transactions, scripts,
sharded channels, reading from replicas, scanning, following moved slots. While they write on, slots are moved by
redis-cli and a primary is killed. $CLUSTER_SERVER may name another program to compare with."""
import os, shutil, signal, socket, subprocess, sys, tempfile, threading, time
from pathlib import Path

import redis
from redis.cluster import ClusterNode, LoadBalancingStrategy, RedisCluster
from redis.backoff import ConstantBackoff
from redis.retry import Retry

HERE = Path(__file__).parent
SERVER = os.environ.get("CLUSTER_SERVER") or os.environ["SERVER"]
CLI = Path(os.environ["RUSSET_PEERS_FOLDER"]) / "redis8/src/redis-cli"
DEADLINE = 60
NODES = 6


def wait(what, condition):
    until = time.time() + DEADLINE
    while True:
        try:
            if condition():
                return
        except (redis.RedisError, OSError):
            pass
        assert time.time() < until, f"still waiting for {what}"
        time.sleep(0.02)


def free_ports():
    """So many ports that the ones 10000 above are free, too."""
    ports, port = [], 20000 + os.getpid() % 1000
    while len(ports) < NODES:
        port += 1
        try:
            for at in (port, port + 10000):
                with socket.socket() as s:
                    s.bind(("127.0.0.1", at))
        except OSError:
            continue
        ports.append(port)
    return ports


class Cluster:
    def __init__(self, folder):
        self.folder, self.nodes = folder, {}
        for port in free_ports():
            self.start(port)
        self.ports = list(self.nodes)
        for port in self.ports:
            wait(f"port {port}", lambda: redis.Redis(port=port).ping())
        hosts = [f"127.0.0.1:{port}" for port in self.ports]
        self.cli("--cluster", "create", *hosts, "--cluster-replicas", "1", "--cluster-yes")
        wait("the cluster", lambda: all(self.is_ok(port) for port in self.ports))

    def start(self, port):
        folder = self.folder / str(port)
        folder.mkdir(exist_ok=True)
        options = {"port": port, "bind": "127.0.0.1", "dir": folder, "save": "", "cluster-enabled": "yes",
                   "cluster-node-timeout": 2000, "repl-diskless-sync-delay": 0, "appendonly": "no"}
        words = [w for name, value in options.items() for w in (f"--{name}", str(value))]
        log = open(folder / "log", "ab")
        self.nodes[port] = subprocess.Popen([SERVER, *words], stdout=log, stderr=log)

    def cli(self, *words):
        done = subprocess.run([CLI, *words], capture_output=True, text=True, timeout=2 * DEADLINE)
        assert done.returncode == 0, f"redis-cli {' '.join(words)}:\n{done.stdout}{done.stderr}"
        return done.stdout

    def is_ok(self, port):
        answers = redis.Redis(port=port).execute_command("CLUSTER INFO")
        text = answers if isinstance(answers, str) else answers.decode() if isinstance(answers, bytes) else str(answers)
        nodes = redis.Redis(port=port).execute_command("CLUSTER NODES")
        return "ok" in text and "fail" not in str(nodes) and "handshake" not in str(nodes)

    def end(self):
        for node in self.nodes.values():
            node.kill()
            node.wait()


def client(cluster, **options):
    nodes = [ClusterNode("127.0.0.1", port) for port in cluster.ports[:2]]
    retry = Retry(ConstantBackoff(0.1), 100)
    return RedisCluster(startup_nodes=nodes, decode_responses=True, socket_timeout=2, retry=retry, **options)


def check_commands(c):
    for n in range(200):
        assert c.set(f"key:{n}", n)
    assert [int(c.get(f"key:{n}")) for n in range(200)] == list(range(200))
    assert sum(1 for _ in c.scan_iter(match="key:*", count=50)) == 200
    assert c.dbsize(target_nodes=RedisCluster.PRIMARIES) >= 200
    assert c.mset_nonatomic({f"n:{n}": n for n in range(20)})
    assert c.mget_nonatomic([f"n:{n}" for n in range(20)]) == [str(n) for n in range(20)]
    assert c.mset({"{a}1": 1, "{a}2": 2}) and c.mget("{a}1", "{a}2") == ["1", "2"]
    try:
        c.get_node_from_key("x") and c.execute_command("MGET", "{a}1", "{b}1", target_nodes=c.get_node_from_key("{a}1"))
        raise AssertionError("keys of two slots")
    except redis.RedisError as error:
        assert "slot" in str(error), error
    with c.pipeline() as pipeline:
        for n in range(50):
            pipeline.incr(f"p:{n % 10}")
        assert len(pipeline.execute()) == 50
    with c.pipeline(transaction=True) as pipeline:
        pipeline.set("{t}1", 1)
        pipeline.incr("{t}1")
        assert pipeline.execute()[-1] == 2
    assert c.eval("return redis.call('GET', KEYS[1])", 1, "{t}1") == "2"
    script = c.register_script("return {KEYS[1], redis.call('INCR', KEYS[1])}")
    assert script(keys=["{t}1"]) == ["{t}1", 3]
    c.delete("list")
    c.rpush("list", 1, 2, 3)
    assert c.blpop("list", 1) == ("list", "1") and c.lrange("list", 0, -1) == ["2", "3"]
    assert c.xadd("stream", {"f": "v"}) and len(c.xrange("stream")) == 1
    assert c.cluster_keyslot("{user}1") == c.cluster_keyslot("user")
    assert len(c.cluster_slots()) == 3
    wait("three shards", lambda: len(c.cluster_shards()) == 3)
    assert sum(node["flags"].count("master") for node in c.cluster_nodes().values()) == 3


def check_channels(cluster, c):
    heard = c.pubsub()
    heard.ssubscribe("room:1")
    wait("the subscription", lambda: heard.get_sharded_message(timeout=0.1))
    assert c.spublish("room:1", "hello") == 1
    message = []
    wait("the message", lambda: message.append(heard.get_sharded_message(timeout=0.1)) or message[-1])
    assert message[-1]["data"] == "hello", message
    heard.close()
    # A plain channel is the whole cluster's.
    primaries = {node.port for node in c.get_primaries()}
    replica = next(port for port in cluster.ports if port not in primaries)
    ears = redis.Redis(port=replica, decode_responses=True).pubsub()
    ears.subscribe("all")
    wait("the subscription", lambda: ears.get_message(timeout=0.1))
    redis.Redis(port=c.get_primaries()[0].port).publish("all", "to everybody")
    wait("the message", lambda: message.append(ears.get_message(timeout=0.1)) or message[-1])
    assert message[-1]["data"] == "to everybody", message
    ears.close()


def check_replicas(cluster, c):
    c.set("copied", "yes")
    reader = client(cluster, load_balancing_strategy=LoadBalancingStrategy.ROUND_ROBIN)
    wait("replicas to have it", lambda: {reader.get("copied") for _ in range(20)} == {"yes"})


class Writer:
    """Counts in many keys, and says what was acknowledged."""

    def __init__(self, c):
        self.client, self.counts, self.ends = c, {}, threading.Event()
        self.longest, self.errors = 0, 0
        self.thread = threading.Thread(target=self.write, daemon=True)
        self.thread.start()

    def write(self):
        n, last = 0, time.monotonic()
        while not self.ends.is_set():
            key, n = f"w:{n % 300}", n + 1
            try:
                self.counts[key] = self.client.incr(key)
            except redis.RedisError:
                self.errors += 1
                continue
            now = time.monotonic()
            self.longest, last = max(self.longest, now - last), now

    def begun(self, more=300):
        target = len(self.counts) and sum(self.counts.values()) + more or more
        wait("writes", lambda: sum(self.counts.values()) >= target)

    def finish(self):
        self.ends.set()
        self.thread.join(DEADLINE)


class Program:
    """A program of another language that uses the cluster; what it says is in cluster.cjs."""

    def __init__(self, name, words, cluster):
        self.name = name
        words = [*words, *map(str, cluster.ports[:2])]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def line(self):
        line = self.process.stdout.readline().strip()
        assert line, f"{self.name} has ended"
        return line

    def expect(self, word):
        line = self.line()
        assert line.split()[0] == word, f"{self.name}: {line}"
        return line

    def tell(self, word):
        self.process.stdin.write(word + "\n")
        self.process.stdin.flush()


def main():
    folder = Path(tempfile.mkdtemp())
    cluster = Cluster(folder)
    others = []
    try:
        c = client(cluster)
        check_commands(c)
        print("ok redis-py: commands, pipelines, transactions, scripts, scans")
        check_channels(cluster, c)
        print("ok redis-py: channels of slots and of all")
        check_replicas(cluster, c)
        print("ok redis-py: reads from replicas")
        programs = {name: ["node", HERE / "cluster.cjs", name] for name in ("ioredis", "node-redis")}
        if os.environ.get("REDIS_RS"):
            programs["redis-rs"] = [os.environ["REDIS_RS"]]
        others = [Program(name, words, cluster) for name, words in programs.items()]
        for other in others:
            other.expect("checked")
            did = "reads from replicas" if other.name == "redis-rs" else "transactions, channels"
            print(f"ok {other.name}: commands, pipelines, scripts, {did}")
        writer = Writer(c)
        writer.begun()
        primaries = [c.get_node_from_key(f"w:{n}").port for n in range(300)]
        source, target = primaries[0], next(p for p in primaries if p != primaries[0])
        ids = {port: redis.Redis(port=port).execute_command("CLUSTER MYID").decode() for port in (source, target)}
        cluster.cli("--cluster", "reshard", f"127.0.0.1:{source}", "--cluster-from", ids[source], "--cluster-to",
                    ids[target], "--cluster-slots", "1000", "--cluster-yes")
        writer.begun()
        print("ok slots move under writers")
        wait("a clean check", lambda: "[OK] All 16384 slots covered" in cluster.cli(
            "--cluster", "check", f"127.0.0.1:{target}"))
        before = dict(writer.counts)
        os.kill(cluster.nodes[source].pid, signal.SIGKILL)
        for other in others:
            other.tell("killed")
        cluster.nodes[source].wait()
        left = [port for port in cluster.ports if port != source]
        def is_over():
            info = redis.Redis(port=target, decode_responses=True).execute_command("CLUSTER INFO")
            return "ok" in (info.get("cluster_state") if isinstance(info, dict) else info.split("\n")[0])
        wait("a failover", is_over)
        wait("writes everywhere", lambda: all(writer.counts.get(key, 0) > before[key] for key in before))
        writer.finish()
        print(f"ok redis-py: writes on after a primary's death, {writer.longest:.2f} s without a write")
        lost = [key for key, count in writer.counts.items() if int(c.get(key)) < before[key]]
        assert not lost, f"written before the death and lost: {lost[:5]}"
        cluster.start(source)
        def rejoined():
            nodes = redis.Redis(port=target, decode_responses=True).execute_command("CLUSTER NODES")
            return "fail" not in str(nodes)
        wait("the dead one's return", rejoined)
        print("ok the dead primary returns as a replica")
        # node-redis hears of the failover when the dead node answers again.
        for other in others:
            print(f"ok {other.name}: writes on, {other.expect('over')[5:]}")
    finally:
        for other in others:
            other.process.kill()
        cluster.end()
        if sys.exc_info()[0]:
            for log in sorted(folder.glob("*/log")):
                print(f"--- {log.parent.name}\n" + "".join(open(log, errors="replace").readlines()[-15:]))
        shutil.rmtree(folder, ignore_errors=True)


main()
