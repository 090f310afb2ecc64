//! How a filter is made: by RESERVE's arguments, else by the settings.
//!
//! Effects: a server that repeats a command which makes a filter may have other settings. So if
//! this server's settings are not the defaults a RESERVE with all numbers precedes the command.

use super::super::room::room;
use super::super::row::{GROWS, WRITTEN_KEY};
use super::row::{ITEM_EXISTS, WRITING};
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError};
use russet_config::Config;
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Cuckoo;

const NOT_CREATED: CommandError = CommandError::Text("ERR Insufficient memory to create filter");
pub(super) const BAD_CAPACITY: CommandError = CommandError::Text("Bad capacity");
pub(super) const TOO_SMALL: CommandError =
    CommandError::Text("Capacity must be at least (BucketSize * 2)");

/// The numbers of a new filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recipe {
    pub capacity: u64,
    /// More than 0.
    pub bucket_size: u16,
    /// More than 0.
    pub moves_max: u16,
    /// 0: the filter does not grow.
    pub expansion: u16,
}

impl Recipe {
    /// By the settings alone.
    pub fn of(config: &Config) -> Recipe {
        Recipe {
            capacity: config
                .cf_initial_size
                .max(2 * u64::from(config.cf_bucket_size)),
            bucket_size: config.cf_bucket_size,
            moves_max: config.cf_max_iterations,
            expansion: config.cf_expansion_factor,
        }
    }

    pub fn filter(&self) -> Result<Cuckoo, CommandError> {
        let made = russet_sketches::Cuckoo::new(
            self.capacity,
            self.bucket_size,
            self.moves_max,
            self.expansion,
        );
        made.map(Cuckoo::from).map_err(|_| NOT_CREATED)
    }

    /// Whether a command that leaves all but the capacity to the settings makes the same filter on
    /// every server, if it says the capacity (`with_capacity`), or else leaves it, too.
    pub fn is_plain(&self, with_capacity: bool) -> bool {
        let mut usual = Recipe::of(&Config::default());
        if with_capacity {
            usual.capacity = self.capacity;
        }
        *self == usual
    }

    /// Records the RESERVE that makes such a filter as an effect.
    pub fn record(&self, call: &mut Call<'_>, key: &[u8]) {
        let numbers = [
            self.capacity,
            self.bucket_size.into(),
            self.moves_max.into(),
            self.expansion.into(),
        ];
        let [capacity, bucket_size, moves_max, expansion] = numbers.map(|n| n.to_string());
        call.rewrite(&[
            b"CF.RESERVE",
            key,
            capacity.as_bytes(),
            b"BUCKETSIZE",
            bucket_size.as_bytes(),
            b"MAXITERATIONS",
            moves_max.as_bytes(),
            b"EXPANSION",
            expansion.as_bytes(),
        ]);
    }
}

pub(super) const RESERVE: Spec = Spec {
    arity: Arity::AtLeast(3),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING.union(Category::FAST),
    ..Spec::new("cf.reserve", reserve)
};

/// The number after a word, if the word is there.
fn option(args: Args<'_>, word: &str, least: u16, most: u16) -> Result<Option<u16>, CommandError> {
    let Some(at) = (3..args.len()).find(|at| args.is(*at, word)) else {
        return Ok(None);
    };
    let n = args.get(at + 1).and_then(parse_i64);
    let n = n.ok_or_else(|| CommandError::owned(format!("Couldn't parse {word}")))?;
    let n = u16::try_from(n).ok();
    let n = n.filter(|n| (least..=most).contains(n));
    let refused = || {
        CommandError::owned(format!(
            "{word}: value must be an integer between {least} and {most}, inclusive."
        ))
    };
    n.map(Some).ok_or_else(refused)
}

/// `CF.RESERVE key capacity [BUCKETSIZE n] [MAXITERATIONS n] [EXPANSION n]`: makes an empty filter.
///
/// Reply: OK; an error if the key exists. Buckets and the expansion are rounded up to powers of
/// two. The handler ignores other words. O(1), because the filter takes memory as it is used.
fn reserve(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    let args = call.args;
    if args.len().is_multiple_of(2) {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let usual = Recipe::of(&call.server.config);
    let capacity = parse_i64(args.at(2)).ok_or(BAD_CAPACITY)?;
    let moves_max = option(args, "MAXITERATIONS", 1, u16::MAX)?;
    let bucket_size = option(args, "BUCKETSIZE", 1, 255)?;
    let expansion = option(args, "EXPANSION", 0, 32768)?;
    let bucket_size = bucket_size.unwrap_or(usual.bucket_size);
    let capacity = u64::try_from(capacity).map_err(|_| TOO_SMALL)?;
    if capacity < 2 * u64::from(bucket_size) {
        return Err(TOO_SMALL);
    }
    let recipe = Recipe {
        capacity,
        bucket_size,
        moves_max: moves_max.unwrap_or(usual.moves_max),
        expansion: expansion.unwrap_or(usual.expansion),
    };
    let key = args.at(1);
    let place = call.db.place(key);
    if place.holds::<Cuckoo>()? {
        return Err(ITEM_EXISTS);
    }
    place.put(recipe.filter()?);
    call.db.changed(key, Class::MODULE, call.name);
    let usual = Recipe { capacity, ..usual };
    if !usual.is_plain(true) && call.effects_wanted() {
        recipe.record(call, key);
    }
    call.reply.ok();
    Ok(())
}
