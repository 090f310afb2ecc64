//! A command's words, generated from the documentation, with one argument that grows.
//!
//! An argument grows in up to four ways ([`GrowthKind`]). The generator leaves out optional
//! arguments unless they lead to the growing argument or the command needs them; of alternatives it
//! usually takes the first. A count (`numkeys`) follows the arguments that it counts.
//!
//! Two calls of a command differ in values, not in keys, because a repeated call must not find its
//! work done. Values that a command accepts come from `value`, by the argument's type and name: a
//! new name falls through to `m1`, `m2` ...

use russet_command::docs::{Arg, ArgFlags, ArgKind, Doc};

/// Placeholder for the first key's DUMP payload, or FUNCTION DUMP's.
pub const PAYLOAD: &[u8] = b"payload";

/// How an argument grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrowthKind {
    /// Repeated, each time with another value.
    Times,
    /// Repeated, each time with the same value.
    Again,
    /// A long text.
    Long,
    /// A large number.
    Large,
}

/// The argument that grows.
#[derive(Clone, Copy, Debug)]
pub struct GrowthCase {
    pub arg: &'static Arg,
    pub how: GrowthKind,
}

impl GrowthCase {
    /// A long pattern, which is slow to match.
    pub fn is_pattern(self) -> bool {
        self.how == GrowthKind::Long && is_pattern(self.arg)
    }

    /// A repeated argument.
    pub fn is_many(self) -> bool {
        matches!(self.how, GrowthKind::Times | GrowthKind::Again)
    }

    /// Distinct keys.
    pub fn is_many_keys(self) -> bool {
        self.how == GrowthKind::Times && self.arg.kind == ArgKind::Key
    }
}

fn is_pattern(arg: &Arg) -> bool {
    arg.kind == ArgKind::Pattern || arg.name.contains("pattern")
}

/// A command line under construction.
struct Words<'a> {
    name: &'a str,
    grown: Option<GrowthCase>,
    n: usize,
    /// First index of the values, so that calls differ.
    offset: usize,
    words: Vec<Vec<u8>>,
}

/// All arguments that may grow, each in every way.
pub fn growable(doc: &'static Doc) -> Vec<GrowthCase> {
    fn add(args: &'static [Arg], grown: &mut Vec<GrowthCase>) {
        for arg in args {
            let is_text = matches!(arg.kind, ArgKind::String | ArgKind::Pattern | ArgKind::Key);
            let is_many = arg.flags.contains(ArgFlags::MULTIPLE);
            let ways = [
                (GrowthKind::Times, is_many),
                // An option that occurs once is refused only after all are read.
                (
                    GrowthKind::Again,
                    is_many || arg.flags.contains(ArgFlags::OPTIONAL),
                ),
                (GrowthKind::Long, is_text),
                (
                    GrowthKind::Large,
                    arg.kind == ArgKind::Integer && !is_count(arg),
                ),
            ];
            let ways = ways.into_iter().filter(|(_, may)| *may);
            grown.extend(ways.map(|(how, _)| GrowthCase { arg, how }));
            add(&arg.args, grown);
        }
    }
    let mut grown = Vec::new();
    add(&doc.args, &mut grown);
    grown
}

/// Whether it is the count of the arguments that follow.
fn is_count(arg: &Arg) -> bool {
    arg.kind == ArgKind::Integer && ["numkeys", "numfields", "numids"].contains(&&*arg.name)
}

/// The words of the `call`th call of command `name`, with `n` of the growing argument. Calls differ
/// in their values, not in their keys.
pub fn words(
    name: &str,
    doc: &'static Doc,
    grown: Option<GrowthCase>,
    n: usize,
    call: usize,
) -> Vec<Vec<u8>> {
    let mut words = Words {
        name,
        grown,
        n,
        offset: call,
        words: name.split('|').map(Vec::from).collect(),
    };
    words.all(&doc.args, 0);
    words.words
}

impl Words<'_> {
    fn is(&self, arg: &Arg, ways: &[GrowthKind]) -> bool {
        self.grown
            .is_some_and(|grown| std::ptr::eq(grown.arg, arg) && ways.contains(&grown.how))
    }

    /// Whether the command is refused without this option.
    fn is_needed(&self, arg: &Arg) -> bool {
        match self.name {
            "client|tracking" => {
                arg.name == "bcast" && self.grown.is_some_and(|grown| grown.arg.name == "prefix")
            }
            "command|getkeys" | "command|getkeysandflags" => arg.name == "arg",
            "hotkeys|start" => arg.name == "cpu",
            "json.debug" => ["key", "path"].contains(&&*arg.name),
            // By default the root, which is no array, no string, no number.
            name if name.starts_with("json.") => ["path", "path_index"].contains(&&*arg.name),
            "restore" | "restore-asking" => arg.name == "replace",
            "sort" | "sort_ro" => arg.name == "sorting",
            _ => false,
        }
    }

    /// Whether the growing argument is `arg` or a part of it.
    fn leads_to(&self, arg: &'static Arg) -> bool {
        self.grown.is_some_and(|grown| std::ptr::eq(grown.arg, arg))
            || arg.args.iter().any(|part| self.leads_to(part))
    }

    fn is_repeated(&self, arg: &Arg) -> bool {
        self.is(arg, &[GrowthKind::Times, GrowthKind::Again])
    }

    /// How often an argument occurs among `siblings`. There are as many weights and IDs as keys,
    /// and two keys if several are allowed.
    fn times(&self, arg: &'static Arg, siblings: &'static [Arg]) -> usize {
        let is_many = arg.flags.contains(ArgFlags::MULTIPLE);
        let is_paired = |arg: &Arg| ["weight", "id", "key"].contains(&&*arg.name);
        let has_keys = siblings
            .iter()
            .any(|other| other.kind == ArgKind::Key && other.flags.contains(ArgFlags::MULTIPLE));
        let mut others = siblings.iter();
        if self.is_repeated(arg) {
            self.n
        } else if !is_many || !is_paired(arg) {
            1
        } else if others.any(|other| is_paired(other) && self.is_repeated(other)) {
            self.n
        } else if has_keys {
            2
        } else {
            1
        }
    }

    /// The number before `following` that counts them.
    fn count(&self, following: &'static [Arg], siblings: &'static [Arg]) -> usize {
        let counted = following
            .iter()
            .find(|next| next.flags.contains(ArgFlags::MULTIPLE) || next.kind == ArgKind::Block);
        let is_there =
            |arg: &'static Arg| !arg.flags.contains(ArgFlags::OPTIONAL) || self.leads_to(arg);
        let counted = counted.filter(|next| is_there(next));
        counted.map_or(0, |next| {
            let part = next.args.iter().find(|part| self.is_repeated(part));
            self.times(part.unwrap_or(next), siblings)
        })
    }

    fn all(&mut self, args: &'static [Arg], at: usize) {
        for (place, arg) in args.iter().enumerate() {
            let is_left_out = arg.flags.contains(ArgFlags::OPTIONAL)
                && !self.leads_to(arg)
                && !self.is_needed(arg);
            if is_left_out {
                continue;
            }
            if is_count(arg) {
                self.words.extend(arg.token.map(Vec::from));
                let count = self.count(&args[place + 1..], args);
                self.words.push(count.to_string().into_bytes());
                continue;
            }
            self.repeated(arg, args, at);
        }
    }

    fn repeated(&mut self, arg: &'static Arg, siblings: &'static [Arg], at: usize) {
        let is_same = self.is(arg, &[GrowthKind::Again]);
        // A list's token occurs once, an option's each time.
        let is_list =
            arg.flags.contains(ArgFlags::MULTIPLE) && !arg.flags.contains(ArgFlags::MULTIPLE_TOKEN);
        for time in 0..self.times(arg, siblings) {
            if time == 0 || !is_list {
                self.words.extend(arg.token.map(Vec::from));
            }
            self.one(arg, if is_same { at } else { at + time });
        }
    }

    fn one(&mut self, arg: &'static Arg, at: usize) {
        match arg.kind {
            ArgKind::PureToken => {}
            ArgKind::Block => self.all(&arg.args, at),
            ArgKind::OneOf => {
                let choice = arg.args.iter().position(|choice| self.leads_to(choice));
                let choice = choice.unwrap_or_else(|| usual_choice(self.name, arg));
                self.repeated(&arg.args[choice], &arg.args, at);
            }
            _ if self.is(arg, &[GrowthKind::Long]) => self.words.push(long(self.name, arg, self.n)),
            _ if self.is(arg, &[GrowthKind::Large]) => {
                self.words.push(self.n.to_string().into_bytes())
            }
            ArgKind::Key => self.words.push(value(self.name, arg, at).into_bytes()),
            _ => {
                let value = value(self.name, arg, self.offset + at);
                self.words.push(value.into_bytes());
            }
        }
    }
}

/// The alternative used if none of them grows.
fn usual_choice(name: &str, arg: &Arg) -> usize {
    let usual = match name {
        "client|kill" => "new-format",
        "script|debug" => "no",
        _ => return 0,
    };
    let place = arg.args.iter().position(|choice| choice.name == usual);
    place.unwrap_or(0)
}

/// A text of about `n` bytes: for patterns a text that is slow to match, for libraries many
/// functions.
fn long(name: &str, arg: &Arg, n: usize) -> Vec<u8> {
    match &*arg.name {
        "min" | "max" if name.contains("lex") => [b"[".to_vec(), vec![b'm'; n]].concat(),
        "function-code" => {
            let functions = (0..=n / 64)
                .map(|i| format!("redis.register_function('f{i}', function() return {i} end)\n"));
            format!("#!lua name=grown\n{}", functions.collect::<String>()).into_bytes()
        }
        "script" => ["local a ", &"a=1 ".repeat(n / 4)].concat().into_bytes(),
        "id" | "start" | "end" | "min" | "max" | "threshold" => vec![b'1'; n],
        _ if is_pattern(arg) => [b"*a".repeat(n / 2), b"b".to_vec()].concat(),
        "path" if name.starts_with("json.") => [b"$.".to_vec(), vec![b'a'; n]].concat(),
        "json" | "json-value" | "json-string" => format!("\"{}\"", "a".repeat(n)).into_bytes(),
        "rule" => [b"~".to_vec(), b"*a".repeat(n / 2), b"b".to_vec()].concat(),
        _ => vec![b'a'; n],
    }
}

/// The `at`th value of an argument, which the command accepts.
fn value(name: &str, arg: &Arg, at: usize) -> String {
    match (arg.kind, &*arg.name) {
        (ArgKind::Key, "destination" | "newkey" | "destkey" | "dst" | "storekey") => "d".to_owned(),
        (ArgKind::Key, _) if name.starts_with("restore") => "d".to_owned(),
        (ArgKind::Key, _) if name.ends_with(".reserve") => "d".to_owned(),
        (ArgKind::Integer, "capacity") if name.starts_with("cf.") => "8".to_owned(),
        (ArgKind::Double, "error_rate" | "error") => "0.01".to_owned(),
        (_, "serialized-value") => String::from_utf8_lossy(PAYLOAD).into_owned(),
        (ArgKind::Key, "key2") => "k1".to_owned(),
        (ArgKind::Key, _) if at == 0 => "k".to_owned(),
        (ArgKind::Key, _) => format!("k{at}"),
        (ArgKind::UnixTime, "unix-time-seconds") => "20000000".to_owned(),
        (ArgKind::UnixTime, _) => "20000000000".to_owned(),
        (ArgKind::Pattern, _) if name.starts_with("sort") => "*".to_owned(),
        // Prefixes of many lengths.
        (ArgKind::Pattern, _) => format!("{}{at}*", "p".repeat(at % 256)),
        (ArgKind::Double, "longitude") => (at % 170).to_string(),
        (ArgKind::Double, "latitude") => (at % 80).to_string(),
        (ArgKind::Double, "radius" | "width" | "height") => "4000".to_owned(),
        (ArgKind::Double, "min") => "-inf".to_owned(),
        (ArgKind::Double, "max") => "inf".to_owned(),
        (ArgKind::Double, "timeout") => "0.001".to_owned(),
        (ArgKind::Double, "probability") => "0.5".to_owned(),
        (ArgKind::Double, "high_cut_quantile") => "1".to_owned(),
        (ArgKind::Double, _) => at.to_string(),
        (_, "end") if name.starts_with("ar") => "4095".to_owned(),
        (_, "vector" | "vector_or_element") => "8bytes..".to_owned(),
        (_, "start") if name == "VRANGE" => "-".to_owned(),
        (_, "end") if name == "VRANGE" => "+".to_owned(),
        (ArgKind::Integer, "cursor" | "start" | "offset") => "0".to_owned(),
        (ArgKind::Integer, "stop" | "end") => "-1".to_owned(),
        (ArgKind::Integer, "client-id") => (1_000_000 + at).to_string(),
        (ArgKind::Integer, "numlocal") => "0".to_owned(),
        (ArgKind::Integer, "protover") => "3".to_owned(),
        (ArgKind::Integer, "seconds" | "milliseconds" | "timeout") => "100000".to_owned(),
        (ArgKind::Integer, _) => "1".to_owned(),
        (_, "id") if name.starts_with("xread") => "0".to_owned(),
        (_, "last-id") if name == "xsetid" => format!("{}-1", 1_000_000 + at),
        (_, "id" | "last-id" | "lastid") => format!("{}-1", at + 1),
        (_, "start" | "min" | "end" | "max" | "stop") if name.starts_with('x') => {
            let is_first = ["start", "min"].contains(&&*arg.name);
            match name {
                "xautoclaim" => "0-0".to_owned(),
                _ if is_first => "-".to_owned(),
                _ => "+".to_owned(),
            }
        }
        (_, "min") if name == "zrangestore" => "0".to_owned(),
        (_, "max") if name == "zrangestore" => "-1".to_owned(),
        (_, "min") => "-".to_owned(),
        (_, "max") => "+".to_owned(),
        (_, "start") => "0".to_owned(),
        (_, "stop") => "-1".to_owned(),
        (_, "threshold") => "10".to_owned(),
        (_, "min-idle-time") => "0".to_owned(),
        (_, "group") if name == "xgroup|create" => format!("new{at}"),
        (_, "group") => "g".to_owned(),
        (_, "consumer") => "c".to_owned(),
        (_, "encoding") => "u8".to_owned(),
        (_, "script") => format!("return {at}"),
        (_, "function") => "f0".to_owned(),
        (_, "library-name") => format!("library{at}"),
        (_, "function-code") => {
            format!("#!lua name=l{at}\nredis.register_function('g{at}', function() end)")
        }
        (_, "sha1") => "e0e1f9fabfc9d4800c877a703b823ac0578ff8db".to_owned(),
        (_, "rule") => format!("~p{at}*"),
        (_, "parameter") => "maxmemory".to_owned(),
        (_, "value") if name == "config|set" => "0".to_owned(),
        (_, "command") if name == "acl|dryrun" => "info".to_owned(),
        (_, "username") if name == "acl|dryrun" => "default".to_owned(),
        (_, "password") if name == "auth" => "secret".to_owned(),
        (_, "subcommand") if name == "pfdebug" => "getreg".to_owned(),
        (_, "command") if name.starts_with("command|getkeys") => "mget".to_owned(),
        (_, "member") if name.starts_with("georadius") || name.starts_with("geosearch") => {
            "m0".to_owned()
        }
        (_, "path") if name.starts_with("json.") => json_path(name, at),
        (_, "json" | "json-value") => at.to_string(),
        (_, "json-string") => format!("\"m{at}\""),
        (_, of) if name.starts_with("ts.") && !of.contains("label") => time_series(of, at),
        // All paths.
        (_, "prefix") if name.starts_with("ph") => String::new(),
        (_, "cursor") => "0".to_owned(),
        // None of them is a prefix of another.
        (_, "prefix") => format!("{at:08}"),
        (_, "command" | "command-name") => "get".to_owned(),
        (_, "category") => "read".to_owned(),
        (_, "event") => "command".to_owned(),
        (_, "username") => format!("u{at}"),
        (_, "fieldset-name") => "s".to_owned(),
        (_, "field") => format!("f{at}"),
        (_, "member1") => "m1".to_owned(),
        (_, "member2") => "m2".to_owned(),
        _ => format!("m{at}"),
    }
}

/// A word of a command of time series, about the grown series and the label `l`.
fn time_series(argument: &str, at: usize) -> String {
    match argument {
        "timestamp" => (1_000_000_000 + at).to_string(),
        "from_timestamp" => "-".to_owned(),
        "to_timestamp" => "+".to_owned(),
        "filter" => "l=v".to_owned(),
        "aggregator" | "aggregators" => "avg".to_owned(),
        "reducer" => "max".to_owned(),
        "align" | "stamp" => "start".to_owned(),
        _ => format!("m{at}"),
    }
}

/// A path of the grown document, to a value of the kind that the command takes.
fn json_path(name: &str, at: usize) -> String {
    match name.trim_start_matches("json.") {
        "mset" => "$".to_owned(),
        "mget" | "get" | "type" | "resp" | "debug" | "clear" => "$.*".to_owned(),
        "del" | "forget" => format!("$.o.m{at}"),
        "toggle" => "$.t".to_owned(),
        name if name.starts_with("arr") => "$.a".to_owned(),
        name if name.starts_with("obj") => "$.o".to_owned(),
        name if name.starts_with("str") => "$.s".to_owned(),
        _ => "$.n".to_owned(),
    }
}
