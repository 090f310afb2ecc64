"""redis-py against a server: redis_py.py PORT."""
import os, sys, threading, time, warnings

import redis
from redis.exceptions import ExecAbortError, LockError, ResponseError, WatchError

PORT = int(sys.argv[1])
# Some of the newest helpers announce that they may change.
warnings.simplefilter("ignore")


def client(**options):
    return redis.Redis(port=PORT, socket_timeout=10, **options)


def has(command):
    # Not COMMAND INFO: redis-py cannot parse its answer about an unknown command.
    return bool(client().execute_command("COMMAND LIST", "FILTERBY", "PATTERN", command))


def connection():
    for protocol in (2, 3):
        r = client(protocol=protocol, client_name="checks", decode_responses=True)
        assert r.ping() is True
        assert r.client_getname() == "checks"
        assert r.echo("héllo") == "héllo"
        assert r.client_id() > 0
        assert "redis_version" in r.info("server")
    assert client(db=3).ping()
    raw = bytes(range(256)) * 300
    r = client()
    assert r.set(b"\x00\xff", raw) and r.get(b"\x00\xff") == raw
    try:
        client(db=99).ping()
        raise AssertionError("SELECT 99 was accepted")
    except ResponseError as error:
        assert "DB index is out of range" in str(error)


def values():
    r = client(decode_responses=True, protocol=3)
    r.flushdb()
    assert r.set("k", "v", ex=100, nx=True) is True
    assert r.set("k", "w", nx=True) is None
    assert 0 < r.ttl("k") <= 100
    assert r.set("k", "w", get=True) == "v"
    assert r.incrbyfloat("f", 0.5) == 0.5
    assert r.hset("h", mapping={"a": 1, "b": "x"}) == 2
    assert r.hgetall("h") == {"a": "1", "b": "x"}
    assert r.rpush("l", *range(5)) == 5 and r.lrange("l", 1, -2) == ["1", "2", "3"]
    assert r.sadd("s", "x", "y") == 2 and r.smembers("s") == {"x", "y"}
    assert r.zadd("z", {"a": 1, "b": 2.5}) == 2
    # How RESP3 scores are shaped is the library's choice; the numbers are ours.
    assert [(pair[0], float(pair[1])) for pair in r.zrange("z", 0, -1, withscores=True)] == [("a", 1.0), ("b", 2.5)]
    assert r.mget("k", "none") == ["w", None]
    assert sorted(r.scan_iter(match="*", count=2)) == ["f", "h", "k", "l", "s", "z"]
    try:
        r.lpush("k", 1)
        raise AssertionError("LPUSH on a string was accepted")
    except ResponseError as error:
        assert str(error).startswith("WRONGTYPE") or "wrong kind of value" in str(error)


def pipelines():
    r = client()
    r.flushdb()
    with r.pipeline(transaction=False) as p:
        for n in range(5000):
            p.set(f"k{n}", n)
            p.get(f"k{n}")
        replies = p.execute()
    assert replies[0::2] == [True] * 5000
    assert replies[1::2] == [str(n).encode() for n in range(5000)]
    replies = r.pipeline(transaction=False).set("a", "x").incr("a").get("a").execute(raise_on_error=False)
    assert replies[0] is True and isinstance(replies[1], ResponseError) and replies[2] == b"x"


def transactions():
    r = client()
    r.flushdb()
    assert r.pipeline().incr("n").incr("n").get("n").execute() == [1, 2, b"2"]
    with r.pipeline() as p:
        p.watch("n")
        client().set("n", 100)
        p.multi()
        p.incr("n")
        try:
            p.execute()
            raise AssertionError("EXEC ran although the key had changed")
        except WatchError:
            pass
    with r.pipeline() as p:
        p.watch("n")
        p.multi()
        p.incr("n")
        assert p.execute() == [101]
    r.delete("counter")

    def add():
        mine = client()
        for _ in range(50):
            mine.transaction(lambda p: (lambda n: (p.multi(), p.set("counter", n + 1)))(int(p.get("counter") or 0)), "counter")

    threads = [threading.Thread(target=add) for _ in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert int(r.get("counter")) == 200


def blocking():
    r = client()
    r.flushdb()
    begun = time.time()
    assert r.blpop("empty", timeout=0.2) is None
    assert 0.15 < time.time() - begun < 5
    got = []
    waiting = [threading.Thread(target=lambda: got.append(client().blpop(["a", "b"], timeout=10))) for _ in range(2)]
    [thread.start() for thread in waiting]
    until = time.time() + 10
    while r.info("clients")["blocked_clients"] < 2 and time.time() < until:
        time.sleep(0.01)
    r.rpush("b", "1", "2")
    [thread.join(10) for thread in waiting]
    assert sorted(got) == [(b"b", b"1"), (b"b", b"2")]
    r.rpush("from", "x")
    assert r.blmove("from", "to", timeout=1) == b"x"
    assert r.bzpopmin("zs", timeout=0.05) is None


def lock_without_scripts():
    r = client()
    r.flushdb()
    assert r.set("lock", "me", nx=True, px=200) is True
    assert r.set("lock", "you", nx=True, px=200) is None
    until = time.time() + 10
    while not r.set("lock", "you", nx=True, px=60000):
        assert time.time() < until, "the lock did not run out"
        time.sleep(0.01)
    assert r.get("lock") == b"you"


def lock_with_scripts():
    r = client()
    r.flushdb()
    with r.lock("job", timeout=10) as lock:
        assert not r.lock("job", blocking=False).acquire()
        assert lock.reacquire() and lock.extend(5)
    taken = r.lock("job", timeout=10)
    taken.acquire()
    r.set("job", "somebody else")
    try:
        taken.release()
        raise AssertionError("a lock of somebody else was released")
    except LockError:
        pass


def pubsub():
    r = client(decode_responses=True)
    p = r.pubsub()
    p.subscribe("news")
    p.psubscribe("n*")
    assert [p.get_message(timeout=5)["type"] for _ in range(2)] == ["subscribe", "psubscribe"]
    assert r.publish("news", "hi") == 2
    got = [p.get_message(timeout=5) for _ in range(2)]
    assert {message["type"] for message in got} == {"message", "pmessage"}
    assert all(message["data"] == "hi" for message in got)
    p.close()


def shard_channels_and_events():
    for protocol in (2, 3):
        r = client(decode_responses=True, protocol=protocol)
        p = r.pubsub()
        p.ssubscribe("s")
        assert p.get_message(timeout=5)["type"] == "ssubscribe"
        assert r.execute_command("SPUBLISH", "s", "hi") == 1
        got = p.get_message(timeout=5)
        assert (got["type"], got["data"]) == ("smessage", "hi")
        p.close()
        r.config_set("notify-keyspace-events", "KEA")
        p = r.pubsub()
        p.psubscribe("__keyevent@0__:*")
        assert p.get_message(timeout=5)["type"] == "psubscribe"
        r.set("event", 1, px=20)
        events = [p.get_message(timeout=5)["channel"].split(":")[1] for _ in range(3)]
        assert events == ["set", "expire", "expired"], events
        r.config_set("notify-keyspace-events", "")
        p.close()


def caching():
    from redis.cache import CacheConfig

    r = client(decode_responses=True, protocol=3, cache_config=CacheConfig())
    other = client()
    other.set("cached", "old")
    assert r.get("cached") == "old" and r.get("cached") == "old"
    assert r.get_cache().size > 0
    other.set("cached", "new")
    until = time.time() + 10
    while r.get("cached") != "new":
        assert time.time() < until, "the cache is never told"
    r.close()


def scripts_and_functions():
    for protocol in (2, 3):
        r = client(decode_responses=True, protocol=protocol)
        r.script_flush()
        r.delete("counter")
        limited = r.register_script("""
            local n = redis.call('INCR', KEYS[1])
            if n == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end
            return n <= tonumber(ARGV[2]) and 1 or 0""")
        assert r.script_exists(limited.sha) == [False]
        assert [limited(keys=["counter"], args=[10000, 2]) for _ in range(3)] == [1, 1, 0]
        assert r.script_exists(limited.sha) == [True]
        with r.pipeline() as p:
            limited(keys=["counter"], args=[10000, 10], client=p)
            p.get("counter")
            assert p.execute() == [1, "4"]
        r.function_load("#!lua name=lib\nredis.register_function('twice', function(k, a) return a[1] * 2 end)", replace=True)
        assert r.fcall("twice", 0, 21) == 42
        dump = client(protocol=protocol).function_dump()
        r.function_flush("SYNC")
        client(protocol=protocol).function_restore(dump)
        assert r.fcall("twice", 0, 4) == 8
        try:
            r.eval("return redis.call('nosuch')", 0)
            assert False, "an unknown command"
        except redis.ResponseError as error:
            assert "script: " in str(error) and "@user_script:1." in str(error), error
        r.function_flush()


def newest():
    """The helpers for what Redis 8.2 to 8.10 added."""
    from redis.commands.core import ArrayAggregateOperations, ArrayPredicateType, DataPersistOptions, HotkeysMetricsTypes

    for protocol in (2, 3):
        r = client(decode_responses=True, protocol=protocol)
        r.flushdb()
        # Strings and counters.
        assert r.set("k", "v") and r.set("k", "w", ifeq="v") and r.set("k", "x", ifne="w") is None
        assert r.digest("k") == r.digest_local(b"w") and r.digest("none") is None
        assert r.set("k", "y", ifdeq=r.digest_local(b"w")) and r.delex("k", ifdne=r.digest_local(b"y")) == 0
        assert r.delex("k", ifeq="y") == 1 and not r.exists("k")
        assert r.msetex({"a": 1, "b": 2}, ex=100, data_persist_option=DataPersistOptions.NX) == 1
        assert r.msetex({"a": 3, "c": 4}, data_persist_option=DataPersistOptions.NX) == 0 and 0 < r.ttl("b") <= 100
        assert [float(n) for n in r.increx("n", byint=5, ubound=7, ex=100)] == [5, 5]
        assert [float(n) for n in r.increx("n", byint=5, ubound=7, saturate=True)] == [7, 2]
        assert float(r.increx("f", byfloat=0.5)[0]) == 0.5
        # Lists, sets, sorted sets.
        r.rpush("l", 1, 2, 3, 4)
        assert r.lmovem("l", "m", "LEFT", "RIGHT", count=2, mode="COUNT", ordering="BULK") == ["1", "2"]
        assert r.blmovem("l", "m", 1, "LEFT", "RIGHT") == ["3"] and r.lrange("m", 0, -1) == ["1", "2", "3"]
        r.sadd("s", 1, 2, 3), r.sadd("t", 3, 4)
        assert r.sunioncard(2, ["s", "t"]) == 4 and r.sdiffcard(2, ["s", "t"], limit=1) == 1
        r.zadd("z", {"a": 1, "b": 2}), r.zadd("y", {"b": 9})
        counted = r.zunion(["z", "y"], aggregate="COUNT", withscores=True)
        assert [(member, float(score)) for member, score in counted] == [("a", 1), ("b", 2)]
        # Streams.
        first = r.xadd("x", {"f": 1}, idmp=("producer", b"1"))
        assert r.xadd("x", {"f": 1}, idmp=("producer", b"1")) == first and r.xlen("x") == 1
        assert r.xcfgset("x", idmp_duration=200, idmp_maxsize=50) in (True, "OK")
        r.xgroup_create("x", "g", 0), r.xadd("x", {"f": 2})
        assert len(r.xreadgroup("g", "one", {"x": ">"}, count=2)) == 1
        assert r.xnack("x", "g", "FAIL", first) == 1
        again = r.xreadgroup("g", "two", {"x": ">"}, claim_min_idle_time=0)
        entries = again["x"] if isinstance(again, dict) else again[0][1]
        assert first in str(entries)
        assert r.xackdel("x", "g", first, ref_policy="DELREF") == [1] and r.xlen("x") == 1
        assert r.xdelex("x", "1-1") == [-1]
        # Arrays.
        assert r.arset("arr", 5, "five", "six") == 2 and r.arget("arr", 6) == "six" and r.arlen("arr") == 7
        assert r.armset("arr", {0: 1, 1: 2}) == 2 and r.armget("arr", 0, 2) == ["1", None]
        assert int(r.arop("arr", 0, 1, ArrayAggregateOperations.SUM)) == 3
        assert r.argrep("arr", 0, 10, [(ArrayPredicateType.EXACT, "five")]) == [5]
        assert r.arscan("arr", 0, 5) == [[0, "1"], [1, "2"], [5, "five"]]
        assert r.arinsert("log", "a", "b") == 1 and r.arlastitems("log", 1) == ["b"] and r.ardel("arr", 5) == 1
        # Fieldsets and keys in use.
        assert r.himport_prepare("people", ["name", "age"]) and r.himport_set("h", "people", ["Bob", 30])
        assert r.hgetall("h") == {"name": "Bob", "age": "30"}
        r.hotkeys_start([HotkeysMetricsTypes.CPU])
        r.get("h2"), r.hotkeys_stop()
        assert r.hotkeys_get()
        r.hotkeys_reset()


def tls():
    folder, port = os.environ["TLS_FOLDER"], int(os.environ["TLS_PORT"])
    shown = {"ssl_certfile": f"{folder}/client.crt", "ssl_keyfile": f"{folder}/client.key"}

    def under_tls(**options):
        return redis.Redis(host="localhost", port=port, ssl=True, ssl_ca_certs=f"{folder}/ca.crt", socket_timeout=10, **options)

    for protocol in (2, 3):
        r = under_tls(protocol=protocol, **shown)
        big = bytes(range(256)) * 8000
        assert r.set("big", big) and r.get("big") == big
        pipe = r.pipeline(transaction=False)
        for n in range(3000):
            pipe.set(f"t{n}", n).get(f"t{n}")
        assert pipe.execute()[1::2] == [str(n).encode() for n in range(3000)]
        p = r.pubsub(ignore_subscribe_messages=True)
        p.subscribe("news")
        p.get_message(timeout=1)
        client().publish("news", "hi")
        until = time.time() + 10
        while not (message := p.get_message(timeout=0.1)):
            assert time.time() < until, "no message"
        assert message["data"] == b"hi"
        p.close()
    # A certificate of version 1, as `openssl x509 -req` makes it when it is told nothing more.
    assert under_tls(ssl_certfile=f"{folder}/old.crt", ssl_keyfile=f"{folder}/old.key").ping()
    for refused in (under_tls(), redis.Redis(port=port, socket_timeout=10),
                    redis.Redis(port=PORT, ssl=True, ssl_cert_reqs="none", socket_timeout=10)):
        try:
            refused.ping()
            raise AssertionError("was let in")
        except redis.ConnectionError:
            pass


CHECKS = [
    (connection, None), (values, None), (pipelines, None), (transactions, None), (blocking, None),
    (lock_without_scripts, None), (lock_with_scripts, ("evalsha", "scripting")), (tls, None),
    (scripts_and_functions, ("fcall", "scripting")), (pubsub, ("subscribe", "pub/sub")),
    (shard_channels_and_events, ("ssubscribe", "pub/sub")), (caching, ("subscribe", "client-side caching")),
    (newest, ("arset", "the words of Redis 8.10")),
]

failed = 0
for check, needs in CHECKS:
    if needs and not has(needs[0]):
        print(f"left out: {check.__name__} waits for {needs[1]}")
        continue
    try:
        check()
        print(f"ok {check.__name__}")
    except Exception as error:
        import traceback

        failed += 1
        print(f"FAILED {check.__name__}: {error!r}")
        traceback.print_exc()
sys.exit(1 if failed else 0)
