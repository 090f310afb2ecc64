//! The commands that Bloom and cuckoo filters have in common: EXISTS, MEXISTS, MERGE, and the
//! arguments of INSERT.

use super::room::room;
use russet_command::CommandError;
use russet_config::Config;
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult};
use russet_types::Container;

/// A filter of either kind.
pub(super) trait Filter: Container + Clone {
    /// The command that makes a filter again from its header and chunks.
    const LOADCHUNK: &'static [u8];
    /// No filter is at the key.
    const NOT_FOUND: CommandError = CommandError::Text("ERR not found");

    /// Whether an item is in the filter at a time, or seems to be.
    fn has(&self, item: &[u8], now_ms: i64) -> bool;

    /// Calls `see` with the same for each item.
    fn has_each<'i>(
        &self,
        items: impl Iterator<Item = &'i [u8]>,
        now_ms: i64,
        see: impl FnMut(bool),
    );

    /// Adds the items of another filter; after an error the caller drops this filter.
    fn take_in(&mut self, other: &Self, config: &Config) -> CommandResult;

    /// All of it but the blocks.
    fn header(&self) -> Vec<u8>;

    /// The part of the blocks at a position, and the position after it.
    fn chunk(&self, at: i64) -> Option<(i64, &[u8])>;
}

/// `BF.EXISTS key item`, `CF.EXISTS`: whether an item was added, and not deleted or forgotten.
///
/// Reply: boolean (RESP2: integer); false without a filter. An item that was not added may be true
/// with the filter's error. O(links * hashes), O(parts).
pub(super) fn exists<F: Filter>(call: &mut Call<'_>) -> CommandResult {
    let [_, key, item] = call.args.exactly();
    let now_ms = call.db.now_ms();
    let filter = call.db.read::<F>(key).ok().flatten();
    let is_there = filter.is_some_and(|filter| filter.has(item, now_ms));
    call.reply.boolean(is_there);
    Ok(())
}

/// `BF.MEXISTS key item ...`, `CF.MEXISTS`: EXISTS for each of the items.
///
/// Reply: array with the reply of EXISTS for each. O(items) times EXISTS.
pub(super) fn mexists<F: Filter>(call: &mut Call<'_>) -> CommandResult {
    let (key, items) = (call.args.at(1), call.args.from(2));
    let now_ms = call.db.now_ms();
    call.reply.array(items.len());
    match call.db.read::<F>(key).ok().flatten() {
        Some(filter) => filter.has_each(items.iter(), now_ms, |yes| call.reply.boolean(yes)),
        None => (0..items.len()).for_each(|_| call.reply.boolean(false)),
    }
    Ok(())
}

/// `BF.MERGE destination source ...`, `CF.MERGE`, which are russet's own: adds the items of filters
/// to another filter, and makes this filter if it does not exist. An item of several cuckoo filters
/// is in the sum several times.
///
/// Reply: OK; an error, and no change, if the filters were made with different numbers, no filter
/// exists, or the items have no room in the largest number of parts. The number of items becomes
/// the sum. O(bytes of all).
///
/// The effects are commands that every server with the module knows: they delete the key and make
/// it again from the chunks, with the key's expiry.
pub(super) fn merge<F: Filter>(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    let key = call.args.at(1);
    let mut merged: Option<F> = call.db.read::<F>(key)?.map(|its| its.clone());
    for source in call.args.from(2).iter().filter(|source| *source != key) {
        let Some(filter) = call.db.read::<F>(source)? else {
            continue;
        };
        match &mut merged {
            Some(merged) => merged.take_in(&filter, &call.server.config)?,
            None => merged = Some(filter.clone()),
        }
    }
    let merged = merged.ok_or(F::NOT_FOUND)?;
    let copy = call.effects_wanted().then(|| merged.clone());
    let place = call.db.place(key);
    if place.is_taken() {
        *place.open::<F>()? = merged;
    } else {
        place.put(merged);
    }
    call.db.changed(key, Class::MODULE, call.name);
    if let Some(filter) = copy {
        record(call, key, &filter);
    }
    call.reply.ok();
    Ok(())
}

/// Records a filter as the commands that make it again: DEL, the header, each chunk, the expiry.
fn record<F: Filter>(call: &mut Call<'_>, key: &[u8], filter: &F) {
    let expiry = call.db.expiry(key).flatten();
    call.rewrite(&[b"DEL", key]);
    call.rewrite(&[F::LOADCHUNK, key, b"1", &filter.header()]);
    let mut at = 1;
    while let Some((next, bytes)) = filter.chunk(at) {
        call.rewrite(&[F::LOADCHUNK, key, next.to_string().as_bytes(), bytes]);
        at = next;
    }
    if let Some(when) = expiry {
        call.rewrite(&[b"PEXPIREAT", key, when.to_string().as_bytes()]);
    }
}

/// An unknown word among INSERT's options; the text is Redis's, without a code.
pub(super) const UNKNOWN: CommandError = CommandError::Text("Unknown argument received");

/// Reads the arguments of INSERT after the key: whether INSERT makes a missing key, and the items,
/// of which there may be none if `may_lack_items`. `take` takes any other option whose word is at a
/// position, and returns the number of the option's arguments.
pub(super) fn insert_args<'a>(
    args: Args<'a>,
    arity: impl Fn() -> CommandError,
    may_lack_items: bool,
    mut take: impl FnMut(usize) -> Result<usize, CommandError>,
) -> Result<(bool, Args<'a>), CommandError> {
    let (mut at, mut creates) = (2, true);
    loop {
        if at == args.len() && may_lack_items {
            return Ok((creates, args.from(at)));
        } else if at >= args.len() {
            return Err(arity());
        } else if args.is(at, "ITEMS") {
            break;
        } else if args.is(at, "NOCREATE") {
            creates = false;
            at += 1;
        } else {
            at += take(at)?;
        }
    }
    let items = args.from(at + 1);
    if items.is_empty() {
        return Err(arity());
    }
    Ok((creates, items))
}
