//! Conditions on a string's value, IFEQ, IFNE, IFDEQ and IFDNE, and the digest that two of them
//! name; DIGEST and DELEX.
//!
//! A digest is the XXH3-64 of the value's bytes as 16 hexadecimal digits. It lets a client compare
//! a large value without sending it.

use xxhash_rust::xxh3::xxh3_64;

use russet_command::keys::Keys;
use russet_command::{Access, Arity, BadKeys, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{Cause, Class, Str, TextBuffer};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};

/// Length of a digest's text.
const DIGEST_DIGITS: usize = 16;

/// A digest's text: lower case, with leading zeros.
fn digest_of(text: &[u8]) -> [u8; DIGEST_DIGITS] {
    let digest = xxh3_64(text);
    std::array::from_fn(|at| {
        let digit = digest >> (4 * (DIGEST_DIGITS - 1 - at)) & 0xf;
        b"0123456789abcdef"[digit as usize]
    })
}

/// The side of the value that a condition compares.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Subject {
    Text,
    Digest,
}

/// A condition on a string's value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Comparison<'a> {
    subject: Subject,
    /// The condition holds if they are equal; else if they differ.
    equal: bool,
    operand: &'a [u8],
}

const WORDS: [(&str, Subject, bool); 4] = [
    ("IFEQ", Subject::Text, true),
    ("IFNE", Subject::Text, false),
    ("IFDEQ", Subject::Digest, true),
    ("IFDNE", Subject::Digest, false),
];

impl<'a> Comparison<'a> {
    /// Whether argument `at` is the word of a condition.
    pub fn is_word(args: Args<'_>, at: usize) -> bool {
        WORDS.iter().any(|(word, ..)| args.is(at, word))
    }

    /// The condition at `at`, whose operand is the next argument; `None`: no condition, or no
    /// operand.
    pub fn parse(args: Args<'a>, at: usize) -> Option<Comparison<'a>> {
        let &(_, subject, equal) = WORDS.iter().find(|(word, ..)| args.is(at, word))?;
        Some(Comparison {
            subject,
            equal,
            operand: args.get(at + 1)?,
        })
    }

    /// Whether both have the same word.
    pub fn is_same_word(&self, other: &Comparison<'_>) -> bool {
        (self.subject, self.equal) == (other.subject, other.equal)
    }

    /// Whether the condition holds; a missing value differs from any operand.
    ///
    /// Errors: a digest of another length, if there is a value. O(length).
    pub fn holds(&self, value: Option<Str<'_>>) -> Result<bool, CommandError> {
        const WRONG_LENGTH: CommandError =
            CommandError::Text("ERR must be exactly 16 hexadecimal characters");
        let Some(value) = value else {
            return Ok(!self.equal);
        };
        let mut buffer = TextBuffer::new();
        let text = value.text(&mut buffer)?;
        let equal = match self.subject {
            Subject::Text => text == self.operand,
            Subject::Digest if self.operand.len() != DIGEST_DIGITS => return Err(WRONG_LENGTH),
            Subject::Digest => digest_of(text).eq_ignore_ascii_case(self.operand),
        };
        Ok(equal == self.equal)
    }
}

pub(super) const DIGEST: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: Flags::READONLY.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::STRING,
    ..Spec::new("digest", digest)
};

/// `DIGEST key`: the digest of the string at `key`.
///
/// Reply: bulk string of 16 hexadecimal digits, or null if the key is missing. O(length).
fn digest(call: &mut Call<'_>) -> CommandResult {
    let [_, key] = call.args.exactly();
    match call.db.string(key)? {
        None => call.reply.null(),
        Some(value) => {
            let digest = digest_of(value.text(&mut TextBuffer::new())?);
            call.reply.bulk(&digest);
        }
    }
    Ok(())
}

pub(super) const DELEX: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(
        1,
        Access::REMOVE.union(Access::VARIABLE_FLAGS),
    )],
    categories: Category::STRING,
    find_keys: Some(keys),
    ..Spec::new("delex", delex)
};

/// DELEX's key: the handler reads the value only for a condition. As in Redis, any argument may be
/// the condition's word.
fn keys(args: Args<'_>) -> Result<Keys, BadKeys> {
    let has_condition = (2..args.len()).any(|at| Comparison::is_word(args, at));
    let access = if has_condition {
        Access::RW
    } else {
        Access::RM
    };
    Ok(Keys::one(1, access.union(Access::DELETE)))
}

/// `DELEX key [IFEQ text | IFNE text | IFDEQ digest | IFDNE digest]`: deletes a key of any type, or
/// a string if a condition on it holds.
///
/// Reply: 1, or 0 if nothing was deleted. O(length) with a condition. The handler checks a
/// condition's word only if the key exists.
fn delex(call: &mut Call<'_>) -> CommandResult {
    const NOT_A_STRING: CommandError =
        CommandError::Text("ERR Key should be of string type if conditions are specified");
    const NO_CONDITION: CommandError =
        CommandError::Text("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
    let conditional = match call.args.len() {
        2 => false,
        4 => true,
        _ => return Err(CommandError::WrongArity(call.name.into())),
    };
    let key = call.args.at(1);
    let mut place = call.db.place(key);
    if conditional {
        place.count_read();
    }
    if conditional && place.is_taken() {
        let value = place.string().map_err(|_| NOT_A_STRING)?;
        let condition = Comparison::parse(call.args, 2).ok_or(NO_CONDITION)?;
        if !condition.holds(value)? {
            call.reply.int(0);
            return Ok(());
        }
    }
    let deleted = place.delete(Cause::User);
    if deleted {
        call.db.changed(key, Class::GENERIC, "del");
        if conditional {
            call.rewrite(&[b"DEL", key]);
        }
    }
    call.reply.int(deleted as i64);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::{AllCommands as _, Testbed};

    /// Taken from Redis 8.10.2.
    #[test]
    fn digests_are_those_of_redis() {
        let a = |n| vec![b'a'; n];
        for (text, digest) in [
            (a(0), "2d06800538d394c2"),
            (b"12345".to_vec(), "f34099ede96b5581"),
            (b"-1".to_vec(), "bc25a7b612cba21f"),
            (b"abc".to_vec(), "78af5f94892f3950"),
            (b"hello world".to_vec(), "d447b1ea40e6988b"),
            (vec![0; 9], "34499569f0391857"),
            (a(1), "e6c632b61e964e1f"),
            (a(17), "39127b6816c5f92a"),
            (a(64), "2dddcef07d26ee8c"),
            (a(128), "7a22200aadc3d36c"),
            (a(129), "1586e7ed07cba75b"),
            (a(240), "993c46d96a01b5c6"),
            (a(241), "f6cfef5c5aca1930"),
            (a(1024), "4a5d6b09a9587a1c"),
            (a(1 << 20), "c9b8a70a3f30f7b1"),
            ((0..=255).collect(), "9408a4433b952d71"),
        ] {
            assert_eq!(digest_of(&text), digest.as_bytes(), "{} bytes", text.len());
        }
    }

    #[test]
    fn a_digest_is_that_of_the_text() {
        let mut t = Testbed::new();
        assert_eq!(t.run("DIGEST a"), "$-1\r\n");
        t.run("SET a 12345");
        assert_eq!(t.run("DIGEST a"), "$16\r\nf34099ede96b5581\r\n");
        t.run("RPUSH l 1");
        assert!(t.run("DIGEST l").starts_with("-WRONGTYPE "));
    }

    #[test]
    fn delex_deletes_any_key_and_strings_under_a_condition() {
        let mut t = Testbed::new();
        let of_strings = "-ERR Key should be of string type if conditions are specified\r\n";
        let digits = "-ERR must be exactly 16 hexadecimal characters\r\n";
        t.run("SET a 12345");
        t.run("RPUSH l 1");
        t.take_effects();
        for (line, reply) in [
            ("DELEX none IFXX 1", ":0\r\n"),
            ("DELEX l IFXX 1", of_strings),
            ("DELEX l IFEQ 1", of_strings),
            ("DELEX l", ":1\r\n"),
            (
                "DELEX a IFXX 1",
                "-ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE\r\n",
            ),
            ("DELEX a IFDEQ short", digits),
            ("DELEX a IFDNE short", digits),
            ("DELEX a IFDEQ zzzzzzzzzzzzzzzz", ":0\r\n"),
            ("DELEX a IFEQ 1234", ":0\r\n"),
            ("DELEX a IFNE 12345", ":0\r\n"),
            ("DELEX a IFDNE f34099ede96b5581", ":0\r\n"),
            ("DELEX a IFDEQ F34099EDE96B5581", ":1\r\n"),
            ("DELEX a", ":0\r\n"),
        ] {
            assert_eq!(t.run(line), reply, "{line}");
        }
        for line in ["DELEX a IFEQ", "DELEX a IFEQ 1 2"] {
            assert!(
                t.run(line)
                    .contains("wrong number of arguments for 'delex'")
            );
        }
        assert_eq!(t.take_effects(), ["DELEX l", "DEL a"]);
    }

    #[test]
    fn delex_reads_the_key_only_for_a_condition() {
        let mut t = Testbed::new();
        for (line, access) in [
            ("a", "RM"),
            ("a IFEQ 1", "RW"),
            ("a IFEQ", "RW"),
            ("a b c", "RM"),
        ] {
            assert_eq!(
                t.run(&format!("COMMAND GETKEYSANDFLAGS DELEX {line}")),
                format!("*1\r\n*2\r\n$1\r\na\r\n*2\r\n+{access}\r\n+delete\r\n")
            );
        }
    }
}
