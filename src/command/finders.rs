//! Keys that only the words of one command show: options that name keys, or that decide how
//! one is accessed.
//!
//! A row names its finder (`Spec::find_keys`); its `plan` asks it where the key specs do not
//! say.
#![allow(dead_code, reason = "bitmaps, geo and streams are not there yet")]

use super::keys::{Keys, Run};
use super::{Access, BadKeys};
use crate::resp::Args;

pub(super) const MODIFY: Access = Access::RW.union(Access::ACCESS).union(Access::UPDATE);

pub(super) const OVERWRITE: Access = Access::OW.union(Access::UPDATE);

/// SET: with `GET` the key is read, too.
pub fn set(args: Args<'_>) -> Result<Keys, BadKeys> {
    let reads = (3..args.len()).any(|at| args.is(at, "get"));
    Ok(Keys::one(1, if reads { MODIFY } else { OVERWRITE }))
}

/// BITFIELD: only reads if every operation is a `GET`.
pub fn bitfield(args: Args<'_>) -> Result<Keys, BadKeys> {
    let mut at = 2;
    let reads = loop {
        let left = args.len().saturating_sub(at);
        at += match left {
            0 => break true,
            3.. if args.is(at, "get") => 3,
            2.. if args.is(at, "overflow") => 2,
            // SET, INCRBY, or no form of the command.
            _ => break false,
        };
    };
    Ok(Keys::one(1, if reads { Access::READ } else { MODIFY }))
}

/// SORT: the last `STORE` counts. Keys made of `BY` and `GET` patterns are not arguments.
pub fn sort(args: Args<'_>) -> Result<Keys, BadKeys> {
    let mut destination = None;
    let mut at = 2;
    while at < args.len() {
        if args.is(at, "limit") {
            at += 2;
        } else if args.is(at, "store") && at + 1 < args.len() {
            destination = Some(at + 1);
        } else if args.is(at, "get") || args.is(at, "by") {
            at += 1;
        }
        at += 1;
    }
    Ok(source_and(destination, Access::READ, OVERWRITE))
}

/// SORT_RO: the sorted key alone.
pub fn sort_ro(_args: Args<'_>) -> Result<Keys, BadKeys> {
    Ok(Keys::one(1, Access::READ))
}

/// MIGRATE: one key in its old place, or those behind `KEYS` if that place is empty.
pub fn migrate(args: Args<'_>) -> Result<Keys, BadKeys> {
    let mut keys = 3..4;
    let mut at = 6;
    while at < args.len() {
        if args.is(at, "keys") {
            if !args[3].is_empty() {
                return Err(BadKeys);
            }
            keys = at + 1..args.len();
            break;
        }
        at += if args.is(at, "auth") {
            2
        } else if args.is(at, "auth2") {
            3
        } else {
            1
        };
    }
    let access = Access::RW.union(Access::ACCESS).union(Access::DELETE);
    Ok(Keys::run(Run::new(keys.start, keys.end, 1, access)))
}

/// GEORADIUS and GEORADIUSBYMEMBER where the specs failed: the last destination counts.
pub fn georadius(args: Args<'_>) -> Result<Keys, BadKeys> {
    let mut destination = None;
    let mut at = 5;
    while at + 1 < args.len() {
        if args.is(at, "store") || args.is(at, "storedist") {
            at += 1;
            destination = Some(at);
        }
        at += 1;
    }
    Ok(source_and(destination, Access::empty(), Access::empty()))
}

/// The first argument, and perhaps a destination behind it.
fn source_and(destination: Option<usize>, source: Access, stored: Access) -> Keys {
    let mut keys = Keys::one(1, source);
    if let Some(at) = destination {
        keys.push(Run::new(at, at + 1, 1, stored));
    }
    keys
}

/// XREAD and XREADGROUP where the specs failed: half of what follows `STREAMS`.
pub fn xread(args: Args<'_>) -> Result<Keys, BadKeys> {
    let mut at = 1;
    loop {
        at += if args.is(at, "block") || args.is(at, "count") {
            2
        } else if args.is(at, "group") {
            3
        } else if args.is(at, "noack") {
            1
        } else if args.is(at, "streams") {
            break;
        } else {
            // An option that is none, or no word left.
            return Err(BadKeys);
        };
    }
    let first = at + 1;
    let rest = args.len() - first;
    if rest == 0 || !rest.is_multiple_of(2) {
        return Err(BadKeys);
    }
    let unknown = Access::empty();
    Ok(Keys::run(Run::new(first, first + rest / 2, 1, unknown)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::FindKeys;
    use crate::command::keys::KeyAt;
    use crate::resp::OwnedArgs;

    /// What a finder finds in a line.
    fn found(find: FindKeys, line: &str) -> Result<Vec<KeyAt>, BadKeys> {
        let args: OwnedArgs = line.split(' ').map(str::as_bytes).collect();
        Ok(find(args.args())?.collect())
    }

    #[test]
    fn options_decide_the_access_of_set_and_bitfield() {
        let access = |find, line| found(find, line).map(|keys| keys[0].1);
        assert_eq!(access(set, "set k v"), Ok(OVERWRITE));
        assert_eq!(access(set, "set k v nx GeT"), Ok(MODIFY));
        assert_eq!(access(set, "set k get"), Ok(OVERWRITE));
        assert_eq!(
            access(bitfield, "bitfield k get u8 0 overflow fail"),
            Ok(Access::READ)
        );
        assert_eq!(
            access(bitfield, "bitfield k get u8 0 set u8 0 1"),
            Ok(MODIFY)
        );
        assert_eq!(access(bitfield, "bitfield k get u8"), Ok(MODIFY));
    }

    #[test]
    fn sort_and_migrate_read_their_options() {
        let find = |find, line| -> Result<Vec<usize>, BadKeys> {
            Ok(found(find, line)?.into_iter().map(|(at, _)| at).collect())
        };
        assert_eq!(
            find(sort, "sort k by store limit 0 1 store d"),
            Ok(vec![1, 8])
        );
        assert_eq!(find(sort, "sort k store a store b"), Ok(vec![1, 5]));
        assert_eq!(find(sort, "sort k store"), Ok(vec![1]));
        assert_eq!(find(migrate, "migrate h 1 k 0 1 copy"), Ok(vec![3]));
        assert_eq!(
            find(migrate, "migrate h 1  0 1 auth keys keys a b"),
            Ok(vec![9, 10])
        );
        assert_eq!(find(migrate, "migrate h 1 k 0 1 keys a"), Err(BadKeys));
        assert_eq!(
            find(georadius, "georadius k 0 0 1 m store d"),
            Ok(vec![1, 7])
        );
    }
}
