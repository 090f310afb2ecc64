//! The options of SCAN, CLUSTERSCAN, HSCAN, SSCAN and ZSCAN.
//!
//! One parser for all: an option of another command is an error. The caller parses the cursor,
//! before it looks up the key.
//!
//! Bound of a call: COUNT elements seen, matching or not, or ten times as many table steps, because
//! a sparse table yields few elements a step ([`ScanArgs::run`]). One step may see more than COUNT.
//!
//! Decided elsewhere: cursors and the order of elements: the tables in `encodings`.

use russet_base::glob::Glob;
use russet_base::numbers::number::{parse_i64, parse_u64_lenient};
use russet_command::CommandError;
use russet_config::Dialect;
use russet_keyspace::SLOTS;
use russet_resp::Args;
use russet_types::{Entry, Type};

/// Maximum number of table steps per requested element: a sparse table yields few a step.
const STEPS_PER_ELEMENT: usize = 10;

/// Parses a cursor; refuses anything else before the key lookup.
pub(crate) fn parse_cursor(text: &[u8]) -> Result<u64, CommandError> {
    parse_u64_lenient(text).ok_or(CommandError::Text("ERR invalid cursor"))
}

/// The kind of scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ScanKind {
    Hash,
    Zset,
    Others,
}

/// The options after the cursor.
#[derive(Debug)]
pub(crate) struct ScanArgs<'a> {
    count: usize,
    /// `None`: everything matches.
    pattern: Option<(&'a [u8], Glob<'a>)>,
    pub no_values: bool,
}

/// The options that select keys in SCAN and CLUSTERSCAN.
pub(crate) struct WantedKeys<'a> {
    /// TYPE.
    pub kind: Option<&'a [u8]>,
    /// An unknown type is an error.
    checks: bool,
    /// SLOT.
    pub slot: Option<u16>,
    /// SLOT is an option.
    has_slots: bool,
}

fn is_type(name: &[u8]) -> bool {
    Type::ALL
        .iter()
        .any(|kind| name.eq_ignore_ascii_case(kind.name().as_bytes()))
}

impl<'a> ScanArgs<'a> {
    /// Parses the options from argument `at` on. NOVALUES is only for hashes, NOSCORES only for
    /// sorted sets.
    pub fn parse(args: Args<'a>, at: usize, of: ScanKind) -> Result<Self, CommandError> {
        ScanArgs::parse_with(args, at, of, None)
    }

    /// The options of SCAN, including TYPE; also returns the named type.
    pub fn parse_of_keys(
        args: Args<'a>,
        at: usize,
        dialect: Dialect,
    ) -> Result<(Self, Option<&'a [u8]>), CommandError> {
        let mut wanted = WantedKeys {
            kind: None,
            checks: !dialect.scans_any_type(),
            slot: None,
            has_slots: false,
        };
        let all = ScanArgs::parse_with(args, at, ScanKind::Others, Some(&mut wanted))?;
        Ok((all, wanted.kind))
    }

    /// The options of CLUSTERSCAN: the options of SCAN, and SLOT.
    pub fn parse_of_cluster(
        args: Args<'a>,
        at: usize,
        dialect: Dialect,
    ) -> Result<(Self, WantedKeys<'a>), CommandError> {
        let mut wanted = WantedKeys {
            kind: None,
            checks: !dialect.scans_any_type(),
            slot: None,
            has_slots: true,
        };
        let all = ScanArgs::parse_with(args, at, ScanKind::Others, Some(&mut wanted))?;
        Ok((all, wanted))
    }

    /// COUNT.
    pub fn count(&self) -> usize {
        self.count
    }

    /// The pattern, unless everything matches.
    pub fn pattern(&self) -> Option<&'a [u8]> {
        self.pattern.as_ref().map(|(pattern, _)| *pattern)
    }

    fn parse_with(
        args: Args<'a>,
        mut at: usize,
        of: ScanKind,
        mut wanted: Option<&mut WantedKeys<'a>>,
    ) -> Result<Self, CommandError> {
        let mut all = ScanArgs {
            count: 10,
            pattern: None,
            no_values: false,
        };
        while at < args.len() {
            let value = args.get(at + 1);
            if args.is(at, "COUNT")
                && let Some(text) = value
            {
                let count = parse_i64(text).ok_or(CommandError::NotAnInteger)?;
                if count < 1 {
                    return Err(CommandError::Syntax);
                }
                all.count = usize::try_from(count).unwrap_or(usize::MAX);
                at += 2;
            } else if args.is(at, "MATCH")
                && let Some(pattern) = value
            {
                let glob = Glob::new(pattern, false)?;
                all.pattern = (pattern != b"*").then_some((pattern, glob));
                at += 2;
            } else if args.is(at, "TYPE")
                && let (Some(name), Some(wanted)) = (value, &mut wanted)
            {
                if wanted.checks && !is_type(name) {
                    return Err(CommandError::naming("ERR unknown type name '", name, "'"));
                }
                wanted.kind = value;
                at += 2;
            } else if args.is(at, "SLOT")
                && let (Some(slot), Some(wanted)) = (value, &mut wanted)
                && wanted.has_slots
            {
                let slot = parse_i64(slot).and_then(|slot| u16::try_from(slot).ok());
                let slot = slot.filter(|&slot| usize::from(slot) < SLOTS);
                const INVALID: &str = "ERR Invalid or out of range slot";
                wanted.slot = Some(slot.ok_or(CommandError::Text(INVALID))?);
                at += 2;
            } else if args.is(at, "NOSCORES") {
                if of != ScanKind::Zset {
                    const ONLY_ZSCAN: &str = "ERR NOSCORES option can only be used in ZSCAN";
                    return Err(CommandError::Text(ONLY_ZSCAN));
                }
                all.no_values = true;
                at += 1;
            } else if args.is(at, "NOVALUES") {
                if of != ScanKind::Hash {
                    const ONLY_HSCAN: &str = "ERR NOVALUES option can only be used in HSCAN";
                    return Err(CommandError::Text(ONLY_HSCAN));
                }
                all.no_values = true;
                at += 1;
            } else {
                return Err(CommandError::Syntax);
            }
        }
        Ok(all)
    }

    /// Whether an element matches the pattern.
    #[inline]
    pub fn admits(&self, element: Entry<'_>) -> bool {
        let pattern = self.pattern.as_ref();
        pattern.is_none_or(|(_, glob)| glob.matches(element.bytes(&mut itoa::Buffer::new())))
    }

    /// Steps until COUNT elements were seen, matching or not, or the scan ends. `step` takes a
    /// cursor, returns the next and adds the number of elements seen.
    pub fn run(&self, mut cursor: u64, mut step: impl FnMut(u64, &mut usize) -> u64) -> u64 {
        let (mut seen, mut steps) = (0, self.count.saturating_mul(STEPS_PER_ELEMENT));
        loop {
            cursor = step(cursor, &mut seen);
            if cursor == 0 || steps == 0 || seen >= self.count {
                return cursor;
            }
            steps -= 1;
        }
    }
}
