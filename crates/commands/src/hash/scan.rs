//! HSCAN.

use crate::arguments::element;
use crate::arguments::scan::{ScanArgs, ScanKind, parse_cursor};
use crate::work;
use russet_command::{Access, Arity, Category, Flags, KeySpec};
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Hash, HashField};

pub(super) const HSCAN: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::HASH,
    tips: &["nondeterministic_output"],
    work: work::SCANNED,
    ..Spec::new("hscan", hscan)
};

/// `HSCAN key cursor [MATCH pattern] [COUNT count] [NOVALUES]`: some of the fields. The calls
/// return each field at least once that exists from the first call to the last.
///
/// Reply: the next cursor (0 at the end), then a flat array of fields and values, or of fields
/// only. A packed hash is returned whole. O(1) a call, O(n) in all.
fn hscan(call: &mut Call<'_>) -> CommandResult {
    let cursor = parse_cursor(call.args.at(2))?;
    let now = call.db.due_ms() as u64;
    let reply = &mut *call.reply;
    let place = reply.defer();
    let Some(hash) = call.db.read::<Hash>(call.args.at(1))? else {
        reply.finish_scan(place, 0, 0);
        return Ok(());
    };
    let options = ScanArgs::parse(call.args, 3, ScanKind::Hash)?;
    let mut written = 0;
    let mut see = |field: HashField<'_>| {
        if field.expired(now) || !options.admits(field.name) {
            return;
        }
        element::write(reply, field.name);
        written += 1;
        if !options.no_values {
            element::write(reply, field.value);
            written += 1;
        }
    };
    let next = if hash.is_table() {
        options.run(cursor, |cursor, seen| {
            hash.scan(cursor, |field| {
                *seen += 1;
                see(field);
            })
        })
    } else {
        hash.scan(0, see)
    };
    reply.finish_scan(place, next, written);
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use std::collections::BTreeSet;

    #[test]
    fn a_packed_hash_is_given_whole() {
        let mut t = Testbed::new();
        t.run("HSET h a 1 b 2");
        assert_eq!(
            t.run("HSCAN h 0 COUNT 1"),
            "*2\r\n$1\r\n0\r\n*4\r\n$1\r\na\r\n$1\r\n1\r\n$1\r\nb\r\n$1\r\n2\r\n"
        );
        assert_eq!(
            t.run("HSCAN h 0 MATCH b* NOVALUES"),
            "*2\r\n$1\r\n0\r\n*1\r\n$1\r\nb\r\n"
        );
        assert_eq!(t.run("HSCAN none 0 WORD"), "*2\r\n$1\r\n0\r\n*0\r\n");
        assert_eq!(t.run("HSCAN h x"), "-ERR invalid cursor\r\n");
        assert_eq!(t.run("HSCAN h 0 COUNT 0"), "-ERR syntax error\r\n");
        assert_eq!(t.run("HSCAN h 0 WORD"), "-ERR syntax error\r\n");
    }

    #[test]
    fn a_table_is_given_in_steps() {
        let mut t = Testbed::new();
        for i in 0..2000 {
            t.run(&format!("HSET h field:{i} {i}"));
        }
        let (mut cursor, mut seen, mut calls) = ("0".to_owned(), BTreeSet::new(), 0);
        loop {
            let reply = t.run(&format!("HSCAN h {cursor} COUNT 100 NOVALUES"));
            let lines: Vec<&str> = reply.split("\r\n").collect();
            cursor = lines[2].to_owned();
            let fields = lines.iter().filter(|line| line.starts_with("field:"));
            seen.extend(fields.map(|line| line.to_string()));
            calls += 1;
            if cursor == "0" {
                break;
            }
        }
        assert_eq!(seen.len(), 2000);
        assert!(calls > 4, "{calls}");
    }
}
