# `just` lists these; each is one command of the README.

default:
    @just --list

# What CI runs: formatting, lints, licences, tests, oracle, clients, the quick Tcl suite.
check:
    bash .ci/run

# Unit, property and black-box tests; what needs a real server says so when there is none.
test *ARGS:
    cargo test --no-fail-fast {{ ARGS }}

# The real servers and clients that the next recipes compare with.
peers-install:
    tests/peers/install

# Command streams against live servers for this many seconds a group, from a random seed.
oracle SECONDS="60" *GROUP:
    RUSSET_REQUIRE_PEERS=1 RUSSET_ORACLE_SECONDS={{ SECONDS }} \
    RUSSET_ORACLE_SEED=${RUSSET_ORACLE_SEED:-$(date +%s)000} \
    cargo test --test oracle -- --nocapture {{ GROUP }}

# Steps over several connections beside Redis 8.0 for this many seconds, from a random seed.
scenarios SECONDS="60":
    RUSSET_REQUIRE_PEERS=1 RUSSET_ORACLE_SECONDS={{ SECONDS }} \
    RUSSET_ORACLE_SEED=${RUSSET_ORACLE_SEED:-$(date +%s)000} \
    cargo test --test scenarios connections_meet -- --nocapture

# A mixed load for this many seconds, and what Redis 8.0 loads of it afterwards.
soak SECONDS="900":
    RUSSET_REQUIRE_PEERS=1 RUSSET_SOAK_SECONDS={{ SECONDS }} \
    cargo test --test oracle -- --nocapture what_a_mixed_load

# Pairs of primary and replica, and crashes of both, for about an hour; `just replicas 10000`: for hours.
replicas CYCLES="1000":
    RUSSET_REQUIRE_PEERS=1 RUSSET_REPLICAS=full RUSSET_CYCLES={{ CYCLES }} \
    cargo test --test replicas -- --nocapture

# Sentinels alone and among those of Redis and Valkey, that many kills in the midst of failovers.
sentinel CRASHES="100":
    RUSSET_REQUIRE_PEERS=1 RUSSET_CRASHES={{ CRASHES }} \
    cargo test --test sentinel -- --nocapture

# Simulated networks, crashes and changes of role: that many seeds; `SIM_SEED=n just sim` runs one again.
sim RUNS="10000":
    SIM_RUNS={{ RUNS }} cargo test --test sim -- --nocapture

# Hostile primaries and replicas: that many changes of each recorded conversation.
hostile-links CASES="5000" FROM="0":
    RUSSET_LINKS_CASES={{ CASES }} RUSSET_LINKS_FROM={{ FROM }} \
    cargo test --test hostile_links -- --nocapture

# Redis's own test suite: `just tcl`, `just tcl --quick`, `just tcl unit/type/list`.
tcl *ARGS:
    cargo build --release --quiet
    tests/tcl/run {{ ARGS }}

# Python and Node clients, and an Express application, against the daemon.
clients:
    cargo build --release --quiet
    tests/clients/run target/release/russet

# The tests of the modules with unsafe code, under AddressSanitizer or valgrind.
asan *ARGS:
    tests/asan {{ ARGS }}

# The daemon with I/O threads under ThreadSanitizer.
tsan *ARGS:
    tests/tsan {{ ARGS }}

# All tests with the clients' sockets at I/O threads, for hours: `just io-threads plain`, `tls`, `tests`.
io-threads *PARTS:
    tests/io-threads {{ PARTS }}

# The Debian packages; what CI does with them; the container image; whether two builds are equal.
deb *ARGS:
    packaging/deb {{ ARGS }}

packages-test:
    packaging/deb
    packaging/test

image *ARGS:
    packaging/container/build {{ ARGS }}

# The files of a release, of this machine's architecture, with their checksums.
release *ARGS:
    packaging/release {{ ARGS }}

# A whole release in a clean clone, with nothing published.
rehearse *ARGS:
    packaging/rehearse {{ ARGS }}

# Both images of a release, of what `just release` has written: `just images target/release-files localhost/russet:0.1.0`.
images *ARGS:
    packaging/container/images {{ ARGS }}

# The Kubernetes manifests and the chart; with a binary also their probes.
kubernetes-test *ARGS:
    packaging/kubernetes/test {{ ARGS }}

reproducible *ARGS:
    packaging/reproducible {{ ARGS }}

# Needs a nightly toolchain and `cargo install cargo-fuzz`; `cargo test fuzzing` runs fewer
# cases without either.

# A fuzz target for this many seconds; without a name, their list.
fuzz TARGET="" SECONDS="60":
    @if [ -z "{{ TARGET }}" ]; then cargo +nightly fuzz list; \
    else mkdir -p fuzz/corpus/{{ TARGET }} && cargo +nightly fuzz run {{ TARGET }} \
    fuzz/corpus/{{ TARGET }} fuzz/seeds/{{ TARGET }} -- -max_total_time={{ SECONDS }}; fi

# What each command costs at n, 4n and 16n of whatever may grow: `just growth`, `just growth sort,lcs`.
# Its sizes are SCALE times those of `cargo test`.
growth ROWS="" SCALE="4":
    RUSSET_GROWTH={{ ROWS }} RUSSET_GROWTH_SCALE={{ SCALE }} cargo test -p russet-commands --lib conformance::growth -- --nocapture

# The worst small commands of the engines: the longest turn, the work, the memory, ends and sizes.
bounds ROWS="":
    RUSSET_BOUNDS={{ ROWS }} cargo test -p russet-commands --lib conformance::bounds -- --ignored --test-threads=1

# Damaged payloads, and every command after RESTORE: PERCENT of the cases of `cargo test`.
restored PERCENT="2000":
    RUSSET_FUZZ_CASES={{ PERCENT }} cargo test -p russet --lib fuzzing::tests::whatever_was_restored

# Criterion benchmarks of single parts.
bench *ARGS:
    cargo bench {{ ARGS }}

# Beside real servers on this machine: `just peers bench`, `just peers memory`, `just peers big`.
peers *ARGS="bench":
    cargo build --release --quiet
    benches/peers.py {{ ARGS }}

# Expiry, growth, connections beside real servers: `just latency expiry`.
latency *ARGS="expiry":
    cargo build --release --quiet
    benches/latency.py {{ ARGS }}

# Connections under TLS beside real servers: `just tls speed`, `just tls handshakes`, `just tls idle`.
tls *ARGS="speed":
    cargo build --release --quiet
    benches/tls.py {{ ARGS }}
