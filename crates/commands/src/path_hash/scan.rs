//! PHSCAN.
//!
//!     cursor   "0"                 begin, and: finished
//!              "1:" hex of a path  continue after this path
//!
//! A cursor is the last path of a page: it needs no state in the server, and stays valid whatever
//! changes. A path that exists throughout is in exactly one page. The handler refuses a cursor
//! outside of PREFIX.
//!
//! Cost: O(length of cursor and prefix + page).

use super::args::{count, write_all};
use crate::work;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::PathHash;

const INVALID_CURSOR: CommandError = CommandError::Text("ERR invalid cursor");
const OTHER_PREFIX: CommandError =
    CommandError::Text("ERR cursor does not belong to the requested prefix");

/// Paths of a page, unless COUNT says otherwise.
const PAGE: usize = 10;

pub(super) const PHSCAN: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::PATHHASH,
    tips: &["nondeterministic_output_order"],
    work: work::by(count_scanned, work::SMALLER_COUNT),
    ..Spec::new("phscan", phscan)
};

struct Options<'a> {
    prefix: Option<&'a [u8]>,
    count: usize,
    with_values: bool,
    /// The last path of the page before; `None`: this is the first page.
    after: Option<Vec<u8>>,
}

impl<'a> Options<'a> {
    fn parse(args: Args<'a>) -> Result<Options<'a>, CommandError> {
        let (mut prefix, mut paths, mut with_values) = (None, None, false);
        let mut at = 3;
        while at < args.len() {
            let operand = args.get(at + 1);
            match operand {
                Some(text) if args.is(at, "PREFIX") && prefix.is_none() => {
                    prefix = Some(text);
                    at += 2;
                }
                Some(text) if args.is(at, "COUNT") && paths.is_none() => {
                    paths = Some(count(text)?);
                    at += 2;
                }
                _ if args.is(at, "WITHVALUES") && !with_values => {
                    with_values = true;
                    at += 1;
                }
                _ => return Err(CommandError::Syntax),
            }
        }
        let after = parse_cursor(args.at(2))?;
        if let (Some(after), Some(prefix)) = (&after, prefix)
            && !after.starts_with(prefix)
        {
            return Err(OTHER_PREFIX);
        }
        Ok(Options {
            prefix,
            count: paths.unwrap_or(PAGE),
            with_values,
            after,
        })
    }
}

/// A cursor is `0`, or `1:` and the hexadecimal digits of a path. `None`: it is `0`.
fn parse_cursor(text: &[u8]) -> Result<Option<Vec<u8>>, CommandError> {
    if text == b"0" {
        return Ok(None);
    }
    let digits = text.strip_prefix(b"1:").ok_or(INVALID_CURSOR)?;
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    });
    pairs.collect::<Option<_>>().map(Some).ok_or(INVALID_CURSOR)
}

fn cursor(path: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = path.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = digits.map(|digit| DIGITS[usize::from(digit)]);
    b"1:".iter().copied().chain(digits).collect()
}

/// The paths of the page; their fields, if they are wanted.
fn count_scanned(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let options = Options::parse(args)?;
    let paths = work::look(call, args.at(1), |paths: &PathHash| {
        let below = paths.count_below(options.prefix.unwrap_or_default());
        let page = below.min(options.count) as u64;
        if options.with_values {
            // As many fields as a path has on average.
            page * (paths.fields() as u64)
                .div_ceil((below as u64).max(1))
                .max(1)
        } else {
            page
        }
    });
    call.touches(paths.unwrap_or(0));
    Ok(())
}

/// `PHSCAN key cursor [PREFIX prefix] [COUNT n] [WITHVALUES]`: a page of the paths that begin with
/// a prefix, in the order of their bytes. A path that is there throughout is in exactly one page,
/// whatever changes in between.
///
/// Reply: array of the next cursor (0: this page is the last) and an array of paths, or of arrays
/// of a path and a map of the path's fields. O(length of cursor and prefix + page).
fn phscan(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let options = Options::parse(args)?;
    let paths = call.db.read::<PathHash>(args.at(1))?;
    let reply = &mut *call.reply;
    reply.array(2);
    let place = reply.defer();
    let (mut written, mut last, mut is_more) = (0, Vec::new(), false);
    if let Some(paths) = &paths {
        let prefix = options.prefix.unwrap_or_default();
        let mut walk = match options.after {
            Some(mut path) => {
                // The least path that is greater.
                path.push(0);
                paths.iter_from(&path)
            }
            None => paths.iter_from(prefix),
        };
        while let Some((path, fields)) = walk.next() {
            if !path.starts_with(prefix) {
                break;
            }
            if written == options.count {
                is_more = true;
                break;
            }
            if options.with_values {
                reply.array(2);
            }
            reply.bulk(path);
            if options.with_values {
                write_all(reply, fields);
            }
            written += 1;
            if written == options.count {
                last = path.to_vec();
            }
        }
    }
    let next = if is_more {
        cursor(&last)
    } else {
        b"0".to_vec()
    };
    reply.finish_array_behind(place, &next, written);
    Ok(())
}
