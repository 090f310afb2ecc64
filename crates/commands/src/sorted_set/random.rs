//! ZRANDMEMBER.

use std::collections::HashSet;

use super::range::write_element;
use crate::arguments::element;
use crate::arguments::sample::{SampleArgs, Sampler, is_few};
use crate::work;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use russet_command::{Access, Arity, Category, Flags, KeySpec};
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, Entry, Zset};

pub(super) const ZRANDMEMBER: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::SORTEDSET,
    tips: &["nondeterministic_output"],
    work: work::DRAWN,
    ..Spec::new("zrandmember", zrandmember)
};

/// `ZRANDMEMBER key [count [WITHSCORES]]`: random members: distinct members, or with a negative
/// count that many with repetition.
///
/// Reply: without a count a bulk string or null; else an array of members, with WITHSCORES of
/// members and scores (RESP3: of pairs). O(count), at most O(members).
fn zrandmember(call: &mut Call<'_>) -> CommandResult {
    let asked = SampleArgs::parse(call.args, "WITHSCORES")?;
    let mut rng = SmallRng::from_rng(call.db.rng());
    let zset = call.db.read::<Zset>(call.args.at(1))?;
    let Some(SampleArgs { count, paired }) = asked else {
        match zset.as_ref().and_then(|zset| zset.random(&mut rng)) {
            Some((_, member)) => element::write(call.reply, member),
            None => call.reply.null(),
        }
        return Ok(());
    };
    let Some(zset) = zset else {
        call.reply.array(0);
        return Ok(());
    };
    let reply = &mut *call.reply;
    let len = zset.len();
    let count_max = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let wanted = if count < 0 {
        count_max
    } else {
        count_max.min(len)
    };
    let flat_pair = paired && !reply.resp3();
    reply.array(if flat_pair { wanted * 2 } else { wanted });
    if count < 0 || wanted == 1 {
        for _ in 0..wanted {
            let (score, member) = zset.random(&mut rng).expect("not empty");
            write_element(reply, score, member, paired);
            if reply.is_full() {
                break;
            }
        }
    } else if zset.is_table() && is_few(wanted, len) {
        // A borrowed table does not move its members, so this loop compares picks by address.
        let mut picked = HashSet::with_capacity(wanted);
        while picked.len() < wanted {
            let (score, member) = zset.random(&mut rng).expect("not empty");
            let Entry::Str(text) = member else {
                unreachable!("a table holds strings")
            };
            if picked.insert(text.as_ptr()) {
                write_element(reply, score, member, paired);
            }
        }
    } else {
        let mut passing = Sampler::new(wanted, len);
        zset.visit(0, len, false, |score, member| {
            if passing.take(&mut rng) {
                write_element(reply, score, member, paired);
            }
            true
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use std::collections::BTreeSet;

    #[test]
    fn counts_take_every_form() {
        let mut t = Testbed::new();
        assert_eq!(t.run("ZRANDMEMBER none"), "$-1\r\n");
        assert_eq!(t.run("ZRANDMEMBER none -5"), "*0\r\n");
        t.run("ZADD z 1 a");
        assert_eq!(t.run("ZRANDMEMBER z"), "$1\r\na\r\n");
        assert_eq!(t.run("ZRANDMEMBER z 0 WITHSCORES"), "*0\r\n");
        assert_eq!(
            t.run("ZRANDMEMBER z 5 WITHSCORES"),
            "*2\r\n$1\r\na\r\n$1\r\n1\r\n"
        );
        t.run("HELLO 3");
        assert_eq!(
            t.run("ZRANDMEMBER z -2 WITHSCORES"),
            "*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\na\r\n,1\r\n"
        );
    }

    #[test]
    fn a_positive_count_gives_different_members() {
        let mut t = Testbed::new();
        for i in 0..1000 {
            t.run(&format!("ZADD z {i} member:{i}"));
        }
        for count in [10, 600, 5000] {
            let reply = t.run(&format!("ZRANDMEMBER z {count}"));
            let members: Vec<_> = reply
                .split("\r\n")
                .filter(|l| l.starts_with("mem"))
                .collect();
            assert_eq!(members.len(), count.min(1000));
            assert_eq!(members.iter().collect::<BTreeSet<_>>().len(), members.len());
        }
    }
}
