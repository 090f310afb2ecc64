//! CLUSTERSCAN: a scan that goes through all nodes of a cluster. Nodes route the cursor like a key.
//!
//!     cursor        fingerprint-{tag}-n
//!     tag           a text of the slot that is being scanned
//!     fingerprint   of this process, if n is a cursor in the slot's table; the table of another
//!                   node or start has other cursors: the slot is scanned from its beginning
//!     "0-{tag}-0"   the slot's beginning;    "0"   begin, and: finished

use std::sync::OnceLock;

use crate::arguments::scan::ScanArgs;
use crate::work;
use russet_base::hashing::hash;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_keyspace::{SLOTS, slot_of};
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Entry, Type};

const CURSOR: &[KeySpec] = &[KeySpec::one(1, Access::NOT_KEY)];

pub(super) const CLUSTERSCAN: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY.union(Flags::MEETS_ANY_KEY),
    keys: CURSOR,
    categories: Category::KEYSPACE,
    tips: &[
        "nondeterministic_output",
        "request_policy:special",
        "response_policy:special",
    ],
    work: work::SCANNED_KEYS,
    ..Spec::new("clusterscan", clusterscan)
};

/// Where a cursor is: the slot, and the cursor in this slot, as `Db::scan_slot` takes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    slot: u16,
    cursor: u64,
}

/// `CLUSTERSCAN cursor [MATCH pattern] [COUNT n] [TYPE type] [SLOT slot]`: some keys of this node.
///
/// Reply: the next cursor (0 at the end), then an array of keys. The cursor leads through the slots
/// in order: to the next node when another node serves the next slot. With SLOT the scan ends after
/// that slot. The calls return each key at least once that exists from the first call to the last,
/// also if the key's slot moves, unless the slot moves before the scan. O(1) a call, O(n) in all.
fn clusterscan(call: &mut Call<'_>) -> CommandResult {
    if call.server.cluster.is_none() {
        return Err(CommandError::Text(super::enabled::DISABLED));
    }
    let cursor = call.args.at(1);
    let position = match cursor {
        b"0" => None,
        _ => Some(Position::parse(cursor).ok_or(CommandError::Text("ERR Invalid cursor"))?),
    };
    let (options, of) = ScanArgs::parse_of_cluster(call.args, 2, call.db.dialect())?;
    let Some(mut at) = position else {
        call.reply.array(2);
        call.reply
            .bulk(&Position::begin(of.slot.unwrap_or(0)).text());
        call.reply.array(0);
        return Ok(());
    };
    if of.slot.is_some_and(|slot| slot != at.slot) {
        return Err(CommandError::Text(
            "ERR Cursor slot mismatch with SLOT argument",
        ));
    }
    call.reply.array(2);
    let place = call.reply.defer();
    let mut written = 0;
    let mut end = None;
    let (db, reply, server) = (&mut call.db, &mut *call.reply, &*call.server);
    let owner = |slot: u16| server.cluster.as_ref()?.core.slot_owner(slot);
    let first_owner = owner(at.slot);
    options.run(0, |_, seen| {
        let admits = |key: &[u8]| options.admits(Entry::Str(key));
        at.cursor = db.scan_in(Some(at.slot), at.cursor, admits, |key, kind: Type| {
            *seen += 1;
            let name = kind.name().as_bytes();
            let fits = of
                .kind
                .is_none_or(|wanted| wanted.eq_ignore_ascii_case(name));
            if fits && options.admits(Entry::Str(key)) {
                reply.bulk(key);
                written += 1;
            }
        });
        if at.cursor != 0 {
            return 1;
        }
        // The next slot with keys, or the next slot that another node serves.
        let mut rest = (at.slot + 1..SLOTS as u16).filter(|_| of.slot.is_none());
        let next = rest.find(|&slot| db.slot_len(slot) > 0 || owner(slot) != first_owner);
        let Some(slot) = next else {
            end = Some(b"0".to_vec());
            return 0;
        };
        at = Position::begin(slot);
        u64::from(owner(slot) == first_owner)
    });
    let next = end.unwrap_or_else(|| at.text());
    call.reply.finish_array_behind(place, &next, written);
    Ok(())
}

impl Position {
    fn begin(slot: u16) -> Position {
        let cursor = u64::from(slot);
        Position { slot, cursor }
    }

    /// Three parts; the slot is that of the whole text, by which it was routed.
    fn parse(text: &[u8]) -> Option<Position> {
        let mut parts = text.split(|&byte| byte == b'-');
        let (fingerprint, _, number) = (parts.next()?, parts.next()?, parts.next()?);
        let number = std::str::from_utf8(number).ok()?.parse::<u64>().ok()?;
        if parts.next().is_some() {
            return None;
        }
        let slot = slot_of(text);
        let is_known = fingerprint == own_fingerprint() && number < 1 << 49;
        let inner = if is_known { number } else { 0 };
        Some(Position {
            slot,
            cursor: inner * SLOTS as u64 + u64::from(slot),
        })
    }

    fn text(self) -> Vec<u8> {
        let inner = self.cursor / SLOTS as u64;
        let tag = tag_of(self.slot);
        let mut text = match inner {
            0 => b"0".to_vec(),
            _ => own_fingerprint().to_vec(),
        };
        text.extend_from_slice(b"-{");
        text.extend_from_slice(tag);
        text.extend_from_slice(format!("}}-{inner}").as_bytes());
        text
    }
}

/// Differs between processes, because the order of keys in a table does.
fn own_fingerprint() -> &'static [u8; 6] {
    static OWN: OnceLock<[u8; 6]> = OnceLock::new();
    OWN.get_or_init(|| {
        let hash = hash::keys().hash(b"clusterscan");
        let digit = |at: u32| b"0123456789abcdefghijklmnopqrstuv"[(hash >> (5 * at)) as usize % 32];
        // Not "0", which begins a slot.
        std::array::from_fn(|at| digit(at as u32))
    })
}

const TAG_LEN: usize = 3;
const TAG_BYTES: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A text of this slot: letters and digits. The first call computes the texts of all slots: 240,000
/// checksums.
fn tag_of(slot: u16) -> &'static [u8; TAG_LEN] {
    static TAGS: OnceLock<Vec<[u8; TAG_LEN]>> = OnceLock::new();
    let tags = TAGS.get_or_init(|| {
        let mut tags = vec![[0; TAG_LEN]; SLOTS];
        for &a in TAG_BYTES {
            for &b in TAG_BYTES {
                for &c in TAG_BYTES {
                    let tag = &mut tags[usize::from(slot_of(&[a, b, c]))];
                    if tag[0] == 0 {
                        *tag = [a, b, c];
                    }
                }
            }
        }
        tags
    });
    &tags[usize::from(slot) % SLOTS]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_a_tag() {
        for slot in 0..SLOTS as u16 {
            assert_eq!(slot_of(tag_of(slot)), slot);
        }
    }

    #[test]
    fn a_cursor_leads_back_to_its_place() {
        for slot in [0, 77, 12182, 16383] {
            for inner in [0, 1, 1 << 39] {
                let position = Position {
                    slot,
                    cursor: inner * SLOTS as u64 + u64::from(slot),
                };
                assert_eq!(Position::parse(&position.text()), Some(position));
            }
        }
    }

    #[test]
    fn a_cursor_of_another_process_begins_its_slot_again() {
        assert_eq!(
            Position::parse(b"abc-{foo}-12"),
            Some(Position::begin(12182))
        );
        assert_eq!(Position::parse(b"0-{foo}-0"), Some(Position::begin(12182)));
        for bad in [
            &b"x"[..],
            b"1",
            b"0-{foo}-",
            b"0-{foo}-x",
            b"0-{foo}-0-0",
            b"{foo}",
        ] {
            assert_eq!(Position::parse(bad), None);
        }
    }
}
