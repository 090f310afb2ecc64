"""A real Prometheus scrapes the server and answers what dashboards ask: dashboards.py PORT.

The queries stand in tests/data/dashboard-queries.txt; each must give a value, and so must those of our own dashboard
for Grafana but for the few that need a replica or a scrub. Prometheus is the one of tests/peers/install."""
import json, os, shutil, socket, subprocess, sys, tempfile, time, urllib.parse, urllib.request
from pathlib import Path

import redis

PORT = int(sys.argv[1])
PEERS = Path(os.environ["RUSSET_PEERS_FOLDER"])
r = redis.Redis(port=PORT, socket_timeout=10)
queries = (Path(__file__).parent / "../data/dashboard-queries.txt").read_text().splitlines()
queries = [line for line in queries if line and not line.startswith("#")]
dashboard = json.loads((Path(__file__).parent / "../../packaging/grafana/russet.json").read_text())
own = [target["expr"].replace("$instance", ".+") for panel in dashboard["panels"] for target in panel.get("targets", [])]
# Answered with an empty list by a server without a replica, a spike, a running snapshot, and whose log was not read again.
EMPTY = ("russet_connected_slave_lag_bytes", "russet_aof_last_scrub_timestamp_seconds", "russet_aof_last_scrub_duration_sec",
         "russet_latency_spike_max_seconds", "russet_demotion_lost", "russet_master_sync_refused", "russet_sentinel_", "russet_snapshot_early_bytes")
may_be_empty = [query for query in own if any(name in query for name in EMPTY)]
# Answered while replies wait for replicas (min-sync-replicas), which this script's own writes would do.
# Those of a group (sync-quorum), of which this server is none.
OF_GROUP = ("russet_sync_member", "russet_sync_clean", "russet_sync_acknowledgements", "russet_sync_takeovers", "russet_sync_lossy_takeovers",
            "russet_sync_tail_bytes", "russet_sync_unclean")
of_group = [query for query in own if any(name in query for name in OF_GROUP)]
synchronous = [query for query in own if "russet_sync_" in query and query not in of_group]
assert len(own) > 50 and 0 < len(may_be_empty) < 15, (len(own), may_be_empty)
queries += [query for query in own if query not in may_be_empty + synchronous + of_group]


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
# Series of a log are there while there is one, a limit is drawn where one is set.
assert r.config_set("appendonly", "yes") and r.config_set("maxmemory", "1gb")
folder = tempfile.mkdtemp()
(Path(folder) / "prometheus.yml").write_text(json.dumps({
    "global": {"scrape_interval": "1s"},
    "scrape_configs": [{"job_name": "russet", "static_configs": [{"targets": [f"127.0.0.1:{metrics_port}"]}]}]}))
server = subprocess.Popen(
    [program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
     f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"])


def ask_until_answered(left, before_each):
    """A rate needs two scrapes: a query without an answer is asked again, for a minute."""
    until = time.monotonic() + 60
    while left and time.monotonic() < until:
        before_each()
        time.sleep(1)
        try:
            left = [query for query in left if not answer(query)]
        except OSError:
            continue
    assert not left, left


try:
    ask_until_answered(queries, work)
    assert synchronous and r.config_set("min-sync-replicas", 1)
    ask_until_answered(synchronous, lambda: None)
    assert r.config_set("min-sync-replicas", 0)
    for query in may_be_empty + of_group:
        answer(query)
finally:
    server.kill()
    server.wait()
    shutil.rmtree(folder)
queries += synchronous
print(f"dashboards: {len(queries)} queries answer, {len(own)} of them our own dashboard's")
