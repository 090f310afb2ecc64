//! The content of the database before a command is measured.
//!
//! A [`GrownValue`] is the value of keys that the command takes, a [`GrownState`] something else
//! that the server holds: keys, libraries, subscriptions, users, clients. Commands make both, and
//! an error of a command ends the test, so that a measurement never runs on an empty world.
//!
//! The key is `k`, a second key `k1`; elements are `m0`, `m1` ... or `f0`, `f1` ..., the names that
//! `words` gives to arguments.

use tempfile::TempDir;

use crate::testbed::Testbed;
use russet_command::docs::Group;

thread_local! {
    /// For files that commands read.
    static FOLDER: TempDir = TempDir::new().expect("a folder");
}

/// The value of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrownValue {
    Text,
    Registers,
    List,
    Integers,
    Set,
    Scores,
    Places,
    Fields,
    /// Fields that expire.
    Mortal,
    /// With a group that has read all of it.
    Entries,
    /// Of an array.
    Slots,
    /// With their elements.
    Vectors,
    /// Of a path hash, each with a field.
    Paths,
    /// A document with an array of numbers and an object; beside them a value of each kind.
    Document,
    /// Filters, with elements that were added to them.
    Bloom,
    Cuckoo,
    /// Other sketches, likewise.
    CountMin,
    TopK,
    TDigest,
    /// A time series, a sample each millisecond.
    Series,
    /// A dictionary of suggestions.
    Suggestions,
}

const ALL: [GrownValue; 21] = [
    GrownValue::Text,
    GrownValue::Registers,
    GrownValue::List,
    GrownValue::Integers,
    GrownValue::Set,
    GrownValue::Scores,
    GrownValue::Places,
    GrownValue::Fields,
    GrownValue::Mortal,
    GrownValue::Entries,
    GrownValue::Slots,
    GrownValue::Vectors,
    GrownValue::Paths,
    GrownValue::Document,
    GrownValue::Bloom,
    GrownValue::Cuckoo,
    GrownValue::CountMin,
    GrownValue::TopK,
    GrownValue::TDigest,
    GrownValue::Series,
    GrownValue::Suggestions,
];

/// The forms that commands of a group take.
pub fn forms(group: Group) -> &'static [GrownValue] {
    match group {
        Group::String | Group::Bitmap => &[GrownValue::Text],
        Group::HyperLogLog => &[GrownValue::Registers],
        Group::List => &[GrownValue::List],
        Group::Set => &[GrownValue::Set, GrownValue::Integers],
        Group::SortedSet => &[GrownValue::Scores, GrownValue::Set],
        Group::Geo => &[GrownValue::Places],
        Group::Hash => &[GrownValue::Fields, GrownValue::Mortal],
        Group::Stream => &[GrownValue::Entries],
        Group::Array => &[GrownValue::Slots],
        Group::Module => &[GrownValue::Vectors],
        Group::PathHash => &[GrownValue::Paths],
        Group::Json => &[GrownValue::Document],
        Group::Bloom => &[GrownValue::Bloom],
        Group::Cuckoo => &[GrownValue::Cuckoo],
        Group::Cms => &[GrownValue::CountMin],
        Group::TopK => &[GrownValue::TopK],
        Group::TDigest => &[GrownValue::TDigest],
        Group::TimeSeries => &[GrownValue::Series],
        Group::Search => &[GrownValue::Suggestions],
        Group::Generic | Group::Transactions => &ALL,
        _ => &[GrownValue::Text],
    }
}

/// The form of the keys if something else grows.
pub fn usual_form(name: &str, group: Group) -> GrownValue {
    match name {
        "sort" | "sort_ro" => GrownValue::List,
        _ => forms(group)[0],
    }
}

/// State of a server apart from the keys' values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrownState {
    Keys,
    /// In one library.
    Functions,
    Libraries,
    /// Channels, shard channels and patterns that another client has subscribed to.
    Subscriptions,
    Users,
    Clients,
    /// Commands of a transaction.
    Queued,
    /// Keys watched before EXEC.
    Watched,
}

/// The state that commands of a group use.
pub fn states(group: Group) -> &'static [GrownState] {
    match group {
        Group::Scripting => &[GrownState::Functions, GrownState::Libraries],
        Group::PubSub => &[GrownState::Subscriptions, GrownState::Clients],
        Group::Connection => &[GrownState::Clients, GrownState::Users],
        Group::Server => &[GrownState::Keys, GrownState::Users, GrownState::Clients],
        Group::Transactions => &[GrownState::Keys, GrownState::Queued, GrownState::Watched],
        _ => &[GrownState::Keys],
    }
}

/// Gives the server `n` items of `state`.
pub fn furnish(bed: &mut Testbed, state: GrownState, n: usize) {
    let function = |i| format!("redis.register_function('f{i}', function() end)\n");
    match state {
        // With as many prefixes.
        GrownState::Keys => (0..n).for_each(|i| fill(bed, &format!("k{i}:"), GrownValue::Text, 1)),
        GrownState::Functions => {
            let functions: String = (0..n).map(function).collect();
            let library = format!("#!lua name=library\n{functions}");
            run(bed, &["FUNCTION", "LOAD", &library]);
        }
        GrownState::Libraries => {
            for i in 0..n {
                let library = format!("#!lua name=library{i}\n{}", function(i));
                run(bed, &["FUNCTION", "LOAD", &library]);
            }
        }
        GrownState::Subscriptions => {
            let other = bed.connect();
            for (command, end) in [("SUBSCRIBE", ""), ("SSUBSCRIBE", ""), ("PSUBSCRIBE", "*")] {
                for i in 0..n {
                    bed.run_as(other, &format!("{command} m{i}{end}"));
                }
            }
        }
        GrownState::Users => (0..n).for_each(|i| {
            run(
                bed,
                &[
                    "ACL",
                    "SETUSER",
                    &format!("u{i}"),
                    "on",
                    "nopass",
                    "~m*",
                    "+get",
                ],
            );
        }),
        GrownState::Clients => (0..n).for_each(|_| {
            bed.connect();
        }),
        GrownState::Queued => {
            run(bed, &["MULTI"]);
            (0..n).for_each(|i| run(bed, &["SET", &format!("k{i}"), "v"]));
        }
        GrownState::Watched => {
            (0..n).for_each(|i| run(bed, &["WATCH", &format!("k{i}")]));
            run(bed, &["MULTI"]);
        }
    }
}

/// A command that blocks until `k` has elements.
pub fn waiting_for(group: Group) -> Option<&'static str> {
    match group {
        Group::List => Some("BLPOP k 0"),
        Group::SortedSet | Group::Geo => Some("BZPOPMIN k 0"),
        Group::Stream => Some("XREAD BLOCK 0 STREAMS k $"),
        _ => None,
    }
}

/// Makes `n` clients block until `k` has elements.
pub fn make_wait(bed: &mut Testbed, group: Group, n: usize) {
    let command = waiting_for(group).expect("a group whose elements are waited for");
    for _ in 0..n {
        let client = bed.connect();
        let reply = bed.run_as(client, command);
        assert!(reply.is_empty(), "{command}: {reply}");
    }
}

/// Returns the payload for a command that restores a payload; writes the file for a command that
/// reads a file.
pub fn payload(bed: &mut Testbed, name: &str) -> Option<Vec<u8>> {
    match name {
        "restore" | "restore-asking" => Some(bulk(bed, &["DUMP", "k"])),
        "function|restore" => {
            let payload = bulk(bed, &["FUNCTION", "DUMP"]);
            run(bed, &["FUNCTION", "FLUSH"]);
            Some(payload)
        }
        "acl|load" => {
            run(bed, &["ACL", "SAVE"]);
            None
        }
        _ => None,
    }
}

/// The bulk string in a command's reply.
fn bulk(bed: &mut Testbed, words: &[&str]) -> Vec<u8> {
    let words: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let reply = bed.run_args(&words);
    let head = memchr::memchr(b'\n', &reply).expect("a bulk string") + 1;
    reply[head..reply.len() - 2].to_vec()
}

/// Makes the data that a command needs to succeed.
pub fn prepare(bed: &mut Testbed, name: &str) {
    const FUNCTION: &str = "#!lua name=called\nredis.register_function{function_name='f0', \
                            callback=function() end, flags={'no-writes'}}";
    match name {
        "acl|load" => FOLDER.with(|folder| {
            let path = folder.path().join("users.acl");
            let path = path.to_str().expect("a path of text");
            bed.engine.server.config.aclfile = path.into();
        }),
        "auth" => run(bed, &["CONFIG", "SET", "requirepass", "secret"]),
        "client|caching" => {
            run(bed, &["HELLO", "3"]);
            run(bed, &["CLIENT", "TRACKING", "ON", "OPTIN"]);
        }
        "client|import-source" => run(bed, &["CONFIG", "SET", "import-mode", "yes"]),
        "fcall" | "fcall_ro" => run(bed, &["FUNCTION", "LOAD", FUNCTION]),
        "evalsha" | "evalsha_ro" | "script|show" => run(bed, &["SCRIPT", "LOAD", "return 1"]),
        "himport|set" => prepare_fieldset(bed, 1),
        "latency|graph" | "latency|history" => {
            let latency = &mut bed.engine.server.diagnostics.latency;
            latency.threshold_ms = 1;
            for second in 0..200 {
                latency.now_s = second;
                latency.add_if_slow("command", 5);
            }
        }
        "object|freq" => run(bed, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lfu"]),
        "prefixstats" => run(bed, &["CONFIG", "SET", "prefix-stats", "yes"]),
        _ => {}
    }
}

/// Keeps a fieldset of `n` names.
pub fn prepare_fieldset(bed: &mut Testbed, n: usize) {
    let mut words = vec!["HIMPORT".to_owned(), "PREPARE".to_owned(), "s".to_owned()];
    words.extend((0..n).map(|i| format!("f{i}")));
    run(bed, &words);
}

/// Gives `key` a value of `n` elements; a text of `n` bytes.
pub fn fill(bed: &mut Testbed, key: &str, form: GrownValue, n: usize) {
    match form {
        // A number, if it is short.
        GrownValue::Text => run(bed, &[b"SET", key.as_bytes(), &b"1".repeat(n)]),
        GrownValue::Mortal => {
            fill(bed, key, GrownValue::Fields, n);
            let mut words = vec!["HEXPIRE".to_owned(), key.to_owned(), "100000".to_owned()];
            words.extend(["FIELDS".to_owned(), n.to_string()]);
            words.extend((0..n).map(|i| format!("f{i}")));
            run(bed, &words);
        }
        GrownValue::Entries => {
            for i in 1..=n {
                run(bed, &["XADD", key, &format!("{i}-1"), "f", "v"]);
            }
            run(bed, &["XGROUP", "CREATE", key, "g", "0"]);
            run(bed, &["XREADGROUP", "GROUP", "g", "c", "STREAMS", key, ">"]);
        }
        _ => {
            let name: fn(usize) -> String = match form {
                GrownValue::Integers => |i| i.to_string(),
                GrownValue::Fields => |i| format!("f{i}"),
                _ => |i| format!("m{i}"),
            };
            add(bed, key, form, (0..n).map(|i| (i, name(i))));
        }
    }
}

/// Fills two keys: the key that every command has, and a second key for commands with several.
pub fn fill_two(bed: &mut Testbed, form: GrownValue, n: usize) {
    fill(bed, "k", form, n);
    fill(bed, "k1", form, n);
}

/// Gives `key` one element, `n` times the letter `a`, and stores a key of that name, so that
/// patterns have a name to match.
pub fn fill_to_match(bed: &mut Testbed, key: &str, form: GrownValue, n: usize) {
    let name = "a".repeat(n);
    fill(bed, &name, GrownValue::Text, 1);
    match form {
        GrownValue::Text | GrownValue::Integers | GrownValue::Mortal | GrownValue::Entries => {
            fill(bed, key, form, 1)
        }
        _ => add(bed, key, form, std::iter::once((0, name))),
    }
}

/// Adds named elements, the `i`th with a value made from `i`.
fn add(
    bed: &mut Testbed,
    key: &str,
    form: GrownValue,
    elements: impl Iterator<Item = (usize, String)>,
) {
    let command = match form {
        GrownValue::Registers => "PFADD",
        GrownValue::List => "RPUSH",
        GrownValue::Integers | GrownValue::Set => "SADD",
        GrownValue::Scores => "ZADD",
        GrownValue::Places => "GEOADD",
        GrownValue::Fields => "HSET",
        GrownValue::Slots => "ARINSERT",
        GrownValue::Paths => "PHMSET",
        GrownValue::Bloom => "BF.MADD",
        GrownValue::Cuckoo => "CF.INSERT",
        GrownValue::Document => {
            let (mut numbers, mut members) = (Vec::new(), Vec::new());
            for (i, name) in elements {
                numbers.push(i.to_string());
                members.push(format!("\"{name}\":{i}"));
            }
            let document = format!(
                r#"{{"s":"text","n":1,"t":true,"a":[{}],"o":{{{}}}}}"#,
                numbers.join(","),
                members.join(",")
            );
            run(bed, &["JSON.SET", key, "$", &document]);
            return;
        }
        GrownValue::Vectors => {
            for (i, name) in elements {
                let (x, y) = ((i % 101).to_string(), (i % 89).to_string());
                run(bed, &["VADD", key, "VALUES", "2", &x, &y, &name]);
            }
            return;
        }
        GrownValue::Series => {
            for (i, _) in elements {
                let value = (i % 97).to_string();
                let sample = ["TS.ADD", key, &i.to_string(), &value];
                let rest = ["ON_DUPLICATE", "LAST", "LABELS", "l", "v"];
                run(bed, &[&sample[..], &rest].concat());
            }
            return;
        }
        GrownValue::Suggestions => {
            for (i, name) in elements {
                let score = (i % 97 + 1).to_string();
                run(bed, &["FT.SUGADD", key, &name, &score]);
            }
            return;
        }
        GrownValue::CountMin | GrownValue::TopK | GrownValue::TDigest => {
            return add_to_sketch(bed, key, form, &elements.collect::<Vec<_>>());
        }
        GrownValue::Text | GrownValue::Mortal | GrownValue::Entries => {
            unreachable!("no elements by name")
        }
    };
    let mut words = vec![command.to_owned(), key.to_owned()];
    if form == GrownValue::Cuckoo {
        words.push("ITEMS".to_owned());
    }
    for (i, name) in elements {
        match form {
            GrownValue::Scores => words.extend([i.to_string(), name]),
            GrownValue::Places => words.extend([(i % 97).to_string(), (i % 79).to_string(), name]),
            GrownValue::Fields => words.extend([name, i.to_string()]),
            GrownValue::Paths => {
                let field = ["FIELDS", "1", "f"].map(str::to_owned);
                words.push(name);
                words.extend(field);
                words.push(i.to_string());
            }
            _ => words.push(name),
        }
    }
    run(bed, &words);
}

/// Adds elements to a sketch that has as many counters or places, or values made from them.
fn add_to_sketch(bed: &mut Testbed, key: &str, form: GrownValue, elements: &[(usize, String)]) {
    let n = elements.len().max(1).to_string();
    let make: &[&str] = match form {
        GrownValue::CountMin => &["CMS.INITBYDIM", key, &n, "3"],
        GrownValue::TopK => &["TOPK.RESERVE", key, &n, &n, "3", "0.9"],
        _ => &["TDIGEST.CREATE", key],
    };
    if bed.run(&format!("EXISTS {key}")) == ":0\r\n" {
        run(bed, make);
    }
    for (i, name) in elements {
        match form {
            GrownValue::CountMin => run(bed, &["CMS.INCRBY", key, name, "1"]),
            GrownValue::TopK => run(bed, &["TOPK.ADD", key, name]),
            _ => run(bed, &["TDIGEST.ADD", key, &i.to_string()]),
        }
    }
}

/// Runs a command that succeeds.
fn run(bed: &mut Testbed, words: &[impl AsRef<[u8]>]) {
    let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
    let reply = bed.run_args(&words);
    let name = String::from_utf8_lossy(words[0]);
    let reply = String::from_utf8_lossy(&reply);
    assert!(!reply.starts_with('-'), "{name}: {reply}");
}
