//! Idempotent IDs of producers: XADD's IDMP and IDMPAUTO, XCFGSET, XIDMPRECORD.
//!
//! A producer (pid) that sends an entry again under the same idempotent ID (iid) gets the ID of the
//! entry that is there, and nothing is added. IDMPAUTO makes the iid from the entry's content: 128
//! bits, whatever the order of the pairs, equal to Redis's iid.
//!
//! The stream keeps an iid for IDMP-DURATION seconds, at most IDMP-MAXSIZE iids for each producer;
//! a change of either setting drops all iids. XIDMPRECORD restores an iid from a log.
//!
//! Decided elsewhere: the table of iids: `types::stream`, `encodings::idmp`.

use russet_base::hashing::xxh3;
use russet_base::numbers::number::parse_i64;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Stream;
use russet_types::stream::{DURATION_MAX, Pairs, SIZE_MAX};

use super::ids;

/// `IDMP pid iid` or `IDMPAUTO pid` among XADD's options, by position.
#[derive(Clone, Copy)]
pub(super) struct IdmpOption {
    at: usize,
    is_auto: bool,
}

impl IdmpOption {
    /// The option at a position, if all operands follow it.
    pub fn at(args: Args<'_>, at: usize) -> Option<IdmpOption> {
        let is_auto = match args.len() - at - 1 {
            0 => return None,
            1 if args.is(at, "idmpauto") => true,
            1 => return None,
            _ if args.is(at, "idmp") => false,
            _ if args.is(at, "idmpauto") => true,
            _ => return None,
        };
        Some(IdmpOption { at, is_auto })
    }

    /// Refuses empty IDs; returns the position of the next option.
    pub fn check(self, args: Args<'_>) -> Result<usize, CommandError> {
        let refuse = |text| Err(CommandError::Text(text));
        let is_empty = |at: usize| args.at(self.at + at).is_empty();
        match self.is_auto {
            true if is_empty(1) => {
                refuse("ERR syntax error, IDMPAUTO requires a non-empty producer ID")
            }
            true => Ok(self.at + 2),
            false if is_empty(1) => {
                refuse("ERR syntax error, IDMP requires a non-empty producer ID")
            }
            false if is_empty(2) => {
                refuse("ERR syntax error, IDMP requires a non-empty idempotent ID")
            }
            false => Ok(self.at + 3),
        }
    }

    pub fn pid<'a>(self, args: Args<'a>) -> &'a [u8] {
        args.at(self.at + 1)
    }

    /// The idempotent ID: the given iid, or the iid of the entry, which goes into `made`.
    pub fn iid<'a>(
        self,
        args: Args<'a>,
        pairs: impl Pairs<'a>,
        made: &'a mut [u8; 16],
    ) -> &'a [u8] {
        if self.is_auto {
            *made = entry_iid(pairs);
            made
        } else {
            args.at(self.at + 2)
        }
    }
}

/// An ID of an entry's content, whatever the order of the pairs. O(bytes).
fn entry_iid<'a>(pairs: impl Pairs<'a>) -> [u8; 16] {
    let mut sums = [0u64; 2];
    let mut xors = [0u64; 2];
    for (name, value) in pairs {
        let len = (name.len() as u64).to_le_bytes();
        let hash = xxh3::hash_128(&[name, &len, value]);
        for (n, half) in [hash as u64, (hash >> 64) as u64].into_iter().enumerate() {
            sums[n] = sums[n].wrapping_add(half);
            xors[n] ^= half;
        }
    }
    let low = sums[0] ^ xors[1].rotate_left(1);
    let high = sums[1] ^ xors[0].rotate_left(1);
    (u128::from(high) << 64 | u128::from(low)).to_le_bytes()
}

pub(super) const XCFGSET: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::WRITE.union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::STREAM,
    ..Spec::new("xcfgset", xcfgset)
};

/// The options of XCFGSET.
struct Settings {
    duration_s: Option<u32>,
    size_max: Option<u32>,
}

impl Settings {
    fn parse(args: Args<'_>) -> Result<Settings, CommandError> {
        const NONE: CommandError =
            CommandError::Text("ERR At least one parameter must be specified");
        let mut settings = Settings {
            duration_s: None,
            size_max: None,
        };
        let mut at = 2;
        while at < args.len() {
            let (own, most, twice, bounds) = if args.is(at, "idmp-duration") {
                let bounds = "ERR IDMP-DURATION must be between 1 and 86400 seconds";
                let twice = "ERR IDMP-DURATION specified multiple times";
                (&mut settings.duration_s, DURATION_MAX, twice, bounds)
            } else if args.is(at, "idmp-maxsize") {
                let bounds = "ERR IDMP-MAXSIZE must be between 1 and 10000 entries";
                let twice = "ERR IDMP-MAXSIZE specified multiple times";
                (&mut settings.size_max, SIZE_MAX, twice, bounds)
            } else {
                return Err(CommandError::Syntax);
            };
            let value = args.get(at + 1).ok_or(CommandError::Syntax)?;
            if own.is_some() {
                return Err(CommandError::Text(twice));
            }
            let n = parse_i64(value).ok_or(CommandError::NotAnInteger)?;
            let n = u32::try_from(n).ok().filter(|n| (1..=most).contains(n));
            *own = Some(n.ok_or(CommandError::Text(bounds))?);
            at += 2;
        }
        match args.len() {
            2 => Err(NONE),
            _ => Ok(settings),
        }
    }
}

/// `XCFGSET key [IDMP-DURATION seconds] [IDMP-MAXSIZE count]`: how long a stream keeps idempotent
/// IDs, and how many of each producer. A changed value drops all of them.
///
/// Reply: OK. O(1); the server frees dropped iids between turns.
fn xcfgset(call: &mut Call<'_>) -> CommandResult {
    let key = call.args.at(1);
    let stream = call.db.write::<Stream>(key)?;
    let mut stream = stream.ok_or(CommandError::NoSuchKey)?;
    let settings = Settings::parse(call.args)?;
    let (changed, gone) = stream.configure(settings.duration_s, settings.size_max);
    drop(stream);
    if let Some(gone) = gone {
        call.db.free_part(gone);
    }
    if changed {
        call.db.record_stream(key);
        call.db.add_dirty(1);
    }
    call.reply.ok();
    Ok(())
}

pub(super) const XIDMPRECORD: Spec = Spec {
    arity: Arity::Exactly(5),
    flags: Flags::WRITE.union(Flags::DENYOOM).union(Flags::FAST),
    keys: &[KeySpec::one(1, Access::CHANGE)],
    categories: Category::STREAM,
    ..Spec::new("xidmprecord", xidmprecord)
};

/// `XIDMPRECORD key pid iid id`: records that a producer has added an entry under an idempotent ID,
/// to rebuild a stream.
///
/// Reply: OK, also if the iid is recorded already. O(log n + a node's entries).
fn xidmprecord(call: &mut Call<'_>) -> CommandResult {
    const NO_PID: CommandError = CommandError::Text("ERR producer ID must be non-empty");
    const NO_IID: CommandError = CommandError::Text("ERR idempotent ID must be non-empty");
    const NO_ENTRY: CommandError = CommandError::Text("ERR No such message in stream");
    const OTHER: CommandError =
        CommandError::Text("ERR IID already exists for this producer with a different stream ID");
    let [_, key, pid, iid, id] = call.args.exactly();
    let id = ids::strict(id)?;
    if pid.is_empty() {
        return Err(NO_PID);
    }
    if iid.is_empty() {
        return Err(NO_IID);
    }
    let stream = call.db.write::<Stream>(key)?;
    let mut stream = stream.ok_or(CommandError::NoSuchKey)?;
    if !stream.contains(id) {
        return Err(NO_ENTRY);
    }
    match stream.idempotence().find(pid, iid) {
        Some(known) if known != id => return Err(OTHER),
        Some(_) => {}
        None => {
            stream.record_iid(pid, iid, id);
            drop(stream);
            // This line may expire before the others.
            call.db.record_stream(key);
            call.db.add_dirty(1);
        }
    }
    call.reply.ok();
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::testbed::{AllCommands as _, Testbed};
    use russet_keyspace::ExpiryMode;

    #[test]
    fn lines_expire_where_the_cycle_does_not_run() {
        let mut t = Testbed::new();
        t.run("XADD s IDMP p i * a b");
        t.run("XADD s IDMP q i * a b");
        t.engine.keyspace.set_expiring(ExpiryMode::Hide);
        t.advance_ms(99_000);
        t.engine.keyspace.expire_iids(Duration::from_secs(1));
        assert!(t.run("XINFO STREAM s").contains("iids-tracked\r\n:2\r\n"));
        t.advance_ms(2_000);
        t.take_effects();
        t.engine.keyspace.expire_iids(Duration::from_secs(1));
        let info = t.run("XINFO STREAM s");
        assert!(info.contains("iids-tracked\r\n:0\r\n"), "{info}");
        assert_eq!(t.take_effects(), Vec::<String>::new());
    }

    fn of(pairs: &[(&str, &str)]) -> String {
        let pairs = pairs.iter();
        let iid = entry_iid(pairs.map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        iid.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn ids_of_entries_are_those_of_redis() {
        let long = "x".repeat(300);
        for (pairs, iid) in [
            (&[("a", "1")][..], "034b44ffc743320ce2cb07999104fc02"),
            (
                &[("a", "1"), ("b", "2")],
                "c5b282935f77a53123e1ff7a302a11f2",
            ),
            (
                &[("b", "2"), ("a", "1")],
                "c5b282935f77a53123e1ff7a302a11f2",
            ),
            (
                &[("a", "1"), ("a", "1")],
                "7cd8847868842eaf3c2706c3f301a55b",
            ),
            (&[("", "")], "1a9f7ebbaea1d61d30b6b8daa3e38da7"),
            (&[("field", "value")], "626368b66e85051415a2b01bf8e32dc5"),
            (&[("f", &long)], "6e4fd8808721e66f21de48b267a38ba2"),
            (&[("n", "12345")], "e8ee9392e9db849768157a73874237f6"),
            (
                &[("id", "1"), ("name", "bob"), ("ts", "99")],
                "2cc554ac43849a856d6e05d0f87c1625",
            ),
        ] {
            assert_eq!(of(pairs), iid, "{pairs:?}");
        }
    }
}
