//! SSCAN.

use crate::arguments::element;
use crate::arguments::scan::{ScanArgs, ScanKind, parse_cursor};
use crate::work;
use russet_command::{Access, Arity, Category, Flags, KeySpec};
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Entry, Set, is_expired};

pub(super) const SSCAN: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::SET,
    tips: &["nondeterministic_output"],
    work: work::SCANNED,
    ..Spec::new("sscan", sscan)
};

/// `SSCAN key cursor [MATCH pattern] [COUNT count]`: some of the members. The calls return each
/// member at least once that exists from the first call to the last.
///
/// Reply: the next cursor (0 at the end) and an array of members. A packed set is returned whole.
/// O(1) a call, O(n) in all.
fn sscan(call: &mut Call<'_>) -> CommandResult {
    let cursor = parse_cursor(call.args.at(2))?;
    let now = call.db.due_ms() as u64;
    let reply = &mut *call.reply;
    let place = reply.defer();
    let Some(set) = call.db.read::<Set>(call.args.at(1))? else {
        reply.finish_scan(place, 0, 0);
        return Ok(());
    };
    let options = ScanArgs::parse(call.args, 3, ScanKind::Others)?;
    let mut written = 0;
    let mut see = |member: Entry<'_>| {
        if options.admits(member) {
            element::write(reply, member);
            written += 1;
        }
    };
    let next = if set.has_expired(now) {
        let mut see_live = |member: Entry<'_>, expiry| {
            if !is_expired(expiry, now) {
                see(member);
            }
        };
        if set.table().is_none() {
            set.scan_expiries(0, see_live)
        } else {
            options.run(cursor, |cursor, seen| {
                set.scan_expiries(cursor, |member, expiry| {
                    *seen += 1;
                    see_live(member, expiry);
                })
            })
        }
    } else if set.table().is_some() {
        options.run(cursor, |cursor, seen| {
            set.scan(cursor, |member| {
                *seen += 1;
                see(member);
            })
        })
    } else {
        set.scan(0, see)
    };
    reply.finish_scan(place, next, written);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use std::collections::BTreeSet;

    #[test]
    fn every_member_is_given() {
        let mut t = Testbed::new();
        for i in 0..3000 {
            t.run(&format!("SADD s m:{i}"));
        }
        let (mut seen, mut cursor) = (BTreeSet::new(), "0".to_string());
        loop {
            let reply = t.run(&format!("SSCAN s {cursor} COUNT 100"));
            let lines: Vec<&str> = reply.split("\r\n").collect();
            cursor = lines[2].to_string();
            seen.extend(
                lines[4..]
                    .iter()
                    .filter(|l| l.starts_with("m:"))
                    .map(|l| l.to_string()),
            );
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(seen.len(), 3000);
    }

    #[test]
    fn a_packed_set_is_given_whole() {
        let mut t = Testbed::new();
        t.run("SADD s a b ab");
        assert_eq!(
            t.run("SSCAN s 77 MATCH a* COUNT 1"),
            "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$2\r\nab\r\n"
        );
        assert_eq!(t.run("SSCAN none 0 NONSENSE"), "*2\r\n$1\r\n0\r\n*0\r\n");
        assert_eq!(t.run("SSCAN s x"), "-ERR invalid cursor\r\n");
        assert_eq!(t.run("SSCAN s 0 NONSENSE"), "-ERR syntax error\r\n");
    }
}
