//! Writes the lines of a [`Setup`], in Redis's order.
//!
//! A line takes the place of an old line with the same main word (`main_word`); the rest are
//! appended, and old lines without a counterpart are removed. Comments and the server's own
//! directives are kept by `Config::rewrite_with`. Defaults of a primary are not written. Users,
//! passwords, paths and `announce-ip` are always quoted, names and run ids if the reader would take
//! them apart. The driver replaces and syncs the file (`Action::Persist`).

use super::setup::{KnownPrimary, Setup};
use crate::time::{DOWN_AFTER_MS, FAILOVER_TIMEOUT_MS};
use russet_config::{Config, ForeignLines, RewriteLine, quote};

/// The first word of all these lines.
const KEYWORD: &str = "sentinel";

/// The main spelling of a line's second word: old and new names share their lines.
fn main_word(word: &[u8]) -> Vec<u8> {
    match word.to_ascii_lowercase().as_slice() {
        b"known-slave" => b"known-replica".to_vec(),
        b"primary-reboot-down-after-period" => b"master-reboot-down-after-period".to_vec(),
        other => other.to_vec(),
    }
}

struct Lines(Vec<RewriteLine>);

impl Lines {
    /// A line that is written in any case, or only over an old line.
    fn put(&mut self, word: &'static str, values: &[&[u8]], is_forced: bool) {
        let mut line = format!("{KEYWORD} {word}").into_bytes();
        for value in values {
            line.push(b' ');
            line.extend_from_slice(value);
        }
        self.0.push(RewriteLine {
            word,
            line,
            is_forced,
        });
    }

    fn number(&mut self, word: &'static str, name: &[u8], value: impl ToString) {
        self.put(word, &[name, value.to_string().as_bytes()], true);
    }

    /// A text, unless it is empty.
    fn text(&mut self, word: &'static str, before: &[&[u8]], value: &[u8]) {
        if !value.is_empty() {
            let value = quoted(value);
            let values = [before, &[&value]].concat();
            self.put(word, &values, true);
        }
    }

    fn place(&mut self, word: &'static str, name: &[u8], host: &[u8], port: u16, rest: &[&[u8]]) {
        let port = port.to_string();
        let values = [&[name, host, port.as_bytes()], rest].concat();
        self.put(word, &values, true);
    }

    fn primary(&mut self, primary: &KnownPrimary) {
        let (name, settings) = (quoted_if_needed(&primary.name), &primary.settings);
        let name = name.as_slice();
        let quorum = settings.quorum.to_string();
        let rest = [quorum.as_bytes()];
        self.place("monitor", name, &primary.host, primary.port, &rest);
        if settings.down_after_ms != DOWN_AFTER_MS {
            self.number("down-after-milliseconds", name, settings.down_after_ms);
        }
        if settings.failover_timeout_ms != FAILOVER_TIMEOUT_MS {
            self.number("failover-timeout", name, settings.failover_timeout_ms);
        }
        if settings.parallel_syncs != 1 {
            self.number("parallel-syncs", name, settings.parallel_syncs);
        }
        self.text(
            "notification-script",
            &[name],
            &settings.notification_script,
        );
        self.text("client-reconfig-script", &[name], &settings.reconfig_script);
        self.text("auth-pass", &[name], &settings.auth_pass);
        self.text("auth-user", &[name], &settings.auth_user);
        if settings.reboot_down_after_ms != 0 {
            let period = settings.reboot_down_after_ms;
            self.number("master-reboot-down-after-period", name, period);
        }
        self.number("config-epoch", name, primary.config_epoch);
        self.number("leader-epoch", name, primary.leader_epoch);
        for (host, port) in &primary.replicas {
            self.place("known-replica", name, host, *port, &[]);
        }
        for peer in &primary.peers {
            let run_id = quoted_if_needed(&peer.run_id);
            self.place("known-sentinel", name, &peer.host, peer.port, &[&run_id]);
        }
        for (ours, theirs) in &settings.renames {
            let ours = quoted_if_needed(ours);
            let theirs = quoted_if_needed(theirs);
            self.put("rename-command", &[name, &ours, &theirs], true);
        }
    }
}

fn quoted(text: &[u8]) -> Vec<u8> {
    let mut line = Vec::new();
    quote(&mut line, text);
    line
}

/// Redis writes these values as they are, and then cannot read a value with a blank or a quote.
fn quoted_if_needed(text: &[u8]) -> Vec<u8> {
    let is_plain = |b: &u8| b.is_ascii_graphic() && !b"\"'\\".contains(b);
    if !text.is_empty() && text.iter().all(is_plain) {
        text.to_vec()
    } else {
        quoted(text)
    }
}

/// The text of the new file: the server's own directives, and the lines of `setup`.
pub fn rewrite(setup: &Setup, server: &Config, old: &[u8]) -> Vec<u8> {
    let ours = ForeignLines {
        keyword: KEYWORD,
        main_word,
        unused: &["save"],
        lines: lines(setup),
    };
    server.rewrite_with(old, false, Some(&ours))
}

/// All lines, in the order in which they take the places of old lines.
fn lines(setup: &Setup) -> Vec<RewriteLine> {
    let mut lines = Lines(Vec::new());
    let globals = &setup.globals;
    if let Some(my_id) = &setup.my_id {
        lines.put("myid", &[my_id], true);
    }
    let flags = [
        ("deny-scripts-reconfig", globals.deny_scripts_reconfig, true),
        ("resolve-hostnames", globals.resolve_hostnames, false),
        ("announce-hostnames", globals.announce_hostnames, false),
    ];
    for (word, value, default) in flags {
        let text: &[u8] = if value { b"yes" } else { b"no" };
        lines.put(word, &[text], value != default);
    }
    for primary in &setup.primaries {
        lines.primary(primary);
    }
    let epoch = setup.current_epoch.to_string();
    lines.put("current-epoch", &[epoch.as_bytes()], true);
    lines.text("announce-ip", &[], &globals.announce_ip);
    if globals.announce_port != 0 {
        let port = globals.announce_port.to_string();
        lines.put("announce-port", &[port.as_bytes()], true);
    }
    lines.text("sentinel-user", &[], &globals.user);
    lines.text("sentinel-pass", &[], &globals.pass);
    lines.0
}

#[cfg(test)]
mod tests {
    use super::super::read::tests::read_text;
    use super::*;

    fn rewritten(setup: &Setup, old: &str) -> String {
        let mut server = Config::default();
        // `dir` is written only if it is not the current folder.
        server.dir.0 = std::path::Path::new("/").into();
        let old = format!("dir \"/\"\n{old}");
        let text = rewrite(setup, &server, old.as_bytes());
        let text = String::from_utf8(text).expect("UTF-8");
        text.strip_prefix("dir \"/\"\n")
            .expect("its first line")
            .to_owned()
    }

    /// The new file is the file of `redis-server --sentinel` 8.0.6, without the lines of its
    /// server's own directives. (It writes `auth-pass` and script paths without quotes.)
    #[test]
    fn the_file_is_rewritten_as_redis_does() {
        let old = "# my comment\nsentinel known-slave mymaster 127.0.0.1 6390\n\
            \nsentinel monitor mymaster 127.0.0.1 27300 2\n\
            sentinel down-after-milliseconds mymaster 5000\n\
            SENTINEL parallel-syncs mymaster 1\nsentinel failover-timeout mymaster 180000\n\
            sentinel auth-pass mymaster \"se cret\"\n\
            sentinel known-sentinel mymaster 127.0.0.1 27399 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\
            sentinel rename-command mymaster CONFIG GUESS\nsentinel deny-scripts-reconfig yes\n\
            sentinel announce-ip 127.0.0.1\n\
            sentinel master-reboot-down-after-period mymaster 100\n# end\n";
        let mut setup = read_text(old).expect("valid");
        setup.my_id = Some(b"e5c37ebc5784abfed35c359e6290bb0cac68da09".to_vec());
        let new = "# my comment\nsentinel known-replica mymaster 127.0.0.1 6390\n\
            \nsentinel monitor mymaster 127.0.0.1 27300 2\n\
            sentinel down-after-milliseconds mymaster 5000\n\
            \nsentinel auth-pass mymaster \"se cret\"\n\
            sentinel known-sentinel mymaster 127.0.0.1 27399 aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n\
            sentinel rename-command mymaster CONFIG GUESS\nsentinel deny-scripts-reconfig yes\n\
            sentinel announce-ip \"127.0.0.1\"\n\
            sentinel master-reboot-down-after-period mymaster 100\n# end\n\
            # Generated by CONFIG REWRITE\nlatency-tracking-info-percentiles 50 99 99.9\n\
            sentinel myid e5c37ebc5784abfed35c359e6290bb0cac68da09\n\
            sentinel config-epoch mymaster 0\nsentinel leader-epoch mymaster 0\n\
            sentinel current-epoch 0\n";
        assert_eq!(rewritten(&setup, old), new);
        assert_eq!(read_text(new).expect("valid"), setup);
        assert_eq!(rewritten(&setup, new), new, "a second time changes nothing");
    }

    #[test]
    fn lines_of_what_is_gone_are_removed_and_odd_words_are_quoted() {
        let old = "sentinel monitor m 127.0.0.1 1 1\nsentinel known-replica m ::1 5\n\
            sentinel auth-user m bob\nsentinel primary-reboot-down-after-period m 7\n\
            sentinel resolve-hostnames no\nsentinel sentinel-pass x\n";
        let mut setup = read_text(old).expect("valid");
        setup.primaries[0].replicas.clear();
        setup.primaries[0].settings.auth_user = b"a \"b".to_vec();
        setup.globals.pass.clear();
        let text = rewritten(&setup, old);
        assert!(
            text.contains("\nsentinel auth-user m \"a \\\"b\"\n"),
            "{text}"
        );
        assert!(text.contains("\nsentinel master-reboot-down-after-period m 7\n"));
        assert!(text.contains("\nsentinel resolve-hostnames no\n"), "{text}");
        assert!(!text.contains("known-replica") && !text.contains("sentinel-pass"));
        assert_eq!(read_text(&text).expect("valid"), setup);
    }
}
