//! The arguments of XREAD and XREADGROUP.
//!
//! Options come in any order up to STREAMS, which is last: the first half of the rest are keys, the
//! other half IDs. Dispatch finds the keys by the same option words ([`keys`]).
//!
//! The handlers parse IDs after they look up the keys ([`ReadArgs::resolve`]), because `$` and `+`
//! depend on the stream: a wrong type or a missing group is an error before a wrong ID.
//!
//! Cost: O(words), O(1) a stream to resolve.

use crate::arguments::timeout;
use russet_base::numbers::number::parse_i64;
use russet_command::keys::{KeyRun, Keys};
use russet_command::options::{OptionReader, Word};
use russet_command::{Access, BadKeys, CommandError};
use russet_config::Dialect;
use russet_resp::Args;
use russet_server::Call;
use russet_types::stream::StreamId;
use russet_types::{Container, Stream};

use super::ids;

/// The kind of an option word.
#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadOption {
    Block,
    Claim,
    Count,
    Group,
    MaxCount,
    MaxSize,
    NoAck,
    Streams,
}

const WORDS: &[Word<ReadOption>] = &[
    Word::new("BLOCK", 1, ReadOption::Block),
    Word::new("CLAIM", 1, ReadOption::Claim),
    Word::new("COUNT", 1, ReadOption::Count),
    Word::new("GROUP", 2, ReadOption::Group),
    Word::new("MAXCOUNT", 1, ReadOption::MaxCount),
    Word::new("MAXSIZE", 1, ReadOption::MaxSize),
    Word::new("NOACK", 0, ReadOption::NoAck),
    Word::last("STREAMS", 1, ReadOption::Streams),
];

/// The keys of XREAD and XREADGROUP: the first half of the arguments after `STREAMS`.
pub(super) fn keys(args: Args<'_>) -> Result<Keys, BadKeys> {
    let mut options = OptionReader::new(args, 1, WORDS).flatten();
    let Some((_, at)) = options.find(|(asked, _)| *asked == ReadOption::Streams) else {
        return Ok(Keys::NONE);
    };
    let (first, count) = (at + 1, args.len() - at - 1);
    if !count.is_multiple_of(2) {
        return Err(BadKeys);
    }
    let run = KeyRun::new(first, first + count / 2, 1, Access::READ);
    Ok(Keys::run(run))
}

/// `[GROUP group consumer] [COUNT n] [MAXCOUNT n] [MAXSIZE bytes] [BLOCK ms] [CLAIM min-idle-ms]
/// [NOACK] STREAMS key ... id ...`
pub(super) struct ReadArgs<'a> {
    pub block_ms: Option<u64>,
    /// Maximum number of entries per stream.
    pub count: usize,
    /// Maximum number of entries of all streams.
    pub count_max: usize,
    /// Length of the reply, bytes, from which on no further entry is added.
    pub bytes_max: usize,
    /// Pending entries that have been idle for this long are claimed first.
    pub claim_idle_ms: Option<i64>,
    /// Group and consumer.
    pub group: Option<(&'a [u8], &'a [u8])>,
    pub noack: bool,
    pub keys: Args<'a>,
    ids: Args<'a>,
    /// The position of the first ID.
    pub ids_at: usize,
}

/// Represents `>`: entries new to the group.
pub(super) const UNREAD: StreamId = StreamId::MAX;

impl<'a> ReadArgs<'a> {
    pub fn parse(call: &Call<'a>) -> Result<ReadArgs<'a>, CommandError> {
        let args = call.args;
        let of_group = call.name == "xreadgroup";
        let mut read = ReadArgs {
            block_ms: None,
            count: usize::MAX,
            count_max: usize::MAX,
            bytes_max: usize::MAX,
            claim_idle_ms: None,
            group: None,
            noack: false,
            keys: args.first(0),
            ids: args.first(0),
            ids_at: 0,
        };
        for option in OptionReader::new(args, 1, WORDS) {
            let (asked, at) = option?;
            match asked {
                ReadOption::Block => {
                    let now_ms = call.db.now_ms();
                    read.block_ms = Some(timeout::millis(args.at(at + 1), now_ms)?);
                }
                ReadOption::Count => {
                    let n = parse_i64(args.at(at + 1)).ok_or(CommandError::NotAnInteger)?;
                    read.count = if n > 0 { n as usize } else { usize::MAX };
                }
                ReadOption::MaxCount => {
                    const NONE: &str = "ERR MAXCOUNT must be a positive integer";
                    read.count_max = positive(args.at(at + 1), NONE)?;
                }
                ReadOption::MaxSize => {
                    const NONE: &str = "ERR MAXSIZE must be a positive integer";
                    read.bytes_max = positive(args.at(at + 1), NONE)?;
                }
                ReadOption::Claim if !of_group => return Err(only_of_group("CLAIM")),
                ReadOption::Claim => read.claim_idle_ms = Some(min_idle(args.at(at + 1))?),
                ReadOption::Group if !of_group => return Err(only_of_group("GROUP")),
                ReadOption::Group => read.group = Some((args.at(at + 1), args.at(at + 2))),
                ReadOption::NoAck if !of_group => return Err(only_of_group("NOACK")),
                ReadOption::NoAck => read.noack = true,
                ReadOption::Streams => read.streams(args, at + 1, of_group, call.db.dialect())?,
            }
        }
        if read.keys.is_empty() {
            return Err(CommandError::Syntax);
        }
        if of_group && read.group.is_none() {
            const NO_GROUP: &str = "ERR Missing GROUP option for XREADGROUP";
            return Err(CommandError::Text(NO_GROUP));
        }
        if read.count != usize::MAX && read.count_max < read.count {
            const BELOW: &str = "ERR MAXCOUNT must be greater than or equal to COUNT";
            return Err(CommandError::Text(BELOW));
        }
        Ok(read)
    }

    fn streams(
        &mut self,
        args: Args<'a>,
        at: usize,
        of_group: bool,
        dialect: Dialect,
    ) -> Result<(), CommandError> {
        let rest = args.from(at);
        if !rest.len().is_multiple_of(2) {
            let (name, ids) = if of_group {
                ("xreadgroup", "an ID or '>'")
            } else {
                ("xread", dialect.xread_ids())
            };
            return Err(CommandError::owned(format!(
                "ERR Unbalanced '{name}' list of streams: for each stream key {ids} must be \
                 specified."
            )));
        }
        let count = rest.len() / 2;
        self.keys = rest.first(count);
        self.ids = rest.from(count);
        self.ids_at = at + count;
        Ok(())
    }

    /// The IDs as they were given.
    pub fn ids(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.ids.iter()
    }

    /// At most how many entries of a stream are read after this ID, which may be wrong.
    pub fn entries_of(&self, stream: &Stream, id: &[u8]) -> usize {
        let after = |last: StreamId| {
            let first = last.next().unwrap_or(StreamId::MAX);
            stream.count_between(first, StreamId::MAX, self.count)
        };
        let entries = match (self.group, id) {
            (None, b"$") => 0,
            (None, b"+") => 1,
            (None, id) => ids::strict(id).map_or(0, after),
            (Some((name, _)), id) => stream.group(name).map_or(0, |group| {
                let pending = group.pending().len();
                match id {
                    b">" if self.claim_idle_ms.is_some() => after(group.last_id) + pending,
                    b">" => after(group.last_id),
                    _ => pending,
                }
            }),
        };
        entries.min(self.count)
    }

    /// The ID after which to read each stream. Keys must be streams; with a group, it must exist.
    pub fn resolve(&self, call: &mut Call<'_>) -> Result<Vec<StreamId>, CommandError> {
        let pairs = self.keys.iter().zip(self.ids.iter());
        let mut resolved = Vec::with_capacity(self.keys.len());
        for (key, id) in pairs {
            resolved.push(match self.group {
                None => self.resolve_one(call, key, id)?,
                Some((group, _)) => self.resolve_in_group(call, key, group, id)?,
            });
        }
        Ok(resolved)
    }

    fn resolve_one(
        &self,
        call: &mut Call<'_>,
        key: &[u8],
        id: &[u8],
    ) -> Result<StreamId, CommandError> {
        const UNREAD: CommandError = CommandError::Text(
            "ERR The > ID can be specified only when calling XREADGROUP using the GROUP <group> \
             <consumer> option.",
        );
        let stream = call.db.read::<Stream>(key)?;
        match (id, &stream) {
            (b"$", Some(stream)) => Ok(stream.last_id()),
            (b"+", Some(stream)) if !stream.is_empty() => {
                let last = stream.last_entry().and_then(StreamId::prev);
                Ok(last.unwrap_or(StreamId::MIN))
            }
            (b"$" | b"+", _) => Ok(StreamId::MIN),
            (b">", _) => Err(UNREAD),
            (id, _) => ids::strict(id),
        }
    }

    fn resolve_in_group(
        &self,
        call: &mut Call<'_>,
        key: &[u8],
        group: &[u8],
        id: &[u8],
    ) -> Result<StreamId, CommandError> {
        const HISTORY: &str = "in the context of XREADGROUP: you want to read the history of this \
                               consumer by specifying a proper ID, or use the > ID to get new \
                               messages.";
        let stream = call.db.read::<Stream>(key)?;
        if stream.and_then(|s| s.group(group).map(|_| ())).is_none() {
            return Err(ids::naming([
                b"NOGROUP No such key '",
                key,
                b"' or consumer group '",
                group,
                b"' in XREADGROUP with GROUP option",
            ]));
        }
        match id {
            b"$" | b"+" => {
                let id = char::from(id[0]);
                Err(CommandError::owned(format!(
                    "ERR The {id} ID is meaningless {HISTORY} The {id} ID would just return an \
                     empty result set."
                )))
            }
            b">" => Ok(UNREAD),
            id => ids::strict(id),
        }
    }
}

fn positive(arg: &[u8], refusal: &'static str) -> Result<usize, CommandError> {
    let n = parse_i64(arg).ok_or(CommandError::NotAnInteger)?;
    let n = usize::try_from(n).ok().filter(|n| *n > 0);
    n.ok_or(CommandError::Text(refusal))
}

fn min_idle(arg: &[u8]) -> Result<i64, CommandError> {
    const BAD: CommandError =
        CommandError::Text("ERR min-idle-time is not an integer or out of range");
    const NEGATIVE: CommandError =
        CommandError::Text("ERR min-idle-time must be a positive integer");
    let ms = parse_i64(arg).ok_or(BAD)?;
    if ms < 0 { Err(NEGATIVE) } else { Ok(ms) }
}

fn only_of_group(option: &str) -> CommandError {
    CommandError::owned(format!(
        "ERR The {option} option is only supported by XREADGROUP. You called XREAD instead."
    ))
}
