"""What a scrape says, read by Prometheus's own parsers: metrics.py PORT.

The server's metrics port is one that nobody uses now; CONFIG SET opens it."""
import base64, os, shutil, socket, subprocess, sys, time, urllib.error, urllib.request
from pathlib import Path

import redis
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus

PORT = int(sys.argv[1])
r = redis.Redis(port=PORT, socket_timeout=10, decode_responses=True)
HERE = Path(__file__).parent

# Names of redis_exporter that Prometheus's linter would have others for; it may say nothing else.
EXPORTERS_NAMES = {
    "redis_aof_current_rewrite_duration_sec",
    "redis_aof_last_rewrite_duration_sec",
    "redis_current_eviction_exceeded_time_ms",
    "redis_eviction_exceeded_time_ms_total",
    "redis_expire_cycle_cpu_time_ms_total",
    "redis_latency_percentiles_usec",
    "redis_paused_timeout_milliseconds",
    "redis_rdb_current_bgsave_duration_sec",
    "redis_rdb_last_bgsave_duration_sec",
}


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def fetch(path="/metrics", **headers):
    request = urllib.request.Request(f"http://127.0.0.1:{metrics_port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers["Content-Type"], answer.read().decode()


def work():
    for i in range(200):
        r.set(f"key:{i}", i, ex=1000 if i % 2 else None)
        r.get(f"key:{i}")
    r.lpush("list", *range(100))
    r.hset("hash", mapping={"a": 1})
    for _ in range(3):
        try:
            r.lpush("key:1", 1)
        except redis.ResponseError:
            pass


metrics_port = free_port()
assert r.config_set("metrics-port", metrics_port)
work()

kind, text = fetch(Accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
assert kind.startswith("application/openmetrics-text; version=1.0.0"), kind
families = {family.name: family for family in open_metrics(text)}
kind, old = fetch(Accept="text/plain;version=0.0.4")
assert kind.startswith("text/plain; version=0.0.4"), kind
classic = {family.name: family for family in prometheus(old)}
# Both formats name the same families, each with a type and a help text. OpenMetrics allows no quantile
# above 1, as redis_exporter's are: there a summary is three families.
expected = set()
for name, family in classic.items():
    assert family.type in ("counter", "gauge", "unknown", "summary", "histogram"), family
    assert family.documentation, family
    if family.type == "counter":
        expected.add(name.removesuffix("_total"))
    elif family.type == "summary":
        expected |= {name, name + "_sum", name + "_count"}
    else:
        expected.add(name)
assert set(families) == expected, set(families) ^ expected

samples = {sample.name: sample for family in families.values() for sample in family.samples}
wanted = (HERE / "../data/dashboard-metrics.txt").read_text().split("\n")
missing = [name for name in wanted if name and not name.startswith("#") and name not in samples]
assert not missing, missing


def value(name, **labels):
    found = [sample.value for family in families.values() for sample in family.samples
             if sample.name == name and sample.labels == labels]
    assert len(found) == 1, (name, labels, found)
    return found[0]


assert value("redis_commands_total", cmd="set") == 200
assert value("redis_errors_total", err="WRONGTYPE") == 3
assert value("redis_db_keys", db="db0") == 202
assert value("redis_db_keys_expiring", db="db0") == 100
assert value("redis_up") == 1
info = r.info()
assert value("redis_uptime_in_seconds") <= info["uptime_in_seconds"] <= value("redis_uptime_in_seconds") + 5
assert value("redis_memory_max_bytes") == info["maxmemory"]

# The server's own measure of the scrape before: under a millisecond with all of this.
best = 1.0
for _ in range(20):
    _, text = fetch()
    line = next(l for l in text.splitlines() if l.startswith("redis_exporter_last_scrape_duration_seconds "))
    best = min(best, float(line.split()[1]) or best)
    time.sleep(0.01)
print(f"a scrape of {len(text)} bytes holds the loop for {best * 1e6:.0f} us")
assert best < 0.001, best

r.config_set("metrics-password", "s3cret")
try:
    fetch()
    raise AssertionError("no password was asked for")
except urllib.error.HTTPError as refused:
    assert refused.code == 401
basic = base64.b64encode(b"prometheus:s3cret").decode()
assert "redis_up 1" in fetch(Authorization=f"Basic {basic}")[1]
assert "redis_up 1" in fetch(Authorization="Bearer s3cret")[1]
assert fetch("/readyz")[1] == "ok\n"

installed = Path(os.environ.get("RUSSET_PEERS_FOLDER", "/nonexistent")) / "prometheus/usr/bin/promtool"
promtool = str(installed) if installed.exists() else shutil.which("promtool")
if promtool:
    said = subprocess.run([promtool, "check", "metrics"], input=old, text=True, capture_output=True)
    problems = [line for line in (said.stdout + said.stderr).splitlines()
                if line and line.split()[0] not in EXPORTERS_NAMES]
    assert not problems, problems
    print("promtool finds no fault but the exporter's names")
else:
    print("left out: promtool is not installed")
print("metrics: ok")
