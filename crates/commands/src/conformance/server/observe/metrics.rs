//! The content of a scrape, and its cost.
//!
//! Requests are answered in process, without sockets. Tests hold the names that redis_exporter has,
//! the names that dashboards and alerts ask for, readiness, passwords and address lists, and the
//! bound on histograms that a scrape reads.
//! Elsewhere: `tests/it/metrics.rs` tests connections.

use crate::testbed::{AllCommands as _, Testbed};
use russet_cluster::{Cluster, NodesConf, Settings};
use russet_config::FileLine;
use russet_host::{Event, Machine};
use russet_net::Address;
use russet_sentinel::{ServerFacts, from_file};
use russet_server::inside::{ClusterDriver, OPEN_METRICS, Port, SentinelDriver};

fn ask(t: &mut Testbed, request: &str) -> (u16, String) {
    let answer = t.engine.answer_scrape(request.as_bytes());
    let answer = answer.unwrap_or_else(|| panic!("{request} is not whole"));
    let text = String::from_utf8(answer).expect("text");
    let status = text.split(' ').nth(1).expect("a status line");
    (status.parse().expect("a number"), text)
}

fn get(t: &mut Testbed, path: &str) -> (u16, String) {
    ask(t, &format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n"))
}

fn sample<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = text.lines().filter_map(|line| line.rsplit_once(' '));
    lines
        .find(|(series, _)| *series == name)
        .map(|(_, value)| value)
}

#[test]
fn what_happened_is_counted_under_the_exporters_names() {
    let mut t = Testbed::new();
    t.run("SET a 1 EX 100");
    t.run("GET a");
    t.run("GET b");
    t.run("LPUSH a x");
    let (status, text) = get(&mut t, "/metrics");
    assert_eq!(status, 200);
    for (series, value) in [
        ("redis_up", "1"),
        ("redis_commands_total{cmd=\"get\"}", "2"),
        ("redis_commands_failed_calls_total{cmd=\"lpush\"}", "1"),
        ("redis_errors_total{err=\"WRONGTYPE\"}", "1"),
        ("redis_keyspace_hits_total", "1"),
        ("redis_keyspace_misses_total", "1"),
        ("redis_db_keys{db=\"db0\"}", "1"),
        ("redis_db_keys_expiring{db=\"db0\"}", "1"),
        ("russet_db_type_keys{db=\"db0\",type=\"string\"}", "1"),
        ("redis_rdb_last_bgsave_status", "1"),
        ("redis_exporter_scrapes_total", "1"),
    ] {
        assert_eq!(sample(&text, series), Some(value), "{series}\n{text}");
    }
    let quantile = "redis_latency_percentiles_usec{cmd=\"get\",quantile=\"99\"}";
    assert!(sample(&text, quantile).is_some(), "{text}");
    for series in [
        "redis_latency_percentiles_usec_count{cmd=\"get\"}",
        "redis_commands_latencies_usec_count{cmd=\"get\"}",
        "redis_commands_latencies_usec_bucket{cmd=\"get\",le=\"+Inf\"}",
    ] {
        assert_eq!(sample(&text, series), Some("2"), "{series}\n{text}");
    }
    for line in [
        "# TYPE redis_latency_percentiles_usec summary\n",
        "# TYPE redis_commands_latencies_usec histogram\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
    assert!(text.contains("redis_instance_info{role=\"master\",redis_mode=\"standalone\""));
}

/// The metrics used by dashboard 763 and the redis-mixin with their alerts.
#[test]
fn the_exporters_dashboards_find_what_they_ask_for() {
    let mut t = Testbed::new();
    t.run("SET a 1 EX 100");
    t.run("nosuch");
    let (_, text) = get(&mut t, "/metrics");
    let metrics = include_str!("../../../../../../tests/data/dashboard-metrics.txt");
    for name in metrics.lines().filter(|line| !line.starts_with('#')) {
        let starts = |line: &str| {
            line.strip_prefix(name)
                .is_some_and(|rest| rest.starts_with(['{', ' ']))
        };
        assert!(text.lines().any(starts), "{name}\n{text}");
    }
}

#[test]
fn a_password_guards_the_figures_and_nothing_else() {
    let mut t = Testbed::new();
    t.run("CONFIG SET metrics-password s3cret");
    assert_eq!(get(&mut t, "/metrics").0, 401);
    let with = |header: &str| format!("GET /metrics HTTP/1.1\r\nAuthorization: {header}\r\n\r\n");
    assert_eq!(ask(&mut t, &with("Bearer s3cre")).0, 401);
    assert_eq!(ask(&mut t, &with("Bearer s3cret")).0, 200);
    assert_eq!(ask(&mut t, &with("Basic cHJvbTpzM2NyZXQ=")).0, 200);
    assert_eq!(get(&mut t, "/healthz").0, 200);
    assert_eq!(get(&mut t, "/readyz").0, 200);
}

#[test]
fn paths_methods_and_formats() {
    let mut t = Testbed::new();
    assert_eq!(get(&mut t, "/nosuch").0, 404);
    assert_eq!(ask(&mut t, "PUT /metrics HTTP/1.1\r\n\r\n").0, 405);
    let (_, head) = ask(&mut t, "HEAD /metrics HTTP/1.1\r\n\r\n");
    assert!(head.ends_with("\r\n\r\n"), "{head}");
    let open = "GET /metrics HTTP/1.1\r\nAccept: application/openmetrics-text\r\n\r\n";
    let (_, text) = ask(&mut t, open);
    assert!(text.contains(OPEN_METRICS) && text.ends_with("# EOF\n"));
    assert_eq!(t.engine.answer_scrape(b"GET /metrics HT"), None);
}

/// Percentiles of two hundred commands would take the loop milliseconds.
#[test]
fn a_scrape_reads_a_bounded_number_of_histograms_in_turn() {
    let mut t = Testbed::new();
    for stats in &mut t.engine.server.diagnostics.command_stats {
        stats.calls = 1;
        (0..100).for_each(|n| stats.record_latency(n * 100_000, 1, &mut 0));
    }
    let commands = t.engine.server.diagnostics.command_stats.len();
    let mut shown = 0;
    for _ in 0..commands {
        let text = t.engine.metrics_text(true);
        let now = text.matches("quantile=\"50\"").count();
        assert!(now - shown <= 24, "{now} after {shown}");
        shown = now;
    }
    assert_eq!(shown, commands);
}

#[test]
fn addresses_are_let_in_by_the_list() {
    let mut t = Testbed::new();
    let may = |t: &Testbed, text: &str| {
        let address = Address::Tcp(text.parse().expect("an address"));
        Port::Metrics.admits(&t.engine.server.config, &address)
    };
    assert!(may(&t, "127.0.0.1:9") && may(&t, "[::1]:9") && may(&t, "[::ffff:127.0.0.1]:9"));
    assert!(!may(&t, "192.0.2.7:9"));
    let words = ["CONFIG", "SET", "metrics-allow", "192.0.2.0/24 2001:db8::7"];
    let set = t.run_args(&words.map(str::as_bytes));
    assert_eq!(set, b"+OK\r\n");
    assert!(may(&t, "192.0.2.7:9") && may(&t, "[2001:db8::7]:9"));
    assert!(!may(&t, "127.0.0.1:9") && !may(&t, "[2001:db8::8]:9"));
}

/// A Sentinel that has not met any other.
fn sentinel(lines: &[&str]) -> Testbed {
    let mut t = Testbed::new();
    let words = |line: &&str| {
        let words: Vec<Vec<u8>> = line.split(' ').map(|word| word.into()).collect();
        FileLine::written(words.into_iter())
    };
    let lines: Vec<FileLine> = lines.iter().map(words).collect();
    let setup = from_file(&lines, &|_| true).expect("valid");
    let own = ServerFacts {
        port: 26379,
        password: Vec::new(),
    };
    let mut driver = SentinelDriver::new(&setup, own, 1, &t.engine.server.now);
    let now = russet_host::Now::from(t.engine.server.now);
    while driver.core.pop().is_some() {
        let saved = Event::Persisted { is_saved: true };
        driver.core.event(now, &(), saved);
    }
    t.engine.server.sentinel = Some(Box::new(driver));
    t
}

#[test]
fn a_sentinels_primaries_have_the_exporters_names() {
    let mut t = sentinel(&[
        "monitor a 10.0.0.1 6379 1",
        "monitor b 10.0.0.2 6380 2",
        "down-after-milliseconds b 5000",
    ]);
    let (_, text) = get(&mut t, "/metrics");
    let b = "{master_name=\"b\",master_address=\"10.0.0.2:6380\"";
    for (series, value) in [
        ("redis_sentinel_masters".to_owned(), "2"),
        ("redis_sentinel_tilt".to_owned(), "0"),
        ("redis_sentinel_running_scripts".to_owned(), "0"),
        ("redis_sentinel_scripts_queue_length".to_owned(), "0"),
        ("redis_sentinel_simulate_failure_flags".to_owned(), "0"),
        (format!("redis_sentinel_master_status{b},master_status=\"ok\"}}"), "1"),
        (format!("redis_sentinel_master_slaves{b}}}"), "0"),
        (format!("redis_sentinel_master_ok_slaves{b}}}"), "0"),
        (format!("redis_sentinel_master_sentinels{b}}}"), "1"),
        (format!("redis_sentinel_master_ok_sentinels{b}}}"), "1"),
        (format!("redis_sentinel_master_setting_ckquorum{b}}}"), "2"),
        (format!("redis_sentinel_master_setting_failover_timeout{b}}}"), "180000"),
        (format!("redis_sentinel_master_setting_parallel_syncs{b}}}"), "1"),
        (format!("redis_sentinel_master_setting_down_after_milliseconds{b}}}"), "5000"),
        (
            "redis_sentinel_master_ckquorum_status{master_name=\"b\",message=\"NOQUORUM 1 usable \
             Sentinels. Not enough available Sentinels to reach the specified quorum for this master\"}"
                .to_owned(),
            "0",
        ),
        ("russet_sentinel_master_failovers_total{master_name=\"b\"}".to_owned(), "0"),
        ("russet_sentinel_state_saved".to_owned(), "1"),
    ] {
        assert_eq!(sample(&text, &series), Some(value), "{series}\n{text}");
    }
    assert!(
        text.contains("redis_instance_info{role=\"sentinel\""),
        "{text}"
    );
    assert!(!text.contains("redis_db_keys"), "it has no data");
}

#[test]
fn a_sentinel_is_ready_while_each_quorum_can_be_reached() {
    let mut t = sentinel(&["monitor a 10.0.0.1 6379 1"]);
    assert_eq!(get(&mut t, "/readyz").0, 200);
    let mut t = sentinel(&["monitor a 10.0.0.1 6379 1", "monitor b 10.0.0.2 6379 2"]);
    let (status, text) = get(&mut t, "/readyz");
    assert_eq!(status, 503);
    let why = text.split("\r\n\r\n").nth(1).expect("a body");
    assert!(why.starts_with("b: NOQUORUM 1 usable Sentinels. "), "{why}");
    assert_eq!(why.lines().count(), 1, "{why}");
    let mut t = sentinel(&[]);
    assert_eq!(get(&mut t, "/readyz").0, 200, "nothing is missing");
}

#[test]
fn a_node_of_a_cluster_has_the_clusters_figures() {
    const FIGURES: [&str; 14] = [
        "state",
        "slots_assigned",
        "slots_ok",
        "slots_pfail",
        "slots_fail",
        "known_nodes",
        "size",
        "current_epoch",
        "my_epoch",
        "messages_sent_total",
        "messages_received_total",
        "slot_migration_active_tasks",
        "slot_migration_active_trim_running",
        "slot_migration_active_trim_started_total",
    ];
    let mut t = Testbed::new();
    let (_, alone) = get(&mut t, "/metrics");
    assert_eq!(sample(&alone, "redis_cluster_enabled"), Some("0"));
    for figure in FIGURES {
        let name = format!("redis_cluster_{figure}");
        assert_eq!(sample(&alone, &name), None, "{name}");
    }
    let server = &mut t.engine.server;
    let (saved, now) = (NodesConf::fresh(1), russet_host::Now::from(server.now));
    let core = Cluster::new(saved, Settings::default(), 2, now);
    let driver = ClusterDriver::new(core, Vec::new(), None);
    server.cluster = Some(Box::new(driver));
    assert_eq!(t.run("CLUSTER ADDSLOTSRANGE 0 99"), "+OK\r\n");
    let (_, text) = get(&mut t, "/metrics");
    for figure in FIGURES {
        let value = match figure {
            "slots_assigned" | "slots_ok" => "100",
            "known_nodes" | "size" => "1",
            _ => "0",
        };
        let name = format!("redis_cluster_{figure}");
        assert_eq!(sample(&text, &name), Some(value), "{name}\n{text}");
    }
    assert_eq!(sample(&text, "redis_cluster_enabled"), Some("1"));
}
