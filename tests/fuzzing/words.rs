//! Commands as words, generated from the command table and from the arguments in COMMAND DOCS.
//!
//!     input bytes -> which options, how many repetitions, which choice, which value of a list
//!
//! Values come from short lists, so that keys collide and numbers meet the limits of encodings.
//! After a count (`numkeys`) come as many values. A command in ten then loses, gains or changes a
//! word. Left out: administration, commands about the connection except `CONNECTION`, and MIGRATE.
//! The same input always gives the same commands.

use super::input::Input;
use russet_command::Flags;
use russet_command::docs::{Arg, ArgFlags, ArgKind, Doc, Group};
use russet_commands::docs_for;
use russet_server::CommandTable;

/// Maximum repetitions of a value.
const REPEATS_MAX: usize = 5;
/// Commands about the connection that leave it open.
const CONNECTION: [&str; 5] = ["echo", "hello", "ping", "reset", "select"];
/// Connects to another host.
const ELSEWHERE: &str = "migrate";

const KEYS: [&str; 8] = ["a", "b", "c", "d", "e", "f", "key:6", ""];
pub(super) const TEXTS: [&str; 20] = [
    "x",
    "y",
    "z",
    "one",
    "two",
    "three",
    "",
    "10",
    "-3",
    "4.5",
    "foo\0bar",
    "(1",
    "[y",
    "-",
    "+",
    "\u{e9}\u{2028}",
    "1000000",
    "9223372036854775807",
    "a value that is too long to sit in a \
     listpack of the default limits, and longer than an embedded string",
    "0x10",
];
const INTEGERS: [&str; 14] = [
    "0",
    "1",
    "2",
    "3",
    "5",
    "10",
    "-1",
    "-2",
    "100",
    "300",
    "20000",
    "9223372036854775807",
    "-9223372036854775808",
    "many",
];
const DOUBLES: [&str; 10] = [
    "0",
    "1",
    "-1.5",
    "3.25",
    "1e10",
    "inf",
    "-inf",
    "nan",
    "0.1",
    "1.7976931348623157e308",
];
const PATTERNS: [&str; 5] = ["*", "a", "[a-c]", "?", "*e*"];
/// Near the testbed's time in seconds and milliseconds, and far from it.
const TIMES: [&str; 6] = ["1000001", "1000100", "1000000500", "1000200000", "0", "-5"];

/// A command: its words and its documentation.
pub(super) struct KnownCommand {
    name: Vec<&'static str>,
    doc: &'static Doc,
    /// Whether the command takes keys of the keyspace (channels are not keys).
    pub is_keyed: bool,
}

/// All commands of the table that affect only the keyspace.
pub(super) fn known(table: &CommandTable) -> Vec<KnownCommand> {
    let mut all = Vec::new();
    for row in table.rows() {
        let spec = row.spec;
        let parent = row.parent.map(|id| table.row(id).spec);
        let Some(doc) = docs_for(row.full_name) else {
            continue;
        };
        if spec.flags.contains(Flags::ADMIN)
            || doc.group == Group::Connection && !CONNECTION.contains(&spec.name)
            || spec.name == ELSEWHERE
        {
            continue;
        }
        let name = parent
            .into_iter()
            .chain([spec])
            .map(|spec| spec.name)
            .collect();
        all.push(KnownCommand {
            name,
            doc,
            is_keyed: row.has_keys() && doc.group != Group::PubSub,
        });
    }
    all
}

impl KnownCommand {
    /// A command that mostly follows the syntax.
    pub fn words(&self, input: &mut Input<'_>) -> Vec<Vec<u8>> {
        let mut words = Words {
            words: Vec::new(),
            counted: None,
        };
        self.name.iter().for_each(|name| words.push(name));
        words.all(&self.doc.args, input);
        let mut words = words.words;
        // A command in ten gets a mistake.
        let damage = input.byte();
        if damage > 230 && words.len() > 1 {
            let at = 1 + input.below(words.len() - 1);
            match damage % 3 {
                0 => _ = words.remove(at),
                1 => words.insert(at, input.pick(&TEXTS).into()),
                _ => words[at] = input.pick(&INTEGERS).into(),
            }
        }
        words
    }
}

struct Words {
    words: Vec<Vec<u8>>,
    /// The number of values that `numkeys` or a similar argument promises.
    counted: Option<usize>,
}

impl Words {
    fn push(&mut self, word: &str) {
        self.words.push(word.into());
    }

    fn all(&mut self, args: &[Arg], input: &mut Input<'_>) {
        for arg in args {
            if !arg.flags.contains(ArgFlags::OPTIONAL) || input.byte() % 3 == 1 {
                self.repeated(arg, input);
            }
        }
    }

    fn repeated(&mut self, arg: &Arg, input: &mut Input<'_>) {
        let times = if arg.flags.contains(ArgFlags::MULTIPLE) {
            self.counted
                .take()
                .unwrap_or_else(|| 1 + input.below(REPEATS_MAX))
        } else {
            1
        };
        for time in 0..times {
            if let Some(token) = arg.token
                && (time == 0 || arg.flags.contains(ArgFlags::MULTIPLE_TOKEN))
            {
                self.push(token);
            }
            self.one(arg, input);
        }
    }

    fn one(&mut self, arg: &Arg, input: &mut Input<'_>) {
        match arg.kind {
            ArgKind::Integer if arg.name.starts_with("num") => {
                let count = 1 + input.below(REPEATS_MAX);
                self.counted = Some(count);
                self.push(&count.to_string());
            }
            ArgKind::Key => self.push(input.pick(&KEYS)),
            ArgKind::String => self.push(input.pick(&TEXTS)),
            ArgKind::Integer => self.push(input.pick(&INTEGERS)),
            ArgKind::Double => self.push(input.pick(&DOUBLES)),
            ArgKind::Pattern => self.push(input.pick(&PATTERNS)),
            ArgKind::UnixTime => self.push(input.pick(&TIMES)),
            ArgKind::PureToken => {}
            ArgKind::OneOf => {
                let choice = input.below(arg.args.len());
                self.repeated(&arg.args[choice], input);
            }
            ArgKind::Block => self.all(&arg.args, input),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use russet_commands::testbed::{AllCommands as _, Testbed};

    #[test]
    fn data_commands_are_known_and_administration_is_not() {
        let t = Testbed::new();
        let known = known(&t.engine.server.table);
        let has = |name: &str| known.iter().any(|known| known.name.join(" ") == name);
        assert!(has("set") && has("object encoding") && has("exec") && has("hello"));
        assert!(!has("shutdown") && !has("config set") && !has("client kill") && !has("debug"));
    }
}
