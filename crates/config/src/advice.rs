//! Notes of `--check-config` about a configuration that loads: what it does that is seldom meant.
//!
//! Each is a function of the settings to a sentence; the start logs the sentences about
//! reachability.

use super::table::Config;

fn is_wide(addresses: &[super::words::Text]) -> bool {
    addresses.iter().any(|word| {
        let name = word.lossy();
        let name = name.trim_start_matches('-');
        let address = name.parse::<std::net::IpAddr>();
        name != "localhost" && !address.is_ok_and(|address| address.is_loopback())
    })
}

impl Config {
    /// The metrics listen for others and answer none of them: probes and scrapes get 403.
    pub fn unanswered_metrics(&self) -> Option<String> {
        let allows_others = self
            .metrics_allow
            .0
            .iter()
            .any(|net| !net.addr().is_loopback());
        let is_odd = self.metrics_port != 0 && is_wide(&self.metrics_bind.0) && !allows_others;
        is_odd.then(|| {
            format!(
                "metrics-port {} listens for other machines (metrics-bind), and answers none of them: \
                 probes and scrapes from elsewhere get 403. Set metrics-allow, as 10.0.0.0/8 or \
                 0.0.0.0/0 ::/0",
                self.metrics_port
            )
        })
    }

    /// Everybody who reaches the port may do everything.
    fn open_to_all(&self) -> Option<String> {
        let has_ports = self.port != 0 || self.tls_port != 0;
        let has_users = !self.users.is_empty() || !self.aclfile.is_empty();
        let is_open = has_ports
            && is_wide(&self.bind.0)
            && !self.protected_mode
            && self.requirepass.is_empty()
            && !has_users
            && !self.is_sentinel;
        is_open.then(|| {
            "other machines may connect (bind, protected-mode no), and no password is set: everybody who \
             reaches the port may read, change and delete the data. Set requirepass or users, unless the \
             network is closed"
                .to_owned()
        })
    }

    /// `is_set`: whether a line sets this directive.
    pub(super) fn advice(&self, is_set: impl Fn(&str) -> bool) -> Vec<String> {
        let mut found: Vec<String> = Vec::new();
        found.extend(self.open_to_all());
        found.extend(self.unanswered_metrics());
        if is_set("maxmemory") && !is_set("maxmemory-policy") && !self.is_sentinel {
            found.push(
                "maxmemory is set without maxmemory-policy: at the limit writes are refused. For a cache: \
                 maxmemory-policy allkeys-lru"
                    .to_owned(),
            );
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::super::reader::{Sources, check};

    fn notes(text: &str) -> String {
        let check = check(&Sources {
            stdin: Some(text.as_bytes().to_vec()),
            ..Sources::default()
        });
        assert!(check.problems.is_empty(), "{text}");
        check.notes.join("\n")
    }

    #[test]
    fn what_is_seldom_meant_is_noted() {
        let open = "bind 0.0.0.0\nprotected-mode no\n";
        assert!(notes(open).contains("no password is set"));
        for closing in [
            "requirepass x",
            "user a on >b",
            "protected-mode yes",
            "bind 127.0.0.1",
        ] {
            let text = format!("{open}{closing}\n");
            assert!(!notes(&text).contains("no password is set"), "{closing}");
        }
        let metrics = "metrics-port 9121\nmetrics-bind *\n";
        assert!(notes(metrics).contains("get 403"));
        assert!(!notes(&format!("{metrics}metrics-allow 10.0.0.0/8")).contains("403"));
        assert!(!notes("metrics-port 9121").contains("403"));
        assert!(notes("maxmemory 1gb").contains("without maxmemory-policy"));
        assert!(!notes("maxmemory 1gb\nmaxmemory-policy noeviction").contains("without"));
    }

    #[test]
    fn a_line_that_a_later_one_replaces_is_noted() {
        let said = notes("port 1\nhz 20\nport 2");
        assert!(
            said.contains("standard input:1: note: 'port' is set again in line 3"),
            "{said}"
        );
        assert_eq!(notes("save 1 2\nsave 3 4\nport 1"), "");
    }
}
