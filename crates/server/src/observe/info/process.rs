//! INFO server, clients, threads, cpu, modules, cluster, debug: the process and its clients.
//!
//! The fields' names, and some values, depend on the dialect. A Sentinel has its own sections of
//! server and clients, and the text of its core.
//! Cost: O(listeners), and a pass over all clients (`Source::client_totals`), which all sections of
//! a report share. Processor times are a few system calls.

use std::sync::LazyLock;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::writer::Value;
use super::{InfoWriter, Source};

use russet_base::usage::recent_cpu_times;
use russet_config::{Choice, Supervised};
use russet_net::io_thread::IoThread;

const RUSSET_VERSION: &str = env!("CARGO_PKG_VERSION");

#[cfg(any(target_os = "linux", target_os = "android"))]
const POLL: &str = "epoll";
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const POLL: &str = "kqueue";

pub fn server(from: &Source<'_>, to: &mut InfoWriter) {
    let server = from.server;
    let config = &server.config;
    let system = rustix::system::uname();
    let os = [system.sysname(), system.release(), system.machine()].map(|s| s.to_string_lossy());
    let uptime_s = server.now.unix_s() - server.identity.started_at;
    let supervised = match config.supervised {
        Supervised::Auto => Supervised::No,
        other => other,
    };
    to.section("Server");
    let dialect = config.dialect;
    to.field("redis_version", dialect.redis_version());
    if let Some(name) = dialect.server_name() {
        to.field("server_name", name);
    }
    if let Some(version) = dialect.valkey_version() {
        to.field("valkey_version", version);
        to.field("valkey_release_stage", "ga");
        to.field("server_mode", config.mode());
    }
    to.fields(&[
        ("russet_version", &RUSSET_VERSION),
        // `release`, or `dist` with link-time optimisation as a whole.
        ("russet_profile", &env!("RUSSET_PROFILE")),
        ("redis_git_sha1", &"00000000"),
        ("redis_git_dirty", &0),
        ("redis_build_id", &build_id()),
        ("redis_mode", &config.mode()),
        ("os", &os.join(" ")),
        ("arch_bits", &usize::BITS),
        ("monotonic_clock", &"POSIX clock_gettime"),
        ("multiplexing_api", &POLL),
        ("process_id", &std::process::id()),
        ("process_supervised", &supervised.name()),
        ("run_id", &server.identity.run_id),
        ("tcp_port", &config.port),
        ("server_time_usec", &server.now.unix_us),
        ("uptime_in_seconds", &uptime_s),
        ("uptime_in_days", &(uptime_s / 86_400)),
        ("hz", &server.clients.effective_hz(&server.config)),
        ("configured_hz", &config.hz),
        ("lru_clock", &(server.now.unix_s() & 0xff_ffff)),
        (
            "executable",
            &server.identity.executable.to_string_lossy().as_ref(),
        ),
    ]);
    let file = server.identity.config_file.as_deref();
    to.field(
        "config_file",
        file.map_or_else(String::new, |f| f.display().to_string()),
    );
    to.field(
        "io_threads_active",
        u8::from(!server.connections.io_threads.is_empty()),
    );
    if dialect.valkey_version().is_some() || !config.availability_zone.is_empty() {
        to.field(
            "availability_zone",
            config.availability_zone.lossy().as_ref(),
        );
    }
    listeners(from, to);
    if let Some(waiting) = &server.shutdown.waiting {
        let left_ms = waiting.deadline_ms.saturating_sub(server.now.mono_ms);
        to.field("shutdown_in_milliseconds", left_ms);
    }
}

/// A Sentinel's own section.
pub fn sentinel(from: &Source<'_>, to: &mut InfoWriter) {
    if let Some(driver) = &from.server.sentinel {
        let text = driver.core.info();
        let text = String::from_utf8_lossy(&text);
        // The core's text has a title, which is skipped.
        let mut lines = text.lines();
        to.section("Sentinel");
        for line in lines.by_ref().skip(1) {
            to.line(line);
        }
    }
}

/// A hash of the version, for tools that compare builds.
fn build_id() -> &'static str {
    use sha1::{Digest, Sha1};
    static ID: LazyLock<String> = LazyLock::new(|| {
        let digest = Sha1::digest(RUSSET_VERSION.as_bytes());
        digest.iter().take(8).map(|b| format!("{b:02x}")).collect()
    });
    &ID
}

fn listeners(from: &Source<'_>, to: &mut InfoWriter) {
    let config = &from.server.config;
    let mut number = 0;
    if config.port > 0 {
        let addresses: String = config
            .bind
            .0
            .iter()
            .map(|a| format!(",bind={}", String::from_utf8_lossy(a)))
            .collect();
        let port = config.port;
        to.field("listener0", format_args!("name=tcp{addresses},port={port}"));
        number += 1;
    }
    if !config.unixsocket.is_empty() {
        let path = String::from_utf8_lossy(&config.unixsocket);
        let name = format!("listener{number}");
        to.field(&name, format_args!("name=unix,bind={path}"));
    }
}

pub fn clients(from: &Source<'_>, to: &mut InfoWriter) {
    let server = from.server;
    let totals = from.client_totals();
    let recent = server.diagnostics.recent.max(server.now.mono_ms);
    let largest = totals.largest.max(recent);
    let pause = server.gates.pause_report(server.now.mono_ms);
    to.section("Clients");
    to.fields(&[
        (
            "connected_clients",
            &(server.clients.len() - totals.replicas),
        ),
        (
            "cluster_connections",
            &server.cluster.as_ref().map_or(0, |it| it.links.len()),
        ),
        ("maxclients", &server.config.maxclients),
        ("client_recent_max_input_buffer", &largest.input),
        ("client_recent_max_output_buffer", &largest.output),
        (
            "blocked_clients",
            &(server.clients.blocked + totals.postponed),
        ),
        ("tracking_clients", &server.messages.tracking.clients()),
        ("pubsub_clients", &totals.pubsub),
        ("watching_clients", &totals.watching),
        ("clients_in_timeout_table", &server.turn.deadlines.len()),
        ("active_clients", &totals.active),
        ("total_watched_keys", &from.keyspace.watchers.len()),
        ("total_blocking_keys", &from.keyspace.waiting.len()),
        (
            "total_blocking_keys_on_nokey",
            &from.keyspace.waiting.guarded(),
        ),
        ("paused_reason", &pause.reason),
        ("paused_actions", &pause.actions),
        ("paused_timeout_milliseconds", &pause.left_ms),
        // Valkey 9.2's.
        (
            "connected_priority_clients",
            &server.clients.with_priority(),
        ),
    ]);
}

pub fn threads(from: &Source<'_>, to: &mut InfoWriter) {
    let (server, stats) = (from.server, &from.server.stats);
    let io_threads = &server.connections.io_threads;
    let handed_off: usize = io_threads.iter().map(IoThread::connections).sum();
    let (reads, writes) = io_threads.reads_and_writes();
    to.section("Threads");
    // The loop counts the reads and writes of I/O threads too, as it serves them.
    let clients = server.clients.len().saturating_sub(handed_off);
    let reads = stats.reads.saturating_sub(reads);
    let writes = stats.writes.saturating_sub(writes);
    let line = format_args!("clients={clients},reads={reads},writes={writes}");
    to.field("io_thread_0", line);
    for io_thread in io_threads.iter() {
        let (clients, figures) = (io_thread.connections(), io_thread.figures());
        let reads = figures.reads.load(Relaxed);
        let writes = figures.writes.load(Relaxed);
        let line = format_args!("clients={clients},reads={reads},writes={writes}");
        to.field(&format!("io_thread_{}", io_thread.number()), line);
    }
}

/// Seconds with six decimals.
struct Seconds(Duration);

impl Value for Seconds {
    fn append_to(&self, out: &mut InfoWriter) {
        self.0.as_secs().append_to(out);
        // The leading 1 keeps the zeros, and is cut.
        let micros = 1_000_000 + self.0.subsec_micros();
        out.put(".");
        out.put(&itoa::Buffer::new().format(micros)[1..]);
    }
}

pub fn cpu(_: &Source<'_>, to: &mut InfoWriter) {
    to.section("CPU");
    let suffixes = ["", "_children", "_main_thread"];
    for (suffix, time) in suffixes.into_iter().zip(recent_cpu_times()) {
        for (kind, time) in [("sys", time.system), ("user", time.user)] {
            to.put("used_cpu_");
            to.put(kind);
            to.field(suffix, Seconds(time));
        }
    }
}

/// Only the title, as in Redis while no session runs: HOTKEYS GET has the figures.
pub fn hotkeys(_: &Source<'_>, to: &mut InfoWriter) {
    to.section("Hotkeys");
}

pub fn modules(from: &Source<'_>, to: &mut InfoWriter) {
    to.section("Modules");
    for module in from.server.config.dialect.modules() {
        to.line(format_args!(
            "module:name={},ver={},api=1,filters=0,usedby=[],using=[],options=[{}]",
            module.name, module.version, module.options
        ));
    }
}

pub fn cluster(from: &Source<'_>, to: &mut InfoWriter) {
    to.section("Cluster");
    to.field("cluster_enabled", u8::from(from.server.cluster.is_some()));
}

pub fn debug(from: &Source<'_>, to: &mut InfoWriter) {
    to.section("Debug");
    let (stats, cycles) = (&from.server.stats, &from.server.cycles);
    to.fields(&[
        ("eventloop_duration_aof_sum", &0),
        (
            "eventloop_duration_cron_sum",
            &cycles.micros(stats.cron_ticks),
        ),
        ("eventloop_duration_max", &stats.slowest_turn_us),
        (
            "eventloop_duration_p99",
            &from.server.diagnostics.latency.turns.percentile(99.0),
        ),
        ("eventloop_cmd_per_cycle_max", &stats.commands_per_turn_max),
    ]);
}
