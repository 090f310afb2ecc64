//! XTRIM, and the options it shares with XADD.
//!
//! `~` removes whole nodes only, at most LIMIT entries, so it is cheap. Because nodes differ
//! between servers, the handler propagates an approximate trim as the exact trim that it was
//! ([`TrimOptions::stated`]).
//!
//! DELREF removes the entries' references from all groups, ACKED keeps entries that a group still
//! needs: both visit entries instead of nodes.
//!
//! Cost: O(nodes removed), O(entries visited) with DELREF or ACKED; memory is freed between turns.
//!
//! Decided elsewhere: the trim itself: `types::stream`.

use crate::work;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::stream::{Bound, GivenId, References, StreamId, Trim, TrimResult};
use russet_types::{Container, Stream};

use super::idempotence::IdmpOption;
use super::ids::{self, BAD_ID};
use super::references;
use russet_keyspace::Class;

/// Default LIMIT of an approximate trim, in nodes.
const NODES: u64 = 100;
/// Default LIMIT in entries if nodes have no maximum of entries, and the upper bound otherwise.
const UNLIMITED_NODES: i64 = 10_000;
const ENTRIES_MAX: i64 = 1_000_000;

/// The options between the key and the ID, or the end.
pub(super) struct TrimOptions {
    pub trim: Option<Trim>,
    references: Option<References>,
    pub idmp: Option<IdmpOption>,
    /// The position of the threshold of MAXLEN or MINID.
    threshold_at: usize,
    pub no_make: bool,
    /// The position of the ID, or where it would be.
    pub id_at: usize,
    /// The ID; `None` for `*`.
    pub id: Option<GivenId>,
}

impl TrimOptions {
    /// Parses the options; with `adds` up to the ID.
    #[inline]
    pub fn parse(call: &Call<'_>, adds: bool) -> Result<TrimOptions, CommandError> {
        let args = call.args;
        let mut options = TrimOptions {
            trim: None,
            references: None,
            idmp: None,
            threshold_at: 0,
            no_make: false,
            id_at: 2,
            id: None,
        };
        // Fast path for the most common form.
        if adds && args.at(2) == b"*" {
            return Ok(options);
        }
        options.read(call, adds)?;
        Ok(options)
    }

    fn read(&mut self, call: &Call<'_>, adds: bool) -> Result<(), CommandError> {
        const BOTH: CommandError = CommandError::Text(
            "ERR syntax error, MAXLEN and MINID options at the same time are not compatible",
        );
        const NEGATIVE: CommandError = CommandError::Text("ERR The LIMIT argument must be >= 0.");
        const TWO_IDMP: CommandError =
            CommandError::Text("ERR syntax error, IDMP/IDMPAUTO specified multiple times");
        const GIVEN: CommandError = CommandError::Text(
            "ERR syntax error, IDMP/IDMPAUTO can be used only with auto-generated IDs",
        );
        let args = call.args;
        let mut limit = None;
        let mut at = 2;
        while at < args.len() {
            let has_more = at + 1 < args.len();
            if adds && args.at(at) == b"*" {
                break;
            } else if has_more && (args.is(at, "maxlen") || args.is(at, "minid")) {
                if self.trim.is_some() {
                    return Err(BOTH);
                }
                at = self.read_bound(args, at)?;
            } else if has_more && args.is(at, "limit") {
                let n = parse_i64(args.at(at + 1)).ok_or(CommandError::NotAnInteger)?;
                limit = Some(u64::try_from(n).map_err(|_| NEGATIVE)?);
                at += 2;
            } else if adds && args.is(at, "nomkstream") {
                self.no_make = true;
                at += 1;
            } else if self.references.is_none()
                && let Some(mode) = references::word(args, at)
            {
                self.references = Some(mode);
                at += 1;
            } else if adds && let Some(idmp) = IdmpOption::at(args, at) {
                if self.idmp.is_some() {
                    return Err(TWO_IDMP);
                }
                at = idmp.check(args)?;
                self.idmp = Some(idmp);
            } else if adds {
                self.id = Some(GivenId::parse(args.at(at)).ok_or(BAD_ID)?);
                // The log and replicas have the ID that the entry got.
                if self.idmp.is_some() && !call.was_taken_before() {
                    return Err(GIVEN);
                }
                break;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        self.id_at = at;
        self.set_limit(call, adds, limit)
    }

    /// Parses `MAXLEN|MINID [=|~] threshold`; returns the position of the next option.
    fn read_bound(&mut self, args: Args<'_>, at: usize) -> Result<usize, CommandError> {
        const NEGATIVE: CommandError = CommandError::Text("ERR The MAXLEN argument must be >= 0.");
        let operator = args.get(at + 1).filter(|_| at + 2 < args.len());
        let (approximate, threshold_at) = match operator {
            Some(b"~") => (true, at + 2),
            Some(b"=") => (false, at + 2),
            _ => (false, at + 1),
        };
        let threshold = args.at(threshold_at);
        let bound = if args.is(at, "maxlen") {
            let n = parse_i64(threshold).ok_or(CommandError::NotAnInteger)?;
            Bound::Len(u64::try_from(n).map_err(|_| NEGATIVE)?)
        } else {
            Bound::From(ids::strict(threshold)?)
        };
        self.threshold_at = threshold_at;
        self.trim = Some(Trim {
            bound,
            approximate,
            limit: 0,
            references: References::Keep,
        });
        Ok(threshold_at + 1)
    }

    fn set_limit(
        &mut self,
        call: &Call<'_>,
        adds: bool,
        limit: Option<u64>,
    ) -> Result<(), CommandError> {
        const NO_STRATEGY: CommandError = CommandError::Text(
            "ERR syntax error, LIMIT cannot be used without specifying a trimming strategy",
        );
        const NO_TRIM: CommandError =
            CommandError::Text("ERR syntax error, XTRIM must be called with a trimming strategy");
        const EXACT: CommandError = CommandError::Text(
            "ERR syntax error, LIMIT cannot be used without the special ~ option",
        );
        if self.trim.is_none() && limit.is_some_and(|limit| limit > 0) {
            return Err(NO_STRATEGY);
        }
        if self.trim.is_none() && !adds {
            return Err(NO_TRIM);
        }
        if let (Some(trim), Some(mode)) = (&mut self.trim, self.references) {
            trim.references = mode;
        }
        // A repeated command has the exact threshold, which contains the limit.
        if call.was_taken_before() {
            return Ok(());
        }
        let approximate = self.trim.is_some_and(|trim| trim.approximate);
        if limit.is_some() && !approximate {
            return Err(EXACT);
        }
        let usual = || {
            let entries = call.db.limits().stream_node_max_entries;
            let entries = entries.saturating_mul(NODES).min(ENTRIES_MAX as u64);
            if entries == 0 {
                UNLIMITED_NODES as u64
            } else {
                entries
            }
        };
        if let Some(trim) = &mut self.trim
            && approximate
        {
            trim.limit = limit.unwrap_or_else(usual);
        }
        Ok(())
    }

    /// The words that propagate an approximate trim exactly: `=`, and the stream's length now or
    /// the first ID. A trim with DELREF or ACKED has also removed entries of nodes that stay, and
    /// skipped other entries: so the bound is the ID that the trim reached, which Redis leaves out.
    pub fn exact_effect(
        &self,
        stream: &Stream,
        visited_below: Option<StreamId>,
    ) -> Option<TrimEffect> {
        let trim = self.trim.filter(|trim| trim.approximate)?;
        let threshold = match trim.bound {
            Bound::Len(_) => stream.len().to_string().into_bytes(),
            Bound::From(_) => {
                let first = || {
                    let range = stream.range(StreamId::MIN, StreamId::MAX);
                    range.with_deleted().next().unwrap_or(StreamId::MAX)
                };
                let id = visited_below.unwrap_or_else(first);
                id.text().as_bytes().to_vec()
            }
        };
        Some(TrimEffect {
            operator_at: self.threshold_at - 1,
            threshold,
        })
    }
}

/// Replacements for arguments in an effect.
pub(super) struct TrimEffect {
    operator_at: usize,
    threshold: Vec<u8>,
}

impl TrimEffect {
    /// The replacement for the word at `at`, if any.
    pub fn word(&self, at: usize) -> Option<&[u8]> {
        match at.checked_sub(self.operator_at)? {
            0 => Some(b"="),
            1 => Some(&self.threshold),
            _ => None,
        }
    }
}

pub(super) const XTRIM: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: Flags::WRITE,
    keys: &[KeySpec::one(1, Access::REMOVE)],
    categories: Category::STREAM,
    tips: &["nondeterministic_output"],
    work: work::by(count_trimmed, "use LIMIT with ~"),
    ..Spec::new("xtrim", xtrim)
};

/// The entries that XTRIM or XADD removes.
pub(super) fn count_trimmed(call: &mut Call<'_>) -> CommandResult {
    let adds = call.name == "xadd";
    let options = TrimOptions::parse(call, adds)?;
    let over = |stream: &Stream, trim: Trim| match trim.bound {
        Bound::Len(kept) => (stream.len() as u64).saturating_sub(kept),
        Bound::From(first) => first.prev().map_or(0, |last| {
            stream.count_between(StreamId::MIN, last, usize::MAX) as u64
        }),
    };
    let removed = options.trim.and_then(|trim| {
        let over = work::look(call, call.args.at(1), |stream| over(stream, trim))?;
        Some(match trim.limit {
            0 => over,
            limit => over.min(limit),
        })
    });
    call.touches(removed.unwrap_or(0) + u64::from(adds));
    Ok(())
}

/// `XTRIM key MAXLEN|MINID [=|~] threshold [LIMIT count] [KEEPREF|DELREF|ACKED]`: removes the
/// oldest entries. DELREF also removes the entries from the pending entries of all groups; ACKED
/// keeps entries that a group has pending or has yet to read.
///
/// Reply: integer, the number removed; 0 for a missing key. `~` removes only whole nodes, and at
/// most LIMIT entries (0: no limit; default: the entries of a hundred nodes). O(nodes removed); the
/// server frees them between turns. O(entries visited) with DELREF and ACKED.
fn xtrim(call: &mut Call<'_>) -> CommandResult {
    let options = TrimOptions::parse(call, false)?;
    let key = call.args.at(1);
    let wanted = call.effects_wanted();
    let (Some(mut stream), Some(trim)) = (call.db.write::<Stream>(key)?, options.trim) else {
        call.reply.int(0);
        return Ok(());
    };
    let TrimResult {
        deleted,
        gone,
        visited_below,
    } = stream.trim(trim);
    let stated = if deleted > 0 && wanted {
        options.exact_effect(&stream, visited_below)
    } else {
        None
    };
    drop(stream);
    if let Some(gone) = gone {
        call.db.free_part(gone);
    }
    if deleted > 0 {
        call.db
            .changed_by(key, deleted as usize, Class::STREAM, "xtrim");
        if let Some(stated) = stated {
            let args = call.args;
            let word = |at| stated.word(at).unwrap_or_else(|| args.at(at));
            call.rewrite_each((0..args.len()).map(word));
        }
    }
    call.reply.int(deleted as i64);
    Ok(())
}
