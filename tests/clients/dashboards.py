"""A real Prometheus scrapes the server and answers what dashboards ask: dashboards.py PORT.

The queries stand in tests/data/dashboard-queries.txt; each must give a value. Prometheus is
the one of tests/peers/install."""
import json, os, shutil, socket, subprocess, sys, tempfile, time, urllib.parse, urllib.request
from pathlib import Path

import redis

PORT = int(sys.argv[1])
PEERS = Path(os.environ["RUSSET_PEERS_FOLDER"])
r = redis.Redis(port=PORT, socket_timeout=10)
queries = (Path(__file__).parent / "../data/dashboard-queries.txt").read_text().splitlines()
queries = [line for line in queries if line and not line.startswith("#")]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def work():
    for i in range(50):
        r.set(f"key:{i}", i, ex=1000 if i % 2 else None)
        r.get(f"key:{i}")
    try:
        r.lpush("key:1", 1)
    except redis.ResponseError:
        pass


def answer(query):
    at = f"http://127.0.0.1:{port}/api/v1/query?" + urllib.parse.urlencode({"query": query})
    with urllib.request.urlopen(at, timeout=10) as reply:
        said = json.load(reply)
    assert said["status"] == "success", (query, said)
    return said["data"]["result"]


program = PEERS / "prometheus/usr/bin/prometheus"
if not program.exists():
    print("left out: Prometheus is not installed")
    sys.exit(0)
metrics_port, port = free_port(), free_port()
assert r.config_set("metrics-port", metrics_port)
folder = tempfile.mkdtemp()
(Path(folder) / "prometheus.yml").write_text(json.dumps({
    "global": {"scrape_interval": "1s"},
    "scrape_configs": [{"job_name": "russet", "static_configs": [{"targets": [f"127.0.0.1:{metrics_port}"]}]}]}))
server = subprocess.Popen(
    [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
     f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"])
try:
    left, until = queries, time.monotonic() + 60
    # A rate needs two scrapes: what does not answer yet is asked again.
    while left and time.monotonic() < until:
        work()
        time.sleep(1)
        try:
            left = [query for query in left if not answer(query)]
        except OSError:
            continue
    assert not left, left
finally:
    server.kill()
    server.wait()
    shutil.rmtree(folder)
print(f"dashboards: {len(queries)} queries answer")
