//! The words after `--cluster`: a subcommand with its arguments, and the options `--cluster-...`.
//!
//! The arguments of a subcommand, and the weights of `--cluster-weight`, end at the first word with
//! a dash. The subcommand's name and the number of its arguments are checked when it runs.

use std::ffi::OsString;

/// A subcommand: name, number of arguments (negative: at least so many), and its line of help.
pub(super) struct Subcommand {
    pub(super) name: &'static str,
    pub(super) arity: i32,
    arguments: &'static str,
    options: &'static [&'static str],
}

const ANY_NODE: &str = "<host:port> or <host> <port> - separated by either colon or space";

/// In the order of the help.
pub(super) const SUBCOMMANDS: &[Subcommand] = &[
    Subcommand {
        name: "create",
        arity: -1,
        arguments: "host1:port1 ... hostN:portN",
        options: &["replicas <arg>"],
    },
    Subcommand {
        name: "check",
        arity: -1,
        arguments: ANY_NODE,
        options: &["search-multiple-owners"],
    },
    Subcommand {
        name: "info",
        arity: -1,
        arguments: ANY_NODE,
        options: &[],
    },
    Subcommand {
        name: "fix",
        arity: -1,
        arguments: ANY_NODE,
        options: &["search-multiple-owners", "fix-with-unreachable-masters"],
    },
    Subcommand {
        name: "reshard",
        arity: -1,
        arguments: ANY_NODE,
        options: &[
            "from <arg>",
            "to <arg>",
            "slots <arg>",
            "yes",
            "timeout <ms>",
            "pipeline <arg>",
            "replace",
        ],
    },
    Subcommand {
        name: "rebalance",
        arity: -1,
        arguments: ANY_NODE,
        options: &[
            "weight <node1=w1...nodeN=wN>",
            "use-empty-masters",
            "timeout <ms>",
            "simulate",
            "pipeline <arg>",
            "threshold <arg>",
            "replace",
        ],
    },
    Subcommand {
        name: "add-node",
        arity: 2,
        arguments: "new_host:new_port existing_host:existing_port",
        options: &["slave", "master-id <arg>"],
    },
    Subcommand {
        name: "del-node",
        arity: 2,
        arguments: "host:port node_id",
        options: &[],
    },
    Subcommand {
        name: "call",
        arity: -2,
        arguments: "host:port command arg arg .. arg",
        options: &["only-masters", "only-replicas"],
    },
    Subcommand {
        name: "set-timeout",
        arity: 2,
        arguments: "host:port milliseconds",
        options: &[],
    },
    Subcommand {
        name: "import",
        arity: 1,
        arguments: "host:port",
        options: &[
            "from <arg>",
            "from-user <arg>",
            "from-pass <arg>",
            "from-askpass",
            "copy",
            "replace",
        ],
    },
    Subcommand {
        name: "backup",
        arity: 2,
        arguments: "host:port backup_directory",
        options: &[],
    },
    Subcommand {
        name: "help",
        arity: 0,
        arguments: "",
        options: &[],
    },
];

/// `--cluster help`.
pub(super) fn help() -> String {
    let mut text = "Cluster Manager Commands:\n".to_owned();
    for subcommand in SUBCOMMANDS {
        text += &format!("  {:<15}{}\n", subcommand.name, subcommand.arguments);
        for option in subcommand.options {
            text += &format!("{:17}--cluster-{option}\n", "");
        }
    }
    text += "\nFor check, fix, reshard, del-node, set-timeout, info, rebalance, call, import, backup \
        you can specify the host and port of any working node in the cluster.\n\nCluster Manager \
        Options:\n  --cluster-yes  Automatic yes to cluster commands prompts\n\n";
    text
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClusterOptions {
    pub(super) name: String,
    pub(super) arguments: Vec<String>,
    pub(super) replicas: usize,
    pub(super) from: Option<String>,
    pub(super) to: Option<String>,
    /// Zero: asked for.
    pub(super) slots: usize,
    pub(super) is_yes: bool,
    /// Of MIGRATE.
    pub(super) timeout_ms: u64,
    /// Keys of a MIGRATE.
    pub(super) pipeline: u64,
    pub(super) replaces: bool,
    pub(super) copies: bool,
    /// Each `node=weight`.
    pub(super) weights: Vec<String>,
    pub(super) uses_empty: bool,
    pub(super) simulates: bool,
    /// Percent.
    pub(super) threshold: f64,
    pub(super) is_replica: bool,
    pub(super) primary_id: Option<String>,
    pub(super) only_primaries: bool,
    pub(super) only_replicas: bool,
    pub(super) searches_owners: bool,
    pub(super) fixes_unreachable: bool,
    pub(super) from_user: Option<String>,
    pub(super) from_password: Option<String>,
    pub(super) asks_from_password: bool,
}

impl Default for ClusterOptions {
    fn default() -> ClusterOptions {
        ClusterOptions {
            name: String::new(),
            arguments: Vec::new(),
            replicas: 0,
            from: None,
            to: None,
            slots: 0,
            is_yes: false,
            timeout_ms: 60_000,
            pipeline: 10,
            replaces: false,
            copies: false,
            weights: Vec::new(),
            uses_empty: false,
            simulates: false,
            threshold: 2.0,
            is_replica: false,
            primary_id: None,
            only_primaries: false,
            only_replicas: false,
            searches_owners: false,
            fixes_unreachable: false,
            from_user: None,
            from_password: None,
            asks_from_password: false,
        }
    }
}

/// The words up to the next option.
fn list<'a>(rest: &mut (impl Iterator<Item = &'a OsString> + Clone)) -> Vec<String> {
    let mut words = Vec::new();
    while let Some(word) = rest.clone().next().map(|word| word.to_string_lossy()) {
        if word.starts_with('-') {
            break;
        }
        words.push(word.into_owned());
        rest.next();
    }
    words
}

impl ClusterOptions {
    /// Reads `--cluster` or an option `--cluster-...` with its value; `None`: it is neither, or its
    /// value is missing or malformed.
    pub(crate) fn read<'a>(
        &mut self,
        option: &str,
        rest: &mut (impl Iterator<Item = &'a OsString> + Clone),
    ) -> Option<()> {
        match option {
            "--cluster" => {
                self.name = rest.next()?.to_string_lossy().into_owned();
                self.arguments = list(rest);
                return Some(());
            }
            "--cluster-weight" => {
                self.weights = list(rest);
                return Some(());
            }
            _ => {}
        }
        let flag = match option {
            "--cluster-yes" => &mut self.is_yes,
            "--cluster-replace" => &mut self.replaces,
            "--cluster-copy" => &mut self.copies,
            "--cluster-use-empty-masters" => &mut self.uses_empty,
            "--cluster-simulate" => &mut self.simulates,
            "--cluster-slave" => &mut self.is_replica,
            "--cluster-only-masters" => &mut self.only_primaries,
            "--cluster-only-replicas" => &mut self.only_replicas,
            "--cluster-search-multiple-owners" => &mut self.searches_owners,
            "--cluster-fix-with-unreachable-masters" => &mut self.fixes_unreachable,
            "--cluster-from-askpass" => &mut self.asks_from_password,
            _ => return self.read_value(option, rest),
        };
        *flag = true;
        Some(())
    }

    fn read_value<'a>(
        &mut self,
        option: &str,
        rest: &mut impl Iterator<Item = &'a OsString>,
    ) -> Option<()> {
        let name = option.strip_prefix("--cluster-")?;
        let value = rest.next()?.to_string_lossy().into_owned();
        match name {
            "replicas" => self.replicas = value.parse().ok()?,
            "from" => self.from = Some(value),
            "to" => self.to = Some(value),
            "slots" => self.slots = value.parse().ok()?,
            "timeout" => self.timeout_ms = value.parse().ok()?,
            "pipeline" => self.pipeline = value.parse().ok().filter(|&keys| keys > 0)?,
            "threshold" => self.threshold = value.parse().ok()?,
            "master-id" => self.primary_id = Some(value),
            "from-user" => self.from_user = Some(value),
            "from-pass" => self.from_password = Some(value),
            _ => return None,
        }
        Some(())
    }

    /// The place that the arguments name: `host:port`, or `host port`.
    pub(super) fn place(&self) -> Option<(String, u16)> {
        match self.arguments.as_slice() {
            [host, port] if !host.contains(':') => Some((host.clone(), port.parse().ok()?)),
            [place, ..] => place_of(place),
            [] => None,
        }
    }
}

/// `host:port`, also with `@bus` after it.
pub(super) fn place_of(text: &str) -> Option<(String, u16)> {
    let text = text.split('@').next()?;
    let (host, port) = text.rsplit_once(':')?;
    Some((host.to_owned(), port.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &str) -> Option<ClusterOptions> {
        let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
        let mut options = ClusterOptions::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            options.read(&word.to_string_lossy(), &mut rest)?;
        }
        Some(options)
    }

    #[test]
    fn a_subcommand_takes_words_up_to_the_next_option() {
        let options = read("--cluster create a:1 b:2 --cluster-replicas 1 --cluster-yes");
        let options = options.expect("valid");
        assert_eq!(
            (options.name.as_str(), options.arguments.len()),
            ("create", 2)
        );
        assert!(options.replicas == 1 && options.is_yes);
        let options = read("--cluster rebalance h 7 --cluster-weight a=1 b=0").expect("valid");
        assert_eq!(options.weights, ["a=1", "b=0"]);
        assert_eq!(options.place(), Some(("h".to_owned(), 7)));
    }

    #[test]
    fn wrong_values_are_no_options() {
        for line in [
            "--cluster",
            "--cluster-slots",
            "--cluster-slots x",
            "--cluster-pipeline 0",
            "--cluster-foo 1",
        ] {
            assert_eq!(read(line), None, "{line}");
        }
    }

    #[test]
    fn a_place_has_host_and_port() {
        assert_eq!(place_of("::1:7@17"), Some(("::1".to_owned(), 7)));
        assert_eq!(place_of("host"), None);
        assert_eq!(place_of("host:x"), None);
        let only_host = read("--cluster check host").expect("valid");
        assert_eq!(only_host.place(), None);
    }
}
