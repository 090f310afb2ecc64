//! MEMORY PACKING: what `compress-values` would save, whether it is on or not.
//!
//! The loop copies values of a sample, and a thread trains a dictionary and packs them. In MULTI,
//! in scripts and without threads (`task-threads 0`) the loop does it, which takes some 100 ms.

use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError, Facts};
use russet_keyspace::{PackRule, PackSample, PrefixEstimate};
use russet_resp::Reply;
use russet_server::tasks::Task;
use russet_server::{Call, CommandResult, Spec};
use russet_types::vector_set::Progress;

/// Keys of the sample without SAMPLES, and at most.
const KEYS: usize = 2000;
const KEYS_MAX: i64 = 100_000;

/// About what the thread takes: longer than the loop may.
const NANOS: usize = 100_000_000;

pub(super) const PACKING: Spec = Spec {
    arity: Arity::AtLeast(2),
    tips: super::TIPS,
    facts: Facts::SHOWS,
    ..Spec::new("packing", packing)
};

/// A sample that a thread makes an estimate of.
struct Estimate {
    sample: PackSample,
    lines: Option<Vec<PrefixEstimate>>,
}

impl Task for Estimate {
    fn step(&mut self, _nanos: usize) -> Progress {
        self.lines = Some(self.sample.estimate());
        Progress::Done
    }

    fn is_for_workers(&self) -> bool {
        true
    }
}

/// `MEMORY PACKING [SAMPLES count]`: what packing all values that the directives allow would save,
/// by the prefix of the key up to its first colon, the greatest savings first.
///
/// Reply: an array of maps: `prefix` (`(none)`: keys without a prefix; `(other)`: further
/// prefixes), `sampled` keys, and about `keys`, `bytes`, `packed_bytes`, `saved_bytes` of all
/// databases, and `percent`: `packed_bytes` of `bytes`. Values that are packed already count as
/// they are. Nothing is packed. O(count), and some 100 ms on a thread.
fn packing(call: &mut Call<'_>) -> CommandResult {
    let keys = match call.args.len() {
        2 => KEYS,
        4 if call.args.is(2, "SAMPLES") => {
            let count = parse_i64(call.args.at(3)).ok_or(CommandError::NotAnInteger)?;
            count.clamp(1, KEYS_MAX) as usize
        }
        _ => return Err(CommandError::Syntax),
    };
    if call.is_retry()
        && let Some(done) = call.server.tasks.take_task::<Estimate>()
    {
        write(call.reply, &done.lines.unwrap_or_default());
        return Ok(());
    }
    let config = &call.server.config;
    let rule = PackRule {
        least: config.compress_min_bytes as usize,
        most: config.compress_max_bytes as usize,
        always: false,
    };
    let sample = call.db.whole().sample_for_packing(&rule, keys);
    if sample.is_empty() || !call.leaves_loop(NANOS) {
        write(call.reply, &sample.estimate());
        return Ok(());
    }
    call.block_on_task(Box::new(Estimate {
        sample,
        lines: None,
    }));
    Ok(())
}

fn write(reply: &mut Reply, lines: &[PrefixEstimate]) {
    reply.array(lines.len());
    for line in lines {
        let percent = (line.packed_bytes * 100)
            .checked_div(line.bytes)
            .unwrap_or(100);
        reply.map(7);
        reply.bulk(b"prefix");
        reply.bulk(&line.prefix);
        for (name, value) in [
            ("sampled", line.sampled),
            ("keys", line.keys),
            ("bytes", line.bytes),
            ("packed_bytes", line.packed_bytes),
            ("saved_bytes", line.saved_bytes()),
            ("percent", percent),
        ] {
            reply.bulk(name.as_bytes());
            reply.int(value as i64);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    #[test]
    fn the_prefix_that_pays_most_comes_first() {
        let mut t = Testbed::new();
        assert_eq!(t.run("MEMORY PACKING"), "*0\r\n");
        for n in 0..300 {
            let text = format!("{{\"user\":\"user.{n}\",\"plan\":\"basic\"}}").repeat(9);
            t.run(&format!("SET session:{n} {text}"));
            t.run(&format!(
                "HSET user:{n} name {} plan {}",
                "n".repeat(60),
                &text[..60]
            ));
            t.run(&format!("SET count:{n} {n}"));
        }
        let reply = t.run("MEMORY PACKING SAMPLES 1000");
        assert!(
            reply.starts_with("*3\r\n*14\r\n$6\r\nprefix\r\n$8\r\nsession:\r\n"),
            "{reply}"
        );
        assert!(
            reply.contains("$7\r\nsampled\r\n:300\r\n$4\r\nkeys\r\n:300\r\n"),
            "{reply}"
        );
        assert!(
            reply.contains("$11\r\nsaved_bytes\r\n:0\r\n$7\r\npercent\r\n:100\r\n"),
            "{reply}"
        );
        assert_eq!(
            t.run("MEMORY PACKING SAMPLES x"),
            "-ERR value is not an integer or out of range\r\n"
        );
        assert_eq!(t.run("MEMORY PACKING 7"), "-ERR syntax error\r\n");
    }
}
