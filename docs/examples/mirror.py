#!/usr/bin/env python3
"""Mirrors the keys with a prefix into another server, by the change stream.

    mirror.py --from HOST:PORT[,HOST:PORT...] --to HOST:PORT --prefix PREFIX
              [--consumer NAME] [--replicas N]

--from lists the servers of which one is the primary: after a failover the mirror goes on with the next one.
With --replicas, changes are only taken once so many replicas have acknowledged them, so that a failover takes
back nothing that the mirror has. Database 0 of both sides is used.

The mirror stores its position in the other server in the same transaction as the changes. So each change is
applied exactly once, whatever is killed: the mirror, the source, or the other server (with `appendfsync
always`). The consumer at the source only keeps changes from being dropped while the mirror is away.

Invariant: each mirrored key is as it was at the source at the position in the stream, or at its own position in
`seen` if that is further. Keys are copied with a position of their own where changes alone do not suffice: at
the beginning, if a command touches other keys or databases as well (RENAME other prefix:key), and if it changes
an expiry: the other server lets keys expire by itself, perhaps before it hears that they were to live longer.
"""

import argparse
import socket
import sys
import time

CHANGES_AT_ONCE = 500
KEYS_AT_ONCE = 100
# Words of commands that change an expiry, and commands that reach other databases.
EXPIRES = {b"EX", b"PX", b"EXAT", b"PXAT", b"PERSIST", b"KEEPTTL"}
ELSEWHERE = {b"MOVE", b"COPY"}


class ServerError(Exception):
    """An error reply."""


class Broken(Exception):
    """The copy is not what it should be: it is made anew."""


class Connection:
    """A connection that speaks RESP2; replies are bytes, int, None, lists, or ServerError."""

    def __init__(self, address):
        host, port = address.rsplit(":", 1)
        self.socket = socket.create_connection((host, int(port)), timeout=30)
        self.input = self.socket.makefile("rb")

    def send(self, *words):
        words = [w if isinstance(w, bytes) else str(w).encode() for w in words]
        parts = [b"*%d\r\n" % len(words)]
        parts += [b"$%d\r\n%s\r\n" % (len(w), w) for w in words]
        self.socket.sendall(b"".join(parts))

    def receive(self):
        line = self.input.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the connection is closed")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"-":
            return ServerError(rest.decode(errors="replace"))
        if kind == b"$":
            if int(rest) < 0:
                return None
            bulk = self.input.read(int(rest) + 2)
            if len(bulk) < int(rest) + 2:
                raise ConnectionError("the connection is closed")
            return bulk[:-2]
        return None if int(rest) < 0 else [self.receive() for _ in range(int(rest))]

    def ask(self, *words):
        self.send(*words)
        reply = self.receive()
        if isinstance(reply, ServerError):
            raise reply
        return reply

    def transaction(self, commands):
        """Runs commands in MULTI and EXEC, and returns their results."""
        commands = [("MULTI",), *commands, ("EXEC",)]
        for words in commands:
            self.send(*words)
        *queued, results = [self.receive() for _ in commands]
        for reply in [*queued, results]:
            if isinstance(reply, ServerError):
                raise reply
        for reply in results:
            if isinstance(reply, ServerError):
                # The others have been run.
                raise Broken(str(reply))
        return results

    def close(self):
        self.socket.close()


class Mirror:
    def __init__(self, options):
        self.options = options
        self.prefix = options.prefix.encode()
        name = options.consumer.encode()
        self.position_key = b"mirror:position:" + name
        self.seen_key = b"mirror:seen:" + name
        # The position of the last copy of a key.
        self.copied_key = b"mirror:copied:" + name
        self.source = self.target = None

    # --- connections ---

    def connect(self):
        self.target = Connection(self.options.to)
        for address in self.options.source.split(","):
            try:
                source = Connection(address)
                if source.ask("ROLE")[0] == b"master":
                    self.source = source
                    return
                source.close()
            except (OSError, ServerError):
                continue
        raise ConnectionError("no primary can be reached")

    def close(self):
        for connection in (self.source, self.target):
            if connection:
                connection.close()
        self.source = self.target = None

    def forget(self):
        """The next run begins anew."""
        try:
            self.target.ask("DEL", self.position_key, self.copied_key)
        except (OSError, ServerError) as error:
            print(f"tries again: {error}", file=sys.stderr)

    # --- copies ---

    def copies(self, keys):
        """Keys of the source with a position: transactions of bounded size."""
        for at in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[at : at + KEYS_AT_ONCE]
            asks = [ask for key in some for ask in (("DUMP", key), ("PEXPIRETIME", key))]
            *values, read = self.source.transaction([*asks, ("CHANGES", "READ", "$")])
            self.wait_for_replicas()
            for i, key in enumerate(some):
                yield key, values[2 * i], values[2 * i + 1], read[0]

    def wait_for_replicas(self):
        """Waits until enough replicas have what this connection has seen: a write that WAIT can wait for."""
        if self.options.replicas > 0:
            barrier = self.options.consumer + ":barrier"
            self.source.ask("CHANGES", "CONSUMER", "DROP", barrier)
            self.source.ask("CHANGES", "CONSUMER", "CREATE", barrier)
            if self.source.ask("WAIT", self.options.replicas, 5000) < self.options.replicas:
                raise ConnectionError("too few replicas acknowledge")

    def store_copy(self, key, value, expires_ms, position):
        """The commands that store a copied key, with its position."""
        stored = [("HSET", self.seen_key, key, offset_of(position)), ("SET", self.copied_key, position)]
        if value is None:
            return [*stored, ("DEL", key)]
        restore = ("RESTORE", key, max(expires_ms, 0), value, "REPLACE", "ABSTTL")
        return [*stored, restore]

    def begin(self):
        """Copies all keys; the stream is read from a position before all of theirs."""
        try:
            self.source.ask("CHANGES", "CONSUMER", "CREATE", self.options.consumer)
        except ServerError as error:
            if not str(error).startswith("BUSY"):
                raise
            self.source.ask("CHANGES", "CONSUMER", "DROP", self.options.consumer)
            return self.begin()
        position = self.source.ask("CHANGES", "READ", "$")[0]
        for key in self.keys_of(self.target):
            self.target.ask("DEL", key)
        self.target.ask("DEL", self.seen_key)
        for copy in self.copies(self.keys_of(self.source)):
            self.target.transaction(self.store_copy(*copy))
        self.target.ask("SET", self.position_key, position)
        return position

    def keys_of(self, server):
        """The keys with the prefix."""
        pattern = b"".join(b"\\" + bytes([c]) if c in b"*?[]\\^" else bytes([c]) for c in self.prefix) + b"*"
        keys, cursor = set(), b"0"
        while True:
            cursor, some = server.ask("SCAN", cursor, "MATCH", pattern, "COUNT", 1000)
            keys.update(some)
            if cursor == b"0":
                return sorted(keys)

    # --- changes ---

    def run(self):
        position = self.target.ask("GET", self.position_key) or self.begin()
        copied = self.target.ask("GET", self.copied_key)
        if copied:
            self.check(copied)
            # Under today's name of the history: servers forget the earlier ones in time.
            history = self.source.ask("CHANGES", "READ", "$")[0].rsplit(b":", 1)[0]
            self.target.ask("SET", self.copied_key, b"%s:%d" % (history, offset_of(copied)))
        pairs = self.target.ask("HGETALL", self.seen_key)
        seen = {key: int(offset) for key, offset in zip(pairs[::2], pairs[1::2])}
        while True:
            read = ["CHANGES", "READ", position, "COUNT", CHANGES_AT_ONCE, "BLOCK", 1000]
            read += ["DB", 0, "REPLICAS", self.options.replicas, "PREFIX", self.prefix]
            following, changes = self.read(*read)
            commands = []
            touched = set()
            for change in changes:
                commands += self.commands_for(change, seen, touched)
                touched.update(change[5])
            reached = offset_of(following)
            old = [key for key, offset in seen.items() if offset <= reached]
            if old:
                commands.append(("HDEL", self.seen_key, *old))
            commands.append(("SET", self.position_key, following))
            if following != position:
                self.target.transaction(commands)
                for key in old:
                    del seen[key]
                self.acknowledge(following)
            position = following

    def read(self, *words):
        try:
            return self.source.ask(*words)
        except ServerError as error:
            if str(error).startswith(("DIVERGED", "CHANGESLOST")):
                raise Broken(f"{error}: {words}") from error
            raise

    def check(self, position):
        """What was copied at this position must be in the past of the source."""
        try:
            self.source.ask("CHANGES", "READ", position, "COUNT", 1)
        except ServerError as error:
            if str(error).startswith("DIVERGED"):
                raise Broken(f"{error}: {position}") from error
            # Changes after it that are not kept any more are of no interest.
            if not str(error).startswith("CHANGESLOST"):
                raise

    def acknowledge(self, position):
        consumer = self.options.consumer
        try:
            self.source.ask("CHANGES", "CONSUMER", "ACK", consumer, position)
        except ServerError as error:
            # After a full copy over a server that knows no consumers.
            if "No such consumer" not in str(error):
                raise
            self.source.ask("CHANGES", "CONSUMER", "CREATE", consumer, position)

    def commands_for(self, change, seen, touched):
        """What the other server is to do for a change; `touched` are keys of changes before it."""
        offset, _, db, _, command, keys = change
        name = command[0].upper()
        if not keys:
            if name in (b"FLUSHALL", b"FLUSHDB"):
                # Keys that were copied later are as they are now.
                there = touched.union(self.keys_of(self.target))
                return [("DEL", key) for key in sorted(there) if seen.get(key, 0) < offset]
            return self.copy(sorted({*self.keys_of(self.source), *self.keys_of(self.target), *touched}), seen)
        if all(seen.get(key, 0) >= offset for key in keys):
            return []
        words = {word.upper() for word in command[2:]}
        expires = b"EXPIRE" in name or b"PERSIST" in name or name == b"GETEX" or words & EXPIRES
        is_elsewhere = db != 0 or name in ELSEWHERE
        is_seen = any(seen.get(key, 0) >= offset for key in keys)
        if is_seen or expires or is_elsewhere or self.has_others(command, keys):
            return self.copy(keys, seen)
        return [command]

    def has_others(self, command, keys):
        """Whether the command has keys that are not mirrored."""
        if len(command) == 2:
            return False
        return self.source.ask("COMMAND", "GETKEYS", *command) != keys

    def copy(self, keys, seen):
        commands = []
        for key, value, expires_ms, position in self.copies(keys):
            seen[key] = offset_of(position)
            commands += self.store_copy(key, value, expires_ms, position)
        return commands


def offset_of(position):
    return int(position.rsplit(b":", 1)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--from", dest="source", required=True)
    parser.add_argument("--to", required=True)
    parser.add_argument("--prefix", required=True)
    parser.add_argument("--consumer", default="mirror")
    parser.add_argument("--replicas", type=int, default=0)
    mirror = Mirror(parser.parse_args())
    while True:
        try:
            mirror.connect()
            mirror.run()
        except Broken as error:
            print(f"begins anew: {error}", file=sys.stderr)
            mirror.forget()
        except (OSError, ServerError) as error:
            print(f"tries again: {error}", file=sys.stderr)
            time.sleep(0.1)
        mirror.close()


if __name__ == "__main__":
    main()
