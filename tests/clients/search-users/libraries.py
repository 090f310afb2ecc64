"""Libraries that keep documents in indexes, as their users call them: redisvl's index and queries, langchain-redis's
vector store, redis-om's models, and what Spring AI sends.

    libraries.py PORT

Called by `run`, which installs them.
"""
import json
import sys
from typing import Optional

import numpy
import redis

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


def blob(text):
    return embedded(text).astype("float32").tobytes()


def same(label, found, expected):
    if found != expected:
        raise SystemExit(f"{label}: {found!r}, not {expected!r}")


def redisvl(storage):
    from redisvl.index import SearchIndex
    from redisvl.query import (AggregateHybridQuery, CountQuery, FilterQuery, HybridQuery, TextQuery, VectorQuery,
                               VectorRangeQuery)
    from redisvl.query.filter import Geo, GeoRadius, Num, Tag, Text

    index = SearchIndex.from_dict({
        "index": {"name": f"users_{storage}", "prefix": f"users_{storage}", "storage_type": storage},
        "fields": [
            {"name": "number", "type": "tag"},
            {"name": "kind", "type": "tag"},
            {"name": "year", "type": "numeric"},
            {"name": "text", "type": "text"},
            {"name": "place", "type": "geo"},
            {"name": "embedding", "type": "vector",
             "attrs": {"dims": 768, "algorithm": "hnsw", "distance_metric": "cosine", "datatype": "float32"}},
        ],
    }, redis_url=URL)
    index.create(overwrite=True, drop=True)
    documents = [
        {"number": str(at), "kind": "animal" if "cat" in text else "place", "year": 2000 + at, "text": text,
         "place": f"{at},{at}", "embedding": blob(text) if storage == "hash" else embedded(text).tolist()}
        for at, text in enumerate(TEXTS)
    ]
    index.load(documents, id_field="number")
    def ids(query):
        return [row["number"] for row in index.query(query)]

    vector = dict(vector=blob("a red house"), vector_field_name="embedding", return_fields=["number"])
    same("VectorQuery", ids(VectorQuery(**vector, num_results=2)), ["0", "1"])
    of_animals = Tag("kind") == "animal"
    same("a tag", sorted(ids(VectorQuery(**vector, filter_expression=of_animals))), ["3", "4"])
    late = (Num("year") >= 2002) & (Tag("kind") != "animal")
    same("numbers", sorted(ids(VectorQuery(**vector, filter_expression=late))), ["2", "5"])
    same("range", ids(VectorRangeQuery(**vector, distance_threshold=0.4)), ["0"])
    filtered = dict(return_fields=["number"], sort_by="year")
    same("text", ids(FilterQuery(filter_expression=Text("text") % "red|town", **filtered)), ["0", "1", "2", "5"])
    same("prefix", ids(FilterQuery(filter_expression=Text("text") % "mark*", **filtered)), ["5"])
    near = Geo("place") == GeoRadius(0, 0, 200, "km")
    same("place", ids(FilterQuery(filter_expression=near, **filtered)), ["0", "1"])
    same("CountQuery", index.query(CountQuery(of_animals)), 2)
    same("TextQuery", sorted(ids(TextQuery("house sea", "text", return_fields=["number"]))), ["0", "1", "2"])
    both = dict(text="red house", text_field_name="text", **vector)
    same("AggregateHybridQuery", ids(AggregateHybridQuery(**both, num_results=2)), ["0", "1"])
    if index.client.info("server")["redis_version"] >= "8.4":
        same("HybridQuery", ids(HybridQuery(**both, num_results=2))[0], "0")
    pages = index.paginate(FilterQuery(return_fields=["number"], sort_by="year"), page_size=4)
    same("paginate", [[row["number"] for row in page] for page in pages], [["0", "1", "2", "3"], ["4", "5"]])
    same("fetch", index.fetch("3")["text"], TEXTS[3])
    same("info", index.info()["num_docs"], 6)
    same("drop_keys", index.drop_keys(f"users_{storage}:3"), 1)
    same("the rest", index.query(CountQuery(of_animals)), 1)
    index.delete(drop=True)
    same("exists", index.exists(), False)


def redisvl_extensions():
    from redisvl.extensions.cache.llm import SemanticCache
    from redisvl.extensions.message_history import MessageHistory, SemanticMessageHistory
    from redisvl.utils.vectorize import HFTextVectorizer

    words = HFTextVectorizer()
    cache = SemanticCache(name="users_cache", redis_url=URL, distance_threshold=0.2, vectorizer=words, overwrite=True)
    cache.store("what is the capital of France", "Paris")
    same("the cache", [hit["response"] for hit in cache.check("what is the capital of France ?")], ["Paris"])
    same("another prompt", cache.check("who barks at cats"), [])
    cache.delete()

    history = MessageHistory(name="users_history", redis_url=URL)
    for at in range(4):
        history.add_message({"role": "user" if at % 2 == 0 else "llm", "content": f"message {at}"})
    same("history", [message["content"] for message in history.get_recent(top_k=3)], ["message 1", "message 2", "message 3"])
    history.delete()
    history = SemanticMessageHistory(name="users_semantic", redis_url=URL, vectorizer=words, overwrite=True)
    history.store("cats sleep all day", "yes they do")
    history.store("the market is closed", "on sundays")
    found = history.get_relevant("when do cats sleep", distance_threshold=0.6)
    same("relevant", found[0]["content"], "cats sleep all day")
    history.delete()


def langchain():
    from langchain_core.embeddings import Embeddings
    from langchain_redis import RedisConfig, RedisVectorStore
    from redisvl.query.filter import Tag

    class Words(Embeddings):
        def embed_documents(self, texts):
            return [embedded(text).tolist() for text in texts]

        def embed_query(self, text):
            return embedded(text).tolist()

    config = RedisConfig(index_name="users_langchain", redis_url=URL,
                         metadata_schema=[{"name": "kind", "type": "tag"}, {"name": "year", "type": "numeric"}])
    store = RedisVectorStore(Words(), config=config)
    metadata = [{"kind": "animal" if "cat" in text else "place", "year": at} for at, text in enumerate(TEXTS)]
    keys = store.add_texts(TEXTS, metadata)
    same("keys", len(keys), 6)
    same("similarity_search", [found.page_content for found in store.similarity_search("a red house", k=2)], TEXTS[:2])
    found = store.similarity_search_with_score("a red house", k=3, filter=Tag("kind") == "animal")
    same("with a filter", sorted(document.page_content for document, _ in found), sorted(TEXTS[3:5]))
    found = store.max_marginal_relevance_search("red sea", k=2, fetch_k=4)
    same("max_marginal_relevance_search", len(found), 2)
    same("get_by_ids", [document.page_content for document in store.get_by_ids([keys[2]])], [TEXTS[2]])
    store.delete([keys[0]])
    same("delete", store.similarity_search("a red house", k=1)[0].page_content, TEXTS[1])
    store.index.delete(drop=True)


def redis_om():
    from redis_om import EmbeddedJsonModel, Field, HashModel, JsonModel, Migrator, get_redis_connection

    connection = get_redis_connection(url=URL, decode_responses=True)

    class Customer(HashModel, index=True):
        name: str = Field(index=True)
        age: int = Field(index=True, sortable=True)
        bio: str = Field(index=True, full_text_search=True)

        class Meta:
            database = connection
            global_key_prefix = "users"

    class Address(EmbeddedJsonModel, index=True):
        city: str = Field(index=True)
        zip: Optional[str] = Field(index=True, default=None)

    class Person(JsonModel, index=True):
        name: str = Field(index=True)
        age: int = Field(index=True, sortable=True)
        tags: list[str] = Field(index=True)
        bio: str = Field(index=True, full_text_search=True)
        address: Address

        class Meta:
            database = connection
            global_key_prefix = "users"

    Migrator().run()
    people = [("Ann Lee", 30, "likes cats"), ("Bob Ray", 41, "sells boats"), ("Cy Dow", 25, "keeps cats and dogs")]
    for name, age, bio in people:
        Customer(name=name, age=age, bio=bio).save()
        Person(name=name, age=age, bio=bio, tags=bio.split(), address=Address(city=f"{name[:3].strip()} Town")).save()
    for model in (Customer, Person):
        def names(*conditions, order="age"):
            return [found.name for found in model.find(*conditions).sort_by(order).all()]

        same("all", names(), ["Cy Dow", "Ann Lee", "Bob Ray"])
        same("equal", names(model.name == "Ann Lee"), ["Ann Lee"])
        same("above", names(model.age > 29, order="-age"), ["Bob Ray", "Ann Lee"])
        same("either", names((model.name == "Ann Lee") | (model.age == 25)), ["Cy Dow", "Ann Lee"])
        same("not", names(~(model.name == "Ann Lee")), ["Cy Dow", "Bob Ray"])
        same("words", names(model.bio % "cats"), ["Cy Dow", "Ann Lee"])
        same("prefix", names(model.name.startswith("An")), ["Ann Lee"])
        same("in", names(model.name << ["Cy Dow", "Bob Ray"]), ["Cy Dow", "Bob Ray"])
        same("count", model.find(model.age < 40).count(), 2)
        same("page", [found.name for found in model.find().sort_by("age").page(1, 1)], ["Ann Lee"])
        found = model.find(model.name == "Bob Ray").first()
        found.age = 20
        found.save()
        same("saved again", names(model.age < 26), ["Bob Ray", "Cy Dow"])
        model.delete(found.pk)
        same("deleted", model.find().count(), 2)
    same("a list", [found.name for found in Person.find(Person.tags << ["dogs"]).all()], ["Cy Dow"])
    same("within", [found.name for found in Person.find(Person.address.city == "Ann Town").all()], ["Ann Lee"])


def recorded():
    """What Spring AI sends by Jedis, and what it reads of the replies."""
    client = redis.Redis(port=PORT, protocol=2)
    ask = client.execute_command
    same("_LIST", b"spring-ai-index" in ask("FT._LIST"), False)
    ask("FT.CREATE", "spring-ai-index", "ON", "JSON", "PREFIX", "1", "embedding:", "SCHEMA", "$.content", "AS", "content",
        "TEXT", "WEIGHT", "1.0", "$.embedding", "AS", "embedding", "VECTOR", "HNSW", "6", "TYPE", "FLOAT32", "DIM", "768",
        "DISTANCE_METRIC", "COSINE", "$.country", "AS", "country", "TAG", "$.year", "AS", "year", "NUMERIC")
    for at, text in enumerate(TEXTS):
        document = {"content": text, "embedding": embedded(text).tolist(), "country": "NL" if at % 2 else "BG", "year": at}
        client.json().set(f"embedding:{at}", "$", document)
    near = blob("a red house in the town")
    # Its filter expressions, as it writes them; the nearest two of each.
    for condition, expected in (
        ("*", [0, 1]),
        ("(@country:{BG})", [0, 2]),
        ("(@country:{NL} @year:[2 inf])", [3, 5]),
        ("(@country:{NL | BG} @year:[(1 inf])", [2, 5]),
        ("(-@country:{BG})", [1, 5]),
        ("(@year:[-inf (1] | @year:[4 4])", [0, 4]),
        ("((@country:{NL} | @year:[0 0]) -@year:[1 1])", [0, 5]),
        ("(@content:(market))", [5]),
        ("(-@country:{NL | BG})", []),
    ):
        found = ask("FT.SEARCH", "spring-ai-index", f"{condition}=>[KNN 2 @embedding $BLOB AS vector_score]", "PARAMS", "2",
                    "BLOB", near, "RETURN", "5", "country", "year", "embedding", "content", "vector_score", "SORTBY",
                    "vector_score", "ASC", "LIMIT", "0", "2", "DIALECT", "2")
        same(condition, sorted(found[1::2]), [b"embedding:%d" % at for at in expected])
        for key, row in zip(found[1::2], found[2::2]):
            row = dict(zip(row[::2], row[1::2]))
            at = int(key.split(b":")[1])
            same("content", (row[b"content"], row[b"country"]), (TEXTS[at].encode(), b"NL" if at % 2 else b"BG"))
            same("embedding", numpy.allclose(json.loads(row[b"embedding"]), embedded(TEXTS[at]), atol=1e-6), True)
            distance = 1 - float(numpy.dot(embedded(TEXTS[at]), embedded("a red house in the town")))
            same("vector_score", abs(float(row[b"vector_score"]) - distance) < 1e-5, True)
    same("JSON.DEL", client.json().delete("embedding:0", "$"), 1)
    same("the rest", ask("FT.SEARCH", "spring-ai-index", "*", "LIMIT", "0", "0"), [5])
    same("DROPINDEX", ask("FT.DROPINDEX", "spring-ai-index", "DD"), b"OK")
    same("no keys", client.keys("embedding:*"), [])


redis.Redis(port=PORT).flushall()
for of in (lambda: redisvl("hash"), lambda: redisvl("json"), redisvl_extensions, langchain, redis_om, recorded):
    of()
print("redisvl, langchain-redis, redis-om, Spring AI: passed")
