//! The contents of the database before a measurement.

use crate::command::docs::Group;
use crate::server::Testbed;

/// The form of a key's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Text,
    Registers,
    List,
    Integers,
    Set,
    Scores,
    Places,
    Fields,
    /// Fields with an expiry.
    Mortal,
    /// With a group that has read all entries.
    Entries,
}

const ALL: [Form; 10] = [
    Form::Text,
    Form::Registers,
    Form::List,
    Form::Integers,
    Form::Set,
    Form::Scores,
    Form::Places,
    Form::Fields,
    Form::Mortal,
    Form::Entries,
];

/// The forms that the commands of a group accept.
pub fn forms(group: Group) -> &'static [Form] {
    match group {
        Group::String | Group::Bitmap => &[Form::Text],
        Group::HyperLogLog => &[Form::Registers],
        Group::List => &[Form::List],
        Group::Set => &[Form::Set, Form::Integers],
        Group::SortedSet => &[Form::Scores, Form::Set],
        Group::Geo => &[Form::Places],
        Group::Hash => &[Form::Fields, Form::Mortal],
        Group::Stream => &[Form::Entries],
        Group::Generic | Group::Transactions => &ALL,
        _ => &[Form::Text],
    }
}

/// Server state other than key values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Keys,
    /// All in one library.
    Functions,
    Libraries,
    /// Channels, shard channels and patterns that another client has subscribed to.
    Subscriptions,
    Users,
    Clients,
}

/// The states that affect commands of a group.
pub fn states(group: Group) -> &'static [State] {
    match group {
        Group::Scripting => &[State::Functions, State::Libraries],
        Group::PubSub => &[State::Subscriptions, State::Clients],
        Group::Connection => &[State::Clients, State::Users],
        Group::Server => &[State::Keys, State::Users, State::Clients],
        _ => &[State::Keys],
    }
}

/// Creates `n` items of a kind of state.
pub fn furnish(bed: &mut Testbed, state: State, n: usize) {
    let function = |i| format!("redis.register_function('f{i}', function() end)\n");
    match state {
        State::Keys => (0..n).for_each(|i| fill(bed, &format!("k{i}"), Form::Text, 1)),
        State::Functions => {
            let functions: String = (0..n).map(function).collect();
            let library = format!("#!lua name=library\n{functions}");
            run(bed, &["FUNCTION", "LOAD", &library]);
        }
        State::Libraries => {
            for i in 0..n {
                let library = format!("#!lua name=library{i}\n{}", function(i));
                run(bed, &["FUNCTION", "LOAD", &library]);
            }
        }
        State::Subscriptions => {
            let other = bed.connect();
            for (command, end) in [("SUBSCRIBE", ""), ("SSUBSCRIBE", ""), ("PSUBSCRIBE", "*")] {
                for i in 0..n {
                    bed.run_as(other, &format!("{command} m{i}{end}"));
                }
            }
        }
        State::Users => (0..n).for_each(|i| {
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
        State::Clients => (0..n).for_each(|_| {
            bed.connect();
        }),
    }
}

/// Loads a script, `return 1`, and a function, `f0`, for calls.
pub fn load_scripts(bed: &mut Testbed) {
    furnish(bed, State::Functions, 1);
    run(bed, &["SCRIPT", "LOAD", "return 1"]);
}

/// The DUMP payload of a key.
pub fn dump(bed: &mut Testbed, key: &str) -> Vec<u8> {
    let reply = bed.run_args(&[b"DUMP", key.as_bytes()]);
    let head = reply
        .iter()
        .position(|&byte| byte == b'\n')
        .expect("a bulk string")
        + 1;
    reply[head..reply.len() - 2].to_vec()
}

/// Fills `key` with `n` elements; a text with `n` bytes.
pub fn fill(bed: &mut Testbed, key: &str, form: Form, n: usize) {
    match form {
        Form::Text => run(bed, &[b"SET", key.as_bytes(), &b"a".repeat(n)]),
        Form::Mortal => {
            fill(bed, key, Form::Fields, n);
            let mut words = vec!["HEXPIRE".to_owned(), key.to_owned(), "100000".to_owned()];
            words.extend(["FIELDS".to_owned(), n.to_string()]);
            words.extend((0..n).map(|i| format!("f{i}")));
            run(bed, &words);
        }
        Form::Entries => {
            for i in 1..=n {
                run(bed, &["XADD", key, &format!("{i}-1"), "f", "v"]);
            }
            run(bed, &["XGROUP", "CREATE", key, "g", "0"]);
            run(bed, &["XREADGROUP", "GROUP", "g", "c", "STREAMS", key, ">"]);
        }
        _ => {
            let name: fn(usize) -> String = match form {
                Form::Integers => |i| i.to_string(),
                Form::Fields => |i| format!("f{i}"),
                _ => |i| format!("m{i}"),
            };
            add(bed, key, form, (0..n).map(|i| (i, name(i))));
        }
    }
}

/// Fills two keys: the one that every command uses, and a second for commands with several.
pub fn fill_two(bed: &mut Testbed, form: Form, n: usize) {
    fill(bed, "k", form, n);
    fill(bed, "k1", form, n);
}

/// Fills `key` with one element whose name is `n` times `a`, and stores a key of that name: the
/// texts that patterns are matched against.
pub fn fill_to_match(bed: &mut Testbed, key: &str, form: Form, n: usize) {
    let name = "a".repeat(n);
    fill(bed, &name, Form::Text, 1);
    match form {
        Form::Text | Form::Integers | Form::Mortal | Form::Entries => fill(bed, key, form, 1),
        _ => add(bed, key, form, std::iter::once((0, name))),
    }
}

/// Adds named elements, the `i`th with a value made from `i`.
fn add(bed: &mut Testbed, key: &str, form: Form, elements: impl Iterator<Item = (usize, String)>) {
    let command = match form {
        Form::Registers => "PFADD",
        Form::List => "RPUSH",
        Form::Integers | Form::Set => "SADD",
        Form::Scores => "ZADD",
        Form::Places => "GEOADD",
        Form::Fields => "HSET",
        Form::Text | Form::Mortal | Form::Entries => unreachable!("no elements by name"),
    };
    let mut words = vec![command.to_owned(), key.to_owned()];
    for (i, name) in elements {
        match form {
            Form::Scores => words.extend([i.to_string(), name]),
            Form::Places => words.extend([(i % 97).to_string(), (i % 79).to_string(), name]),
            Form::Fields => words.extend([name, i.to_string()]),
            _ => words.push(name),
        }
    }
    run(bed, &words);
}

/// Runs a command that succeeds.
fn run(bed: &mut Testbed, words: &[impl AsRef<[u8]>]) {
    let words: Vec<&[u8]> = words.iter().map(AsRef::as_ref).collect();
    let reply = bed.run_args(&words);
    let name = String::from_utf8_lossy(words[0]);
    let reply = String::from_utf8_lossy(&reply);
    assert!(!reply.starts_with('-'), "{name}: {reply}");
}
