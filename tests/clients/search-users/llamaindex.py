"""LlamaIndex's RedisVectorStore as its users call it: nodes with vectors of the test's own are added, found by
nearness and by filters, and deleted. Its redisvl is older than the one of libraries.py.

    llamaindex.py PORT

Called by `run`, which installs it. Redis Stack 7.4 passes it, too.
"""
import sys

import redis
from llama_index.core.schema import NodeRelationship, RelatedNodeInfo, TextNode
from llama_index.core.vector_stores.types import (FilterCondition, FilterOperator, MetadataFilter, MetadataFilters,
                                                  VectorStoreQuery)
from llama_index.vector_stores.redis import RedisVectorStore
from redisvl.schema import IndexSchema

from stubs import embedded

PORT = int(sys.argv[1])
URL = f"redis://127.0.0.1:{PORT}"
TEXTS = [
    "a red house by the sea",
    "a blue house in the town",
    "the red boat on the sea",
    "cats sleep all day",
    "dogs bark at cats",
    "the town has a market",
]


def same(label, found, expected):
    if found != expected:
        raise SystemExit(f"{label}: {found!r}, not {expected!r}")


def nodes():
    return [
        TextNode(id_=f"node-{at}", text=text, embedding=embedded(text).tolist(),
                 metadata={"kind": "animal" if "cat" in text else "place", "year": 2000 + at, "title": text},
                 relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"document-{at % 2}")})
        for at, text in enumerate(TEXTS)
    ]


def filters(*conditions, condition=FilterCondition.AND):
    return MetadataFilters(condition=condition, filters=[
        MetadataFilter(key=key, operator=FilterOperator(operator), value=value) for key, operator, value in conditions
    ])


def check(algorithm):
    schema = IndexSchema.from_dict({
        "index": {"name": f"llama_{algorithm}", "prefix": f"llama/{algorithm}", "key_separator": "_"},
        "fields": [
            {"name": "id", "type": "tag"},
            {"name": "doc_id", "type": "tag"},
            {"name": "text", "type": "text"},
            {"name": "kind", "type": "tag"},
            {"name": "year", "type": "numeric"},
            {"name": "title", "type": "text"},
            {"name": "vector", "type": "vector", "attrs": {"dims": 768, "algorithm": algorithm, "distance_metric": "cosine"}},
        ],
    })
    store = RedisVectorStore(schema=schema, redis_url=URL, overwrite=True)
    same("index_exists", store.index_exists(), True)
    same("add", len(store.add(nodes())), 6)

    def ask(text, limit, *conditions, **options):
        chosen = filters(*conditions, **options) if conditions else None
        return store.query(VectorStoreQuery(query_embedding=embedded(text).tolist(), similarity_top_k=limit, filters=chosen))

    def names(*args, **options):
        return sorted(node.node_id for node in ask(*args, **options).nodes)

    found = ask("a red house", 2)
    same("keys", found.ids, [f"llama/{algorithm}_node-0", f"llama/{algorithm}_node-1"])
    same("nodes", [node.get_content() for node in found.nodes], TEXTS[:2])
    same("similarities fall", found.similarities == sorted(found.similarities, reverse=True) and found.similarities[0] > 0.5, True)
    same("metadata", found.nodes[0].metadata["year"], 2000)
    for conditions, options, expected in (
        ([("kind", "==", "animal")], {}, [3, 4]),
        ([("kind", "!=", "animal"), ("year", ">", 2001)], {}, [2, 5]),
        ([("year", ">=", 2001), ("year", "<=", 2003)], {}, [1, 2, 3]),
        ([("kind", "==", "animal"), ("year", "==", 2000)], {"condition": FilterCondition.OR}, [0, 3, 4]),
        ([("kind", "in", ["animal", "plant"])], {}, [3, 4]),
        ([("title", "text_match", "mark*")], {}, [5]),
        ([("title", "==", "red boat")], {}, [2]),
        ([("year", "==", 1)], {}, []),
    ):
        same(conditions, names("a red house", 6, *conditions, **options), [f"node-{at}" for at in expected])

    same("get_nodes", [node.node_id for node in store.get_nodes(["node-2"])], ["node-2"])
    store.delete("document-1")
    same("delete", names("a red house", 6), ["node-0", "node-2", "node-4"])
    store.delete_nodes(["node-4"])
    same("delete_nodes", names("a red house", 6), ["node-0", "node-2"])
    store.delete_nodes(filters=filters(("year", ">", 2001)))
    same("delete_nodes by a filter", names("a red house", 6), ["node-0"])
    store.delete_index()
    same("delete_index", (store.index_exists(), redis.Redis(port=PORT).keys("llama/*")), (False, []))


for algorithm in ("flat", "hnsw"):
    check(algorithm)
print("LlamaIndex: passed")
