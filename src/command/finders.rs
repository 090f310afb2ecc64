//! Keys that only the words of one command show: options that name keys, or that decide how
//! one is accessed.
//!
//! A row names its finder (`Spec::find_keys`); `keys` asks it where the key specs do not say.

use super::keys::KeyAt;
use super::{Access, BadKeys};

pub(super) const MODIFY: Access = Access::RW.union(Access::ACCESS).union(Access::UPDATE);

pub(super) const OVERWRITE: Access = Access::OW.union(Access::UPDATE);

fn is(arg: &[u8], word: &str) -> bool {
    arg.eq_ignore_ascii_case(word.as_bytes())
}

/// SET: with `GET` the key is read, too.
pub fn set(args: &[&[u8]], found: &mut Vec<KeyAt>) -> Result<(), BadKeys> {
    let reads = args.iter().skip(3).any(|arg| is(arg, "get"));
    found.push((1, if reads { MODIFY } else { OVERWRITE }));
    Ok(())
}

/// BITFIELD: only reads if every operation is a `GET`.
pub fn bitfield(args: &[&[u8]], found: &mut Vec<KeyAt>) -> Result<(), BadKeys> {
    let mut rest = args.get(2..).unwrap_or_default();
    let reads = loop {
        rest = match rest {
            [] => break true,
            [op, _, _, rest @ ..] if is(op, "get") => rest,
            [op, _, rest @ ..] if is(op, "overflow") => rest,
            // SET, INCRBY, or no form of the command.
            _ => break false,
        };
    };
    found.push((1, if reads { Access::READ } else { MODIFY }));
    Ok(())
}

/// SORT: the last `STORE` counts. Keys made of `BY` and `GET` patterns are not arguments.
pub fn sort(args: &[&[u8]], found: &mut Vec<KeyAt>) -> Result<(), BadKeys> {
    found.push((1, Access::READ));
    let mut destination = None;
    let mut at = 2;
    while at < args.len() {
        if is(args[at], "limit") {
            at += 2;
        } else if is(args[at], "store") && at + 1 < args.len() {
            destination = Some(at + 1);
        } else if is(args[at], "get") || is(args[at], "by") {
            at += 1;
        }
        at += 1;
    }
    found.extend(destination.map(|at| (at, OVERWRITE)));
    Ok(())
}

/// SORT_RO: the sorted key alone.
pub fn sort_ro(_args: &[&[u8]], found: &mut Vec<KeyAt>) -> Result<(), BadKeys> {
    found.push((1, Access::READ));
    Ok(())
}

/// MIGRATE: one key in its old place, or those behind `KEYS` if that place is empty.
pub fn migrate(args: &[&[u8]], found: &mut Vec<KeyAt>) -> Result<(), BadKeys> {
    let mut keys = 3..4;
    let mut at = 6;
    while at < args.len() {
        if is(args[at], "keys") {
            if !args[3].is_empty() {
                return Err(BadKeys);
            }
            keys = at + 1..args.len();
            break;
        }
        at += match args[at] {
            arg if is(arg, "auth") => 2,
            arg if is(arg, "auth2") => 3,
            _ => 1,
        };
    }
    let access = Access::RW.union(Access::ACCESS).union(Access::DELETE);
    found.extend(keys.map(|at| (at, access)));
    Ok(())
}

/// GEORADIUS and GEORADIUSBYMEMBER where the specs failed: the last destination counts.
pub fn georadius(args: &[&[u8]], found: &mut Vec<KeyAt>) -> Result<(), BadKeys> {
    found.push((1, Access::empty()));
    let mut destination = None;
    let mut at = 5;
    while at + 1 < args.len() {
        if is(args[at], "store") || is(args[at], "storedist") {
            at += 1;
            destination = Some(at);
        }
        at += 1;
    }
    found.extend(destination.map(|at| (at, Access::empty())));
    Ok(())
}

/// XREAD and XREADGROUP where the specs failed: half of what follows `STREAMS`.
pub fn xread(args: &[&[u8]], found: &mut Vec<KeyAt>) -> Result<(), BadKeys> {
    let mut at = 1;
    loop {
        at += match args.get(at).ok_or(BadKeys)? {
            arg if is(arg, "block") || is(arg, "count") => 2,
            arg if is(arg, "group") => 3,
            arg if is(arg, "noack") => 1,
            arg if is(arg, "streams") => break,
            _ => return Err(BadKeys),
        };
    }
    let rest = args.len() - at - 1;
    if rest == 0 || !rest.is_multiple_of(2) {
        return Err(BadKeys);
    }
    found.extend((at + 1..at + 1 + rest / 2).map(|at| (at, Access::empty())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::FindKeys;

    /// What a finder finds in a line.
    fn found(find: FindKeys, line: &str) -> Result<Vec<KeyAt>, BadKeys> {
        let args: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
        let mut found = Vec::new();
        find(&args, &mut found)?;
        Ok(found)
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
