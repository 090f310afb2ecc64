//! ZSCAN.

use crate::arguments::element;
use crate::arguments::scan::{ScanArgs, ScanKind, parse_cursor};
use crate::work;
use russet_base::numbers::float::{write_double, write_g17};
use russet_command::{Access, Arity, Category, Flags, KeySpec};
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Entry, Zset};

pub(super) const ZSCAN: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::SORTEDSET,
    tips: &["nondeterministic_output"],
    work: work::SCANNED,
    ..Spec::new("zscan", zscan)
};

/// `ZSCAN key cursor [MATCH pattern] [COUNT count] [NOSCORES]`: some of the members, with or
/// without scores. The calls return each member at least once that exists from the first call to
/// the last.
///
/// Reply: the next cursor (0 at the end), then a flat array of members and scores, as bulk strings;
/// scores of a large set have 17 digits, as in Redis. O(1) a call.
fn zscan(call: &mut Call<'_>) -> CommandResult {
    let cursor = parse_cursor(call.args.at(2))?;
    let reply = &mut *call.reply;
    let place = reply.defer();
    let Some(zset) = call.db.read::<Zset>(call.args.at(1))? else {
        reply.finish_scan(place, 0, 0);
        return Ok(());
    };
    let options = ScanArgs::parse(call.args, 3, ScanKind::Zset)?;
    let (mut written, mut text) = (0, Vec::new());
    let write_score = if zset.is_table() {
        write_g17
    } else {
        write_double
    };
    let mut see = |score: f64, member: Entry<'_>| {
        if options.admits(member) {
            element::write(reply, member);
            written += 1;
            if options.no_values {
                return;
            }
            text.clear();
            write_score(&mut text, score);
            reply.bulk(&text);
            written += 1;
        }
    };
    let next = if zset.is_table() {
        options.run(cursor, |cursor, seen| {
            zset.scan(cursor, |score, member| {
                *seen += 1;
                see(score, member);
            })
        })
    } else {
        zset.scan(0, see)
    };
    reply.finish_scan(place, next, written);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use std::collections::BTreeSet;

    #[test]
    fn a_packed_set_is_given_whole() {
        let mut t = Testbed::new();
        t.run("ZADD z 0.1 a 2 b");
        let bare = "*2\r\n$1\r\n0\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n";
        assert_eq!(t.run("ZSCAN z 0 NOSCORES"), bare);
        t.run("SADD s a");
        let refused = "-ERR NOSCORES option can only be used in ZSCAN\r\n";
        assert_eq!(t.run("SSCAN s 0 NOSCORES"), refused);
        assert_eq!(
            t.run("ZSCAN z 0"),
            "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$3\r\n0.1\r\n$1\r\nb\r\n$1\r\n2\r\n"
        );
        assert_eq!(
            t.run("ZSCAN z 0 MATCH b COUNT 1"),
            "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"
        );
        assert_eq!(
            t.run("ZSCAN z 0 NOVALUES"),
            "-ERR NOVALUES option can only be used in HSCAN\r\n"
        );
        assert_eq!(t.run("ZSCAN none 0"), "*2\r\n$1\r\n0\r\n*0\r\n");
    }

    #[test]
    fn a_table_is_given_in_steps() {
        let mut t = Testbed::new();
        for i in 0..1000 {
            t.run(&format!("ZADD z {i}.1 member:{i}"));
        }
        let (mut cursor, mut seen) = ("0".to_owned(), BTreeSet::new());
        loop {
            let reply = t.run(&format!("ZSCAN z {cursor} COUNT 50"));
            let lines: Vec<&str> = reply.split("\r\n").collect();
            cursor = lines[2].to_owned();
            let members = lines.iter().filter(|line| line.starts_with("member:"));
            seen.extend(members.map(|line| line.to_string()));
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(seen.len(), 1000);
        assert!(
            t.run("ZSCAN z 0 COUNT 2000")
                .contains("\r\n0.10000000000000001\r\n")
        );
    }
}
