//! Compaction: the samples that a source writes to the destinations of its rules.
//!
//! A link has two sides, and both must agree: a rule has no effect if the destination is gone, or
//! has another source. So the server needs to look at no other key when a key is deleted, expires
//! or is replaced; a rename updates the other side (`keyspace::access::relocate`).
//!
//! The log and replicas get the samples of sources alone, and compute the destinations' samples.

use russet_keyspace::{Class, Db};
use russet_server::Call;
use russet_timeseries::series::{Change, Write};
use russet_timeseries::{Policy, Rule, Sample};
use russet_types::TimeSeries;

/// Applies writes of a source; a rule that turns out to be none is removed.
pub(crate) fn apply(call: &mut Call<'_>, source: &[u8], writes: &[Write]) {
    for Write { dest, change } in writes {
        let event = match *change {
            Change::Set(sample) => set(&mut call.db, source, dest, sample),
            Change::Remove(from, to) => remove(&mut call.db, source, dest, (from, to)),
        };
        match event {
            Some(event) => {
                call.db.also_changed(dest, Class::MODULE, event);
                call.db.signal(dest);
            }
            None if is_linked(&call.db, source, dest) => {}
            None => {
                if let Ok(Some(mut series)) = call.db.write::<TimeSeries>(source) {
                    series.change_rules(|rules| rules.retain(|rule| rule.dest() != &**dest));
                }
            }
        }
    }
}

fn set(db: &mut Db<'_>, source: &[u8], dest: &[u8], sample: Sample) -> Option<&'static str> {
    let mut series = db.write::<TimeSeries>(dest).ok()??;
    if series.source() != Some(source) {
        return None;
    }
    // A bucket beyond the destination's retention is none.
    series.add(sample, Policy::Last, false).ok()?;
    Some("ts.add:dest")
}

fn remove(
    db: &mut Db<'_>,
    source: &[u8],
    dest: &[u8],
    (from, to): (u64, u64),
) -> Option<&'static str> {
    let mut series = db.write::<TimeSeries>(dest).ok()??;
    if series.source() != Some(source) || series.remove(from, to) == 0 {
        return None;
    }
    Some("ts.del:dest")
}

/// Whether both sides agree that the source's rule writes to the destination.
pub(crate) fn is_linked(db: &Db<'_>, source: &[u8], dest: &[u8]) -> bool {
    rule_of(db, dest).is_some_and(|(its, _)| *its == *source)
}

/// The source of a destination with the rule that writes to it, if both sides agree.
pub(crate) fn rule_of(db: &Db<'_>, dest: &[u8]) -> Option<(Box<[u8]>, Rule)> {
    let series = db.peek::<TimeSeries>(dest).ok()??;
    let source: Box<[u8]> = series.source()?.into();
    let rules = db.peek::<TimeSeries>(&source).ok()??;
    let rule = rules.rules().iter().find(|rule| rule.dest() == dest)?;
    Some((source, rule.clone()))
}

/// The open bucket of the rule that writes to a destination.
pub(crate) fn open_bucket(db: &Db<'_>, dest: &[u8]) -> Option<Sample> {
    rule_of(db, dest)?.1.latest()
}

/// As [`open_bucket`], if it is after all samples of the destination.
pub(crate) fn latest(db: &Db<'_>, dest: &[u8]) -> Option<Sample> {
    let series = db.peek::<TimeSeries>(dest).ok()??;
    let latest = open_bucket(db, dest)?;
    let is_last = series
        .last()
        .is_none_or(|last| last.timestamp < latest.timestamp);
    is_last.then_some(latest)
}

#[cfg(test)]
mod tests {
    use crate::testbed::{AllCommands as _, Testbed};

    fn linked() -> Testbed {
        let mut t = Testbed::new();
        for line in [
            "TS.CREATE s",
            "TS.CREATE d",
            "TS.CREATERULE s d AGGREGATION sum 10",
            "TS.ADD s 1 1",
        ] {
            assert!(!t.run(line).starts_with('-'), "{line}");
        }
        t
    }

    /// A rule writes to a key that the command does not name: clients that watch that key must
    /// learn of the write all the same.
    #[test]
    fn a_destination_is_watched() {
        for (line, touches) in [
            ("TS.ADD s 2 5", false),
            ("TS.ADD s 11 5", true),
            ("TS.MADD s 12 5 s 25 1", true),
            ("TS.INCRBY s 1 TIMESTAMP 40", true),
            ("TS.ADD s 3 7", true),
            ("TS.DEL s 1 1", true),
            ("TS.DELETERULE s d", true),
        ] {
            let mut t = linked();
            if line.starts_with("TS.ADD s 3") || line.starts_with("TS.DEL") {
                t.run("TS.ADD s 15 5");
            }
            t.run("WATCH d");
            let other = t.connect();
            t.run_as(other, line);
            t.run("MULTI");
            t.run("PING");
            let expected = if touches {
                "*-1\r\n"
            } else {
                "*1\r\n+PONG\r\n"
            };
            assert_eq!(t.run("EXEC"), expected, "{line}");
        }
    }

    #[test]
    fn readers_of_a_destination_are_invalidated() {
        let mut t = linked();
        let reader = t.connect();
        t.run_as(reader, "HELLO 3");
        t.run_as(reader, "CLIENT TRACKING ON");
        t.run_as(reader, "TS.RANGE d - +");
        t.run("TS.ADD s 2 1");
        assert!(t.take_reply(reader).is_empty());
        t.run("TS.ADD s 11 1");
        let message = String::from_utf8(t.take_reply(reader)).expect("text");
        assert!(
            message.contains("invalidate") && message.contains("$1\r\nd\r\n"),
            "{message}"
        );
    }

    #[test]
    fn a_transaction_with_a_failing_step_writes_its_buckets() {
        let mut t = linked();
        t.take_effects();
        for line in ["MULTI", "TS.ADD s 11 2", "TS.ADD s x 1", "TS.ADD s 21 3"] {
            t.run(line);
        }
        assert!(t.run("EXEC").contains("invalid timestamp"));
        assert_eq!(t.take_effects(), ["TS.ADD s 11 2", "TS.ADD s 21 3"]);
        assert_eq!(
            t.run("TS.RANGE d - +"),
            "*2\r\n*2\r\n:0\r\n+1\r\n*2\r\n:10\r\n+2\r\n"
        );
    }

    /// The undo log has the keys of commands, and a destination is none of them.
    #[test]
    fn an_atomic_script_that_fails_restores_destinations() {
        let mut t = linked();
        t.run("TS.ADD s 11 4");
        let state = |t: &mut Testbed| {
            let lines = [
                "TS.RANGE s - +",
                "TS.RANGE d - + LATEST",
                "TS.INFO s",
                "TS.INFO d",
            ];
            lines.map(|line| t.run(line))
        };
        let before = state(&mut t);
        for call in [
            "'ts.add', KEYS[1], '21', '9'",
            "'ts.add', KEYS[1], '3', '9'",
            "'ts.del', KEYS[1], '0', '30'",
            "'rename', KEYS[1], KEYS[2]",
            "'rename', KEYS[3], KEYS[2]",
            "'ts.deleterule', KEYS[1], KEYS[3]",
            "'del', KEYS[1], KEYS[3]",
        ] {
            let script = format!("#!lua flags=atomic\nredis.call({call})\nerror('on purpose')");
            let args: [&[u8]; 6] = [b"EVAL", script.as_bytes(), b"3", b"s", b"new", b"d"];
            let reply = t.run_args(&args);
            assert!(
                String::from_utf8_lossy(&reply).contains("on purpose"),
                "{call}"
            );
            assert_eq!(state(&mut t), before, "{call}");
            assert_eq!(t.run("EXISTS new"), ":0\r\n");
            t.engine.keyspace.check_invariants();
        }
        // The rule still works.
        t.run("TS.ADD s 21 1");
        assert!(t.run("TS.RANGE d 10 10").contains("+4"));
    }
}
