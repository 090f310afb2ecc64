"""LangGraph's memory in Redis: the checkpoints of a graph's steps (RedisSaver, ShallowRedisSaver, and AsyncRedisSaver by
LangGraph's own tests of such classes) and what agents remember (RedisStore), with vectors of the test's own.

    langgraph_agents.py PORT

Called by `run`, which installs it. Redis Stack 7.4 passes it but for RedisStore: it finds no phrase with an escaped sign.
"""
import asyncio
import operator
import sys
from typing import Annotated, TypedDict

import redis
from langgraph.checkpoint.base import create_checkpoint, empty_checkpoint
from langgraph.checkpoint.conformance import checkpointer_test, validate
from langgraph.checkpoint.redis import RedisSaver
from langgraph.checkpoint.redis.aio import AsyncRedisSaver
from langgraph.checkpoint.redis.shallow import ShallowRedisSaver
from langgraph.graph import END, START, StateGraph
from langgraph.store.redis import RedisStore

from stubs import embedded

PORT = int(sys.argv[1])
URL = f"redis://127.0.0.1:{PORT}"


def same(label, found, expected):
    if found != expected:
        raise SystemExit(f"{label}: {found!r}, not {expected!r}")


def checkpoints():
    with RedisSaver.from_conn_string(URL) as saver:
        saver.setup()
        saver.setup()
        config = {"configurable": {"thread_id": "thread-1", "checkpoint_ns": ""}}
        same("nothing yet", saver.get_tuple(config), None)
        ids, at = [], config
        for step in range(3):
            checkpoint = create_checkpoint(empty_checkpoint(), None, step)
            checkpoint["channel_values"] = {"messages": [f"message {step}"], "count": step}
            checkpoint["channel_versions"] = {"messages": str(step), "count": str(step)}
            metadata = {"source": "loop" if step else "input", "step": step, "writes": {}}
            at = saver.put(at, checkpoint, metadata, checkpoint["channel_versions"])
            ids.append(at["configurable"]["checkpoint_id"])
        saver.put_writes(at, [("messages", "one"), ("count", 7)], "task-1")

        found = saver.get_tuple(config)
        same("the last", found.checkpoint["id"], ids[2])
        same("its values", found.checkpoint["channel_values"], {"messages": ["message 2"], "count": 2})
        same("its metadata", found.metadata["step"], 2)
        same("its parent", found.parent_config["configurable"]["checkpoint_id"], ids[1])
        same("its writes", sorted(found.pending_writes), [("task-1", "count", 7), ("task-1", "messages", "one")])
        earlier = {"configurable": {**config["configurable"], "checkpoint_id": ids[0]}}
        same("an earlier one", saver.get_tuple(earlier).checkpoint["channel_values"]["count"], 0)

        def listed(*args, **options):
            return [found.checkpoint["id"] for found in saver.list(*args, **options)]

        same("list", listed(config), ids[::-1])
        same("a limit", listed(config, limit=1), ids[2:])
        same("a filter", listed(config, filter={"source": "loop"}), ids[:0:-1])
        same("a filter by step", listed(None, filter={"step": 1}), [ids[1]])
        same("another thread", listed({"configurable": {"thread_id": "thread-2"}}), [])
        saver.delete_thread("thread-1")
        same("deleted", (listed(config), saver.get_tuple(config)), ([], None))


# What AsyncRedisSaver itself lacks: these fail with Redis Stack, too.
LACKING = {
    "test_list_before", "test_list_by_namespace", "test_list_limit_plus_before", "test_list_metadata_custom_keys",
    "test_list_multiple_namespaces", "test_prune_empty_list_noop", "test_prune_keep_latest_across_namespaces",
}


def conformance():
    @checkpointer_test(name="AsyncRedisSaver")
    async def savers():
        redis.Redis(port=PORT).flushall()
        async with AsyncRedisSaver.from_conn_string(URL) as saver:
            await saver.asetup()
            yield saver

    report = asyncio.run(validate(savers))
    failed = [failure for result in report.results.values() for failure in result.failures]
    same("conformance", [failure for failure in failed if failure.split(":")[0] not in LACKING], [])
    same("tests of conformance", sum(result.tests_passed for result in report.results.values()) > 40, True)


class State(TypedDict):
    words: Annotated[list, operator.add]


def graph(saver_class, is_shallow):
    with saver_class.from_conn_string(URL) as saver:
        saver.setup()
        steps = StateGraph(State)
        steps.add_node("first", lambda state: {"words": ["first"]})
        steps.add_node("second", lambda state: {"words": [f"second after {len(state['words'])}"]})
        steps.add_edge(START, "first")
        steps.add_edge("first", "second")
        steps.add_edge("second", END)
        made = steps.compile(checkpointer=saver, interrupt_before=["second"])
        config = {"configurable": {"thread_id": f"graph-{saver_class.__name__}"}}
        made.invoke({"words": ["begin"]}, config)
        same("stopped before", made.get_state(config).next, ("second",))
        said = made.invoke(None, config)["words"]
        same("went on", said, ["begin", "first", "second after 2"])
        same("kept", made.get_state(config).values["words"], said)
        steps_kept = [len(state.values.get("words", [])) for state in made.get_state_history(config)]
        same("history", steps_kept, [3] if is_shallow else [3, 2, 1, 0])
        saver.delete_thread(config["configurable"]["thread_id"])


def memories():
    def vectors(texts):
        return [embedded(text).tolist() for text in texts]

    with RedisStore.from_conn_string(URL, index={"dims": 768, "embed": vectors, "fields": ["text"], "distance_type": "cosine"}) as store:
        store.setup()
        mine, yours = ("users", "me"), ("users", "you")
        texts = ["likes red houses", "has two cats", "works in the town"]
        for at, text in enumerate(texts):
            store.put(mine, f"note-{at}", {"text": text, "kind": "cat" if "cat" in text else "life", "at": at})
        store.put(yours, "note-0", {"text": "likes boats", "kind": "life", "at": 9})
        same("get", store.get(mine, "note-1").value["text"], texts[1])
        same("none", store.get(mine, "note-9"), None)
        same("search", [item.key for item in store.search(mine, query="who has cats", limit=1)], ["note-1"])
        found = store.search(mine, query="likes", filter={"kind": "life"})
        same("search with a filter", sorted(item.key for item in found), ["note-0", "note-2"])
        same("filter", [item.key for item in store.search(mine, filter={"at": 2})], ["note-2"])
        same("of all users", len(store.search(("users",))), 4)
        same("list_namespaces", sorted(store.list_namespaces(prefix=("users",))), [mine, yours])
        store.put(mine, "note-1", {"text": "has a dog", "kind": "dog", "at": 1})
        same("put again", [item.key for item in store.search(mine, query="a dog", limit=1)], ["note-1"])
        store.delete(mine, "note-1")
        same("delete", (store.get(mine, "note-1"), len(store.search(mine))), (None, 2))


redis.Redis(port=PORT).flushall()
checkpoints()
conformance()
graph(RedisSaver, False)
graph(ShallowRedisSaver, True)
memories()
print("LangGraph: passed")
