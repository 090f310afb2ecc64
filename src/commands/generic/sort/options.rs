//! The words behind SORT's key.

use super::pattern::Pattern;
use crate::command::CommandError;
use crate::commands::element;
use crate::resp::Args;

pub(super) struct Options<'a> {
    pub(super) by: Option<Pattern<'a>>,
    /// BY a pattern without `*`: elements stay in their own order.
    pub(super) unsorted: bool,
    pub(super) get: Vec<Pattern<'a>>,
    limit: (i64, i64),
    pub(super) descending: bool,
    pub(super) alpha: bool,
    pub(super) store: Option<&'a [u8]>,
}

impl<'a> Options<'a> {
    /// `may_read_all`: whether the keys that patterns make of elements may be read, whatever
    /// those are.
    pub(super) fn parse(
        args: Args<'a>,
        readonly: bool,
        may_read_all: &dyn Fn() -> bool,
    ) -> Result<Options<'a>, CommandError> {
        let mut o = Options {
            by: None,
            unsorted: false,
            get: Vec::new(),
            limit: (0, -1),
            descending: false,
            alpha: false,
            store: None,
        };
        let mut at = 2;
        while at < args.len() {
            let left = args.len() - at - 1;
            if args.is(at, "ASC") {
                o.descending = false;
            } else if args.is(at, "DESC") {
                o.descending = true;
            } else if args.is(at, "ALPHA") {
                o.alpha = true;
            } else if args.is(at, "LIMIT") && left >= 2 {
                o.limit = (
                    element::index(args.at(at + 1))?,
                    element::index(args.at(at + 2))?,
                );
                at += 2;
            } else if !readonly && args.is(at, "STORE") && left >= 1 {
                o.store = Some(args.at(at + 1));
                at += 1;
            } else if args.is(at, "BY") && left >= 1 {
                let pattern = Pattern::parse(args.at(at + 1));
                if args.at(at + 1).contains(&b'*') && !may_read_all() {
                    const DENIED: &str =
                        "ERR BY option of SORT denied due to insufficient ACL permissions.";
                    return Err(CommandError::Text(DENIED));
                }
                // Once unsorted, a later BY does not change that.
                o.unsorted |= matches!(pattern, Pattern::Nothing | Pattern::Element);
                o.by = Some(pattern);
                at += 1;
            } else if args.is(at, "GET") && left >= 1 {
                if !may_read_all() {
                    const DENIED: &str =
                        "ERR GET option of SORT denied due to insufficient ACL permissions.";
                    return Err(CommandError::Text(DENIED));
                }
                o.get.push(Pattern::parse(args.at(at + 1)));
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        Ok(o)
    }

    /// The inclusive range of `len` elements that LIMIT leaves, as `(start, end)`; empty if
    /// `end` is less.
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
