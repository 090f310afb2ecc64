//! SUGADD, SUGGET, SUGDEL, SUGLEN: dictionaries of suggestions, which are keys.
//!
//! The dictionaries belong to no index. Redis emits no events of their changes.

use super::row::{GROWS, READS, WRITES, refusal};
use crate::work::{by, look};
use russet_base::numbers::float::parse_double;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, KeySpec};
use russet_encodings::suggestions::{
    Change, SearchProgress, Suggestion, SuggestionSearch, Suggestions as Trie,
};
use russet_resp::Reply;
use russet_search::error::{PARSE_ARGS, SearchError};
use russet_server::{Call, CommandResult, Pieces, Slice, Spec};
use russet_types::Suggestions;
use russet_types::vector_set::Progress;

const READ_KEY: &[KeySpec] = &[KeySpec::one(1, Access::READ)];
const WRITTEN_KEY: &[KeySpec] = &[KeySpec::one(1, Access::MODIFY)];
const READING: Category = Category::SEARCH.union(Category::READ);
const WRITING: Category = Category::SEARCH.union(Category::WRITE);

const INVALID_SCORE: CommandError = CommandError::Text("ERR invalid score");
const NO_PAYLOAD: CommandError =
    CommandError::Text("Invalid payload: Expected an argument, but none provided");
const TOO_LONG: CommandError = CommandError::Text("Invalid query length");
const TOO_MANY_LETTERS: CommandError = CommandError::Text("Invalid query");

/// A prefix of so many bytes is refused, whatever is at the key.
const PREFIX_BYTES_MAX: usize = 200;
/// Suggestions without MAX.
const USUAL_MAX: usize = 5;
/// Nodes and entries between two looks at the clock.
const BUDGET: usize = 64;
/// TRIM drops texts whose score is less than the best score divided by this.
const TRIM_FACTOR: f32 = 10.0;

pub(super) const SUGADD: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    ..Spec::new("FT.SUGADD", add)
};

/// `FT.SUGADD key text score [INCR] [PAYLOAD payload]`: adds a text or changes the score; INCR adds
/// to the score that the text has. An empty or too long text changes nothing, and makes no key.
///
/// Reply: integer, the entries now. O(length).
fn add(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (key, text) = (args.at(1), args.at(2));
    let (mut change, mut payload): (_, &[u8]) = (Change::Replace, b"");
    let mut at = 4;
    while at < args.len() {
        if args.is(at, "INCR") {
            change = Change::Increase;
        } else if args.is(at, "PAYLOAD") {
            at += 1;
            if at == args.len() {
                return Err(NO_PAYLOAD);
            }
            payload = args.at(at);
        } else {
            let text = [b"Unknown argument `", args.at(at), b"`"].concat();
            return Err(CommandError::Bytes(text));
        }
        at += 1;
    }
    // The handler checks the key's type before the score.
    call.db.write::<Suggestions>(key)?;
    let score = parse_double(args.at(3)).ok_or(INVALID_SCORE)?;
    if !Trie::takes(text) {
        return count(call);
    }
    let make = || Suggestions::from(Trie::default());
    let mut dictionary = call.db.write_or(key, make)?;
    dictionary.add(text, score as f32, change, payload);
    call.reply.int(dictionary.entries() as i64);
    drop(dictionary);
    call.db.changed_silently(key);
    Ok(())
}

pub(super) const SUGDEL: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: WRITES,
    keys: WRITTEN_KEY,
    categories: WRITING,
    ..Spec::new("FT.SUGDEL", remove)
};

/// `FT.SUGDEL key text`: removes a text, and with the last text the key, as Redis 8 does.
///
/// Reply: integer, 1 if it was there, else 0. O(length).
fn remove(call: &mut Call<'_>) -> CommandResult {
    let [_, key, text] = call.args.exactly();
    let Some(mut dictionary) = call.db.write::<Suggestions>(key)? else {
        call.reply.int(0);
        return Ok(());
    };
    let is_removed = dictionary.remove(text);
    let is_empty = dictionary.entries() == 0;
    drop(dictionary);
    if is_removed {
        call.db.changed_silently(key);
        if is_empty {
            call.db.delete_emptied(key);
        }
    }
    call.reply.int(is_removed.into());
    Ok(())
}

pub(super) const SUGLEN: Spec = Spec {
    arity: Arity::Exactly(2),
    flags: READS,
    keys: READ_KEY,
    categories: READING,
    ..Spec::new("FT.SUGLEN", count)
};

/// `FT.SUGLEN key`: the entries of a dictionary.
///
/// Reply: integer, 0 without the key. O(1).
fn count(call: &mut Call<'_>) -> CommandResult {
    let dictionary = call.db.read::<Suggestions>(call.args.at(1))?;
    let entries = dictionary.map_or(0, |dictionary| dictionary.entries());
    call.reply.int(entries as i64);
    Ok(())
}

pub(super) const SUGGET: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: READS,
    keys: READ_KEY,
    categories: READING,
    work: by(looked_at, "use a smaller MAX"),
    ..Spec::new("FT.SUGGET", get)
};

/// The work of SUGGET: as many texts as are wanted; FUZZY may look at any text.
fn looked_at(call: &mut Call<'_>) -> CommandResult {
    let wanted = SuggestionOptions::of(call)?;
    let key = call.args.at(1);
    let entries = look(call, key, |dictionary: &Suggestions| {
        dictionary.entries() as u64
    });
    let wanted_max = if wanted.is_fuzzy {
        u64::MAX
    } else {
        wanted.max as u64
    };
    call.touches(entries.unwrap_or(0).min(wanted_max));
    Ok(())
}

/// The parts of a reply to FT.SUGGET, and the texts that it has.
struct SuggestionOptions {
    max: usize,
    is_fuzzy: bool,
    is_trimmed: bool,
    with_scores: bool,
    with_payloads: bool,
}

/// `FT.SUGGET key prefix [FUZZY] [WITHSCORES] [WITHPAYLOADS] [MAX n]`: the texts of the best scores
/// that begin so, by default 5; FUZZY: also with one letter more, less or other.
///
/// Reply: array of texts, each followed by the score (double) and the payload (or null) if the
/// client asked for them; empty if the key is missing. O(length + n * log(n)) as a rule; the texts
/// that begin so at worst.
fn get(call: &mut Call<'_>) -> CommandResult {
    let (key, prefix) = (call.args.at(1), call.args.at(2));
    let wanted = SuggestionOptions::of(call)?;
    if prefix.len() >= PREFIX_BYTES_MAX {
        return Err(TOO_LONG);
    }
    let hunting = match call.take_work::<SuggestionReply>() {
        Some(hunting) => hunting,
        None => {
            let Some(dictionary) = call.db.read::<Suggestions>(key)? else {
                call.reply.array(0);
                return Ok(());
            };
            let hunt = SuggestionSearch::new(&dictionary, prefix, wanted.is_fuzzy, wanted.max);
            let hunt = hunt.ok_or(TOO_MANY_LETTERS)?;
            SuggestionReply {
                hunt,
                pieces: Pieces::new(call.reply),
                best: None,
                len: 0,
            }
        }
    };
    let hunting = call.in_slices(hunting, |hunting, call, slice| {
        // It was read, as statistics have it, when it began. Without the key there is nothing more.
        match call.db.peek::<Suggestions>(key)? {
            Some(dictionary) => Ok(hunting.continue_hunt(&dictionary, &wanted, slice)),
            None => Ok(Progress::Done),
        }
    })?;
    if let Some(hunting) = hunting {
        let parts = 1 + usize::from(wanted.with_scores) + usize::from(wanted.with_payloads);
        call.reply.array(hunting.len * parts);
        hunting.pieces.reply(call.reply);
    }
    Ok(())
}

/// A search for suggestions under way.
struct SuggestionReply {
    hunt: SuggestionSearch,
    /// The suggestions that were found.
    pieces: Pieces,
    len: usize,
    /// The score of the first text.
    best: Option<f32>,
}

impl SuggestionReply {
    /// Continues until the slice is over, or all texts are written.
    fn continue_hunt(
        &mut self,
        dictionary: &Trie,
        wanted: &SuggestionOptions,
        slice: Slice,
    ) -> Progress {
        let SuggestionReply {
            hunt,
            pieces,
            len,
            best,
        } = self;
        let mut left = BUDGET;
        let is_over = &mut || {
            left -= 1;
            if left > 0 {
                return false;
            }
            left = BUDGET;
            slice.is_over()
        };
        let take = &mut |found: &Suggestion<'_>| {
            let best = *best.get_or_insert(found.score);
            if !wanted.is_trimmed || found.score >= best / TRIM_FACTOR {
                write(found, wanted, &mut pieces.reply);
                *len += 1;
            }
        };
        match hunt.step(dictionary, is_over, take) {
            SearchProgress::Done => return Progress::Done,
            SearchProgress::More => pieces.end_slice(),
            SearchProgress::Anew => {
                *pieces = Pieces::new(&pieces.reply);
                (*len, *best) = (0, None);
            }
        }
        Progress::More
    }
}

fn write(found: &Suggestion<'_>, wanted: &SuggestionOptions, reply: &mut Reply) {
    reply.bulk(&found.text);
    if wanted.with_scores {
        reply.double(found.score.into());
    }
    if wanted.with_payloads {
        match found.payload {
            Some(payload) => reply.bulk(payload),
            None => reply.null(),
        }
    }
}

impl SuggestionOptions {
    fn of(call: &Call<'_>) -> Result<SuggestionOptions, CommandError> {
        let args = call.args;
        let mut wanted = SuggestionOptions {
            max: USUAL_MAX,
            is_fuzzy: false,
            is_trimmed: false,
            with_scores: false,
            with_payloads: false,
        };
        let refused = |text: &[u8]| refusal(&SearchError::new(PARSE_ARGS, text));
        let mut at = 3;
        while at < args.len() {
            let switches = [
                ("FUZZY", &mut wanted.is_fuzzy),
                ("TRIM", &mut wanted.is_trimmed),
                ("WITHSCORES", &mut wanted.with_scores),
                ("WITHPAYLOADS", &mut wanted.with_payloads),
            ];
            let named = switches.into_iter().find(|(name, _)| args.is(at, name));
            if let Some((_, switch)) = named {
                *switch = true;
            } else if args.is(at, "MAX") {
                at += 1;
                if at == args.len() {
                    return Err(refused(b"MAX: Expected an argument, but none provided"));
                }
                let Some(max) = parse_i64(args.at(at)) else {
                    let text = b"MAX: Could not convert argument to expected type";
                    return Err(refused(text));
                };
                let max = u32::try_from(max).ok().filter(|max| *max > 0);
                let outside = || refused(b"MAX: Value is outside acceptable bounds");
                wanted.max = max.ok_or_else(outside)? as usize;
            } else if !args.is(at, "OPTIMIZE") {
                return Err(refused(&[b"Unrecognized argument: ", args.at(at)].concat()));
            }
            at += 1;
        }
        Ok(wanted)
    }
}
