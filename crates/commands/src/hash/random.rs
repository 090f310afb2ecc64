//! HRANDFIELD.
//!
//! All live fields are equally likely; the handler deletes expired fields before the draw. A
//! positive count gives distinct fields, in no order that means anything; a negative count gives
//! that many, with repetition, until the reply is full.
//!
//! Three ways, by count and encoding:
//!
//!     negative, or 1       a random field each time            O(count)
//!     few of a table       draw until enough are distinct      O(count)
//!     others               a pass that takes some of them      O(fields)
//!
//! Decided elsewhere: [`is_few`] and the pass: `arguments::sample`.

use std::collections::HashSet;

use crate::arguments::element;
use crate::arguments::sample::{SampleArgs, Sampler, is_few};
use crate::work;
use rand::SeedableRng;
use rand::rngs::SmallRng;
use russet_command::{Access, Arity, Category, Flags, KeySpec};
use russet_resp::Reply;
use russet_server::{Call, CommandResult, Spec};
use russet_types::{Container, Entry, Hash, HashField};

pub(super) const HRANDFIELD: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::HASH,
    tips: &["nondeterministic_output"],
    work: work::DRAWN,
    ..Spec::new("hrandfield", hrandfield)
};

/// `HRANDFIELD key [count [WITHVALUES]]`: random fields: distinct fields, or with a negative count
/// that many with repetition. The handler deletes expired fields first.
///
/// Reply: without a count a bulk string or null; else an array of fields, with WITHVALUES of fields
/// and values (RESP3: of pairs). O(count), at most O(fields).
fn hrandfield(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let asked = SampleArgs::parse(call.args, "WITHVALUES")?;
    let missing = call.db.read::<Hash>(key)?.is_none();
    if missing || call.db.expire_all_fields(key) {
        match asked {
            None => call.reply.null(),
            Some(_) => call.reply.array(0),
        }
        return Ok(());
    }
    let mut rng = SmallRng::from_rng(call.db.rng());
    let hash = call.db.peek::<Hash>(key)?.expect("looked up above");
    let Some(SampleArgs { count, paired }) = asked else {
        match hash.random(&mut rng) {
            Some(field) => element::write(call.reply, field.name),
            None => call.reply.null(),
        }
        return Ok(());
    };
    let len = hash.len();
    let count_max = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    let wanted = if count < 0 {
        count_max
    } else {
        count_max.min(len)
    };
    let flat_pair = paired && !call.reply.resp3();
    call.reply
        .array(if flat_pair { wanted * 2 } else { wanted });
    if count < 0 || wanted == 1 {
        for _ in 0..wanted {
            let field = hash.random(&mut rng).expect("not empty");
            write_field(call.reply, field, paired);
            if call.reply.is_full() {
                break;
            }
        }
    } else if hash.is_table() && is_few(wanted, len) {
        // A borrowed table does not move its names, so this loop compares picks by address.
        let mut picked = HashSet::with_capacity(wanted);
        while picked.len() < wanted {
            let field = hash.random(&mut rng).expect("not empty");
            let Entry::Str(name) = field.name else {
                unreachable!("a table holds strings")
            };
            if picked.insert(name.as_ptr()) {
                write_field(call.reply, field, paired);
            }
        }
    } else {
        let mut passing = Sampler::new(wanted, len);
        hash.visit(|field| {
            if passing.take(&mut rng) {
                write_field(call.reply, field, paired);
            }
            true
        });
    }
    Ok(())
}

fn write_field(reply: &mut Reply, field: HashField<'_>, paired: bool) {
    if paired && reply.resp3() {
        reply.array(2);
    }
    element::write(reply, field.name);
    if paired {
        element::write(reply, field.value);
    }
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};
    use std::collections::BTreeSet;

    /// Bug: a field due in the next millisecond was deleted together with an expired field.
    #[test]
    fn expired_fields_are_deleted_first_and_no_others() {
        let mut t = Testbed::new();
        t.run("HSET h a 1 b 2");
        t.run("HPEXPIRE h 5 FIELDS 1 a");
        t.run("HPEXPIRE h 6 FIELDS 1 b");
        t.take_effects();
        t.advance_ms(6);
        t.take_events();
        assert_eq!(t.run("HRANDFIELD h 5"), "*1\r\n$1\r\nb\r\n");
        assert_eq!(t.take_effects(), ["HDEL h a"]);
        t.advance_ms(1);
        assert_eq!(t.run("HRANDFIELD h 5"), "*0\r\n");
        assert_eq!(t.take_effects(), ["HDEL h b"]);
        let names = |t: &mut Testbed| {
            let events = t.take_events();
            events.iter().map(|event| event.event).collect::<Vec<_>>()
        };
        assert_eq!(names(&mut t), ["hexpired", "hexpired", "del"]);
    }

    #[test]
    fn counts_take_every_form() {
        let mut t = Testbed::new();
        assert_eq!(t.run("HRANDFIELD none"), "$-1\r\n");
        assert_eq!(t.run("HRANDFIELD none 5"), "*0\r\n");
        t.run("HSET h a 1");
        assert_eq!(t.run("HRANDFIELD h"), "$1\r\na\r\n");
        assert_eq!(t.run("HRANDFIELD h 0"), "*0\r\n");
        assert_eq!(t.run("HRANDFIELD h 5"), "*1\r\n$1\r\na\r\n");
        assert_eq!(t.run("HRANDFIELD h -2"), "*2\r\n$1\r\na\r\n$1\r\na\r\n");
        assert_eq!(
            t.run("HRANDFIELD h 5 WITHVALUES"),
            "*2\r\n$1\r\na\r\n$1\r\n1\r\n"
        );
        t.run("HELLO 3");
        assert_eq!(
            t.run("HRANDFIELD h -1 WITHVALUES"),
            "*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"
        );
        assert_eq!(t.run("HRANDFIELD h 1 VALUES"), "-ERR syntax error\r\n");
        assert_eq!(
            t.run("HRANDFIELD h -9223372036854775807 WITHVALUES"),
            "-ERR value is out of range\r\n"
        );
    }

    #[test]
    fn picks_end_where_the_client_is_closed_anyway() {
        let mut t = Testbed::new();
        t.engine
            .server
            .config
            .client_output_buffer_limit
            .normal
            .hard_bytes = 1000;
        t.run("HSET h a 1");
        t.run("SADD s a");
        t.run("ZADD z 1 a");
        for command in ["HRANDFIELD h", "SRANDMEMBER s", "ZRANDMEMBER z"] {
            let client = t.connect();
            assert_eq!(t.run_as(client, &format!("{command} -999999999")), "");
            let session = t.engine.server.clients.get(client).expect("connected");
            assert!(session.reply.is_full(), "{command}");
        }
    }

    #[test]
    fn a_positive_count_gives_different_fields() {
        let mut t = Testbed::new();
        for i in 0..1000 {
            t.run(&format!("HSET h field:{i} {i}"));
        }
        for count in [10, 600, 1000, 5000] {
            let reply = t.run(&format!("HRANDFIELD h {count}"));
            let fields: Vec<_> = reply
                .split("\r\n")
                .filter(|l| l.starts_with("field"))
                .collect();
            assert_eq!(fields.len(), count.min(1000));
            assert_eq!(fields.iter().collect::<BTreeSet<_>>().len(), fields.len());
        }
    }
}
