//! Numbers and groups of fields as arguments, and fields in replies.

use crate::arguments::element;
use russet_base::numbers::number::parse_i64;
use russet_command::CommandError;
use russet_resp::{Args, Reply};
use russet_types::Hash;

const NOT_POSITIVE: CommandError =
    CommandError::Text("ERR value is out of range, value must between 1 and 9223372036854775807");
const NEGATIVE: CommandError =
    CommandError::Text("ERR value is out of range, value must between 0 and 9223372036854775807");

/// Parses a number of fields or of paths, which is not 0.
pub(super) fn count(arg: &[u8]) -> Result<usize, CommandError> {
    match parse_i64(arg).ok_or(CommandError::NotAnInteger)? {
        ..1 => Err(NOT_POSITIVE),
        n => Ok(n as usize),
    }
}

/// Parses a length.
pub(super) fn length(arg: &[u8]) -> Result<usize, CommandError> {
    match parse_i64(arg).ok_or(CommandError::NotAnInteger)? {
        ..0 => Err(NEGATIVE),
        n => Ok(n as usize),
    }
}

/// A path and the path's fields: `path FIELDS n field [value] ...`.
pub(super) struct Group<'a> {
    pub path: &'a [u8],
    pub fields: Fields<'a>,
}

/// The words of a group's fields: one word each, or a name and a value.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    args: Args<'a>,
    /// Of the first field.
    at: usize,
    pub count: usize,
    /// Words of a field.
    width: usize,
}

impl<'a> Fields<'a> {
    /// The fields from argument `at` on, which must be there.
    pub fn new(args: Args<'a>, at: usize, count: usize, width: usize) -> Fields<'a> {
        assert!(at + count * width <= args.len());
        Fields {
            args,
            at,
            count,
            width,
        }
    }

    pub fn names(self) -> impl ExactSizeIterator<Item = &'a [u8]> + Clone {
        let words = (0..self.count).map(move |i| self.at + i * self.width);
        words.map(move |at| self.args.at(at))
    }

    /// Names and values.
    pub fn pairs(self) -> impl ExactSizeIterator<Item = (&'a [u8], &'a [u8])> + Clone {
        let words = (0..self.count).map(move |i| self.at + i * self.width);
        words.map(move |at| (self.args.at(at), self.args.at(at + 1)))
    }
}

/// The groups of PHMSET and PHMGET, whose fields have `width` words each, up to the first fault.
pub(super) struct Groups<'a> {
    args: Args<'a>,
    at: usize,
    width: usize,
}

impl<'a> Groups<'a> {
    pub fn new(args: Args<'a>, width: usize) -> Groups<'a> {
        Groups { args, at: 2, width }
    }

    /// All groups are well-formed; returns the number of their fields.
    pub fn check(args: Args<'a>, width: usize) -> Result<usize, CommandError> {
        let mut fields = 0;
        for group in Groups::new(args, width) {
            fields += group?.fields.count;
        }
        Ok(fields)
    }

    fn group(&self) -> Result<Group<'a>, CommandError> {
        let (args, at) = (self.args, self.at);
        if at + 2 >= args.len() || !args.is(at + 1, "FIELDS") {
            return Err(CommandError::Syntax);
        }
        let count = count(args.at(at + 2))?;
        let first = at + 3;
        if count > (args.len() - first) / self.width {
            return Err(CommandError::Syntax);
        }
        Ok(Group {
            path: args.at(at),
            fields: Fields::new(args, first, count, self.width),
        })
    }
}

impl<'a> Iterator for Groups<'a> {
    type Item = Result<Group<'a>, CommandError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.at >= self.args.len() {
            return None;
        }
        let group = self.group();
        self.at = match &group {
            Ok(group) => group.fields.at + group.fields.count * self.width,
            Err(_) => self.args.len(),
        };
        Some(group)
    }
}

/// Writes all fields as a map.
pub(super) fn write_all(reply: &mut Reply, fields: &Hash) {
    use russet_types::Container;
    reply.map(fields.len());
    fields.visit(|field| {
        element::write(reply, field.name);
        element::write(reply, field.value);
        true
    });
}

/// Writes the value of each named field, null for a missing field.
pub(super) fn write_named<'a>(
    reply: &mut Reply,
    fields: Option<&Hash>,
    names: impl Iterator<Item = &'a [u8]>,
) {
    for name in names {
        match fields.and_then(|fields| fields.get(name)) {
            Some(field) => element::write(reply, field.value),
            None => reply.null(),
        }
    }
}
