//! The options of SORT.

use super::pattern::Pattern;
use crate::arguments::element;
use russet_command::keys::Keys;
use russet_command::options::{self, Word};
use russet_command::{BadKeys, CommandError};
use russet_resp::Args;

/// The kind of an option word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SortWord {
    Asc,
    Desc,
    Alpha,
    Limit,
    Store,
    By,
    Get,
}

const WORDS: &[Word<SortWord>] = &[
    Word::new("ASC", 0, SortWord::Asc),
    Word::new("DESC", 0, SortWord::Desc),
    Word::new("ALPHA", 0, SortWord::Alpha),
    Word::new("LIMIT", 2, SortWord::Limit),
    Word::new("STORE", 1, SortWord::Store),
    Word::new("BY", 1, SortWord::By),
    Word::new("GET", 1, SortWord::Get),
];

/// SORT's keys: the source and the last destination. Keys built from `BY` and `GET` patterns are
/// not arguments.
pub(super) fn keys(args: Args<'_>) -> Result<Keys, BadKeys> {
    let options = options::OptionReader::new(args, 2, WORDS).flatten();
    let destinations = options.filter(|(asked, _)| *asked == SortWord::Store);
    Ok(Keys::source_and(destinations.last().map(|(_, at)| at + 1)))
}

pub(super) struct SortOptions<'a> {
    pub(super) by: Option<Pattern<'a>>,
    /// BY a pattern without `*`: elements stay in their own order.
    pub(super) unsorted: bool,
    pub(super) get: Vec<Pattern<'a>>,
    limit: (i64, i64),
    pub(super) descending: bool,
    pub(super) alpha: bool,
    pub(super) store: Option<&'a [u8]>,
}

const BY_OTHER_SLOTS: &str = "ERR BY option of SORT denied in Cluster mode when keys formed by the \
pattern may be in different slots.";
const GET_OTHER_SLOTS: &str = "ERR GET option of SORT denied in Cluster mode when keys formed by the \
pattern may be in different slots.";

impl<'a> SortOptions<'a> {
    /// `may_read_all`: whether the client may read every key, because patterns can name any key.
    /// `may_name`: whether a command that uses the key's slot may use the keys that a pattern
    /// names.
    pub(super) fn parse(
        args: Args<'a>,
        readonly: bool,
        may_read_all: &dyn Fn() -> bool,
        may_name: &dyn Fn(&[u8]) -> bool,
    ) -> Result<SortOptions<'a>, CommandError> {
        let mut o = SortOptions {
            by: None,
            unsorted: false,
            get: Vec::new(),
            limit: (0, -1),
            descending: false,
            alpha: false,
            store: None,
        };
        for option in options::OptionReader::new(args, 2, WORDS) {
            let (asked, at) = option?;
            match asked {
                SortWord::Asc => o.descending = false,
                SortWord::Desc => o.descending = true,
                SortWord::Alpha => o.alpha = true,
                SortWord::Limit => {
                    o.limit = (
                        element::index(args.at(at + 1))?,
                        element::index(args.at(at + 2))?,
                    );
                }
                SortWord::Store if readonly => return Err(CommandError::Syntax),
                SortWord::Store => o.store = Some(args.at(at + 1)),
                SortWord::By => {
                    let pattern = Pattern::parse(args.at(at + 1));
                    let names_keys = args.at(at + 1).contains(&b'*');
                    if names_keys && !may_name(args.at(at + 1)) {
                        return Err(CommandError::Text(BY_OTHER_SLOTS));
                    }
                    if names_keys && !may_read_all() {
                        const DENIED: &str =
                            "ERR BY option of SORT denied due to insufficient ACL permissions.";
                        return Err(CommandError::Text(DENIED));
                    }
                    // Once unsorted, a later BY does not change that.
                    o.unsorted |= matches!(pattern, Pattern::Nothing | Pattern::Element);
                    o.by = Some(pattern);
                }
                SortWord::Get => {
                    let pattern = Pattern::parse(args.at(at + 1));
                    if !matches!(pattern, Pattern::Element) && !may_name(args.at(at + 1)) {
                        return Err(CommandError::Text(GET_OTHER_SLOTS));
                    }
                    if !may_read_all() {
                        const DENIED: &str =
                            "ERR GET option of SORT denied due to insufficient ACL permissions.";
                        return Err(CommandError::Text(DENIED));
                    }
                    o.get.push(pattern);
                }
            }
        }
        Ok(o)
    }

    /// LIMIT as an inclusive range `(start, end)` of `len` elements; empty if `end < start`.
    pub(super) fn range(&self, len: usize) -> (i64, i64) {
        let len = len as i64;
        let start = self.limit.0.clamp(0, len);
        let count = self.limit.1.clamp(-1, len);
        if start >= len {
            return (0, -1);
        }
        let end = if count < 0 { len } else { start + count };
        (start, end.min(len) - 1)
    }
}
