//! INFO.

use russet_command::{Arity, Category, Facts, Flags};
use russet_server::info::{self, Source};
use russet_server::{Call, CommandResult, Spec};

pub(super) const INFO: Spec = Spec {
    arity: Arity::AtLeast(1),
    flags: Flags::LOADING.union(Flags::STALE).union(Flags::SENTINEL),
    categories: Category::DANGEROUS,
    tips: &[
        "nondeterministic_output",
        "request_policy:all_shards",
        "response_policy:special",
    ],
    facts: Facts::SHOWS,
    ..Spec::new("info", info)
};

/// `INFO [section ...]`.
///
/// Reply: verbatim text (bulk string in RESP2); empty if no section is known.
/// O(clients + databases + commands).
fn info(call: &mut Call<'_>) -> CommandResult {
    let asking = Some((&*call.client, &*call.reply));
    let source = Source::new(call.db.keyspace(), call.server, asking);
    let text = info::info(&source, &call.args.from(1).to_vec());
    // The server frees the text's buffer once the reply is sent, because the next INFO must not
    // count it.
    call.reply.verbatim_owned("txt", text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn titles(t: &mut Testbed, command: &str) -> String {
        let text = t.run(command);
        let titles = text.lines().filter_map(|l| l.strip_prefix("# "));
        titles.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn sections_stand_in_redis_order_each_once() {
        let mut t = Testbed::new();
        let default = "Server Clients Memory Persistence Threads Stats Replication CPU Hotkeys \
             Modules Errorstats Cluster Keyspace Keysizes";
        assert_eq!(titles(&mut t, "INFO"), default);
        assert_eq!(titles(&mut t, "INFO default"), default);
        assert_eq!(titles(&mut t, "INFO DEFAULT cpu Cpu"), default);
        let more = "Commandstats Errorstats Latencystats Budgets Changes TLS";
        let all = default.replace("Errorstats", more) + " Prefixstats";
        assert_eq!(titles(&mut t, "INFO all"), all);
        let of_search = "Keysizes search_version search_index search_fields_statistics search_memory \
             search_cursors search_gc search_warnings_and_errors search_dialect_statistics \
             search_runtime_configurations";
        let everything = all
            .replace("Keysizes", of_search)
            .replace("TLS", "TLS Findings");
        assert_eq!(titles(&mut t, "INFO everything server"), everything);
        assert_eq!(titles(&mut t, "INFO stats CPU nosuch"), "Stats CPU");
        assert_eq!(t.run("INFO nosuch"), "$0\r\n\r\n");
    }

    /// Regression: both fields were always zero.
    #[test]
    fn time_over_maxmemory_is_counted() {
        let mut t = Testbed::new();
        let exceeded = |t: &mut Testbed| {
            let text = t.run("INFO stats");
            let field = |name: &str| {
                let value = text.lines().find_map(|line| line.strip_prefix(name));
                value.and_then(|v| v.parse::<u64>().ok()).expect("a number")
            };
            let total = field("total_eviction_exceeded_time:");
            (total, field("current_eviction_exceeded_time:"))
        };
        t.run("CONFIG SET maxmemory 1");
        assert!(t.run("SET a 1").starts_with("-OOM "));
        t.advance_ms(70);
        assert_eq!(exceeded(&mut t), (70, 70));
        t.run("CONFIG SET maxmemory 0");
        t.advance_ms(30);
        assert_eq!(exceeded(&mut t), (70, 0));
    }

    #[test]
    fn counters_are_exact() {
        let mut t = Testbed::new();
        t.run("SET a 1");
        t.run("GET a");
        t.run("GET nosuch");
        t.run("GET");
        t.run("SET a");
        t.run("INCR a b");
        t.run("SET b 1 EX 100");
        t.run("NOSUCH");
        let stats = t.run("INFO commandstats errorstats stats keyspace");
        let has = |line: &str| assert!(stats.contains(line), "{line} not in {stats}");
        has("cmdstat_get:calls=2,");
        has("cmdstat_set:calls=2,");
        has(",rejected_calls=1,failed_calls=0\r\n");
        has("errorstat_ERR:count=4\r\n");
        has("total_error_replies:4\r\n");
        has("keyspace_hits:1\r\n");
        has("keyspace_misses:1\r\n");
        has("db0:keys=2,expires=1,avg_ttl=100000,subexpiry=0\r\n");
    }
}
