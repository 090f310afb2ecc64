//! How a filter is made: by RESERVE's arguments and INSERT's options, else by the settings.
//!
//! Effects: a server that repeats the command may have other settings, and other rules of the
//! arguments: 7.4 takes errors above a quarter as they are, and no expansion of 0. So if these
//! matter the effect has all numbers in words that every server understands alike.

use super::super::room::room;
use super::super::row::{GROWS, WRITTEN_KEY};
use super::row::{ITEM_EXISTS, WRITING};
use russet_base::numbers::float::parse_double;
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, Category, CommandError};
use russet_config::Config;
use russet_keyspace::Class;
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_sketches::bloom::{BloomError, FilterSeed, GROWTH_USUAL, Rotation};
use russet_types::Bloom;

/// A higher error becomes this.
const ERROR_MAX: f64 = 0.25;

const BAD_ROTATION: CommandError =
    CommandError::Text("ERR bad rotation: milliseconds up to ten years, and 2 to 64 generations");
const NOT_CREATED: CommandError = CommandError::Text("ERR Insufficient memory to create filter");

/// The numbers of a new filter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Recipe {
    /// More than 0.
    pub capacity: u64,
    /// In (0, 1), perhaps above [`ERROR_MAX`].
    pub error: f64,
    /// More than 0; of a filter that does not scale only files show it.
    pub growth: u32,
    pub scales: bool,
    /// Of a filter of Valkey's module; its error is [`Recipe::error`].
    pub seeding: Option<FilterSeed>,
}

impl Recipe {
    /// By the settings alone.
    pub fn of(config: &Config) -> Recipe {
        Recipe {
            capacity: config.bf_initial_size,
            error: config.bf_error_rate.0,
            ..Recipe::growing(config.bf_expansion_factor)
        }
    }

    /// With this expansion: 0 means that the filter does not scale.
    fn growing(expansion: u32) -> Recipe {
        Recipe {
            capacity: 1,
            error: ERROR_MAX,
            growth: if expansion > 0 {
                expansion
            } else {
                GROWTH_USUAL
            },
            scales: expansion > 0,
            seeding: None,
        }
    }

    /// The same with another expansion; with `is_fixed` the filter does not scale, whatever that
    /// is.
    pub fn expanding(self, expansion: Option<u32>, is_fixed: bool) -> Recipe {
        let other = match expansion {
            Some(expansion) => Recipe::growing(expansion),
            None if is_fixed => Recipe::growing(0),
            None => self,
        };
        Recipe {
            growth: other.growth,
            scales: other.scales && !is_fixed,
            ..self
        }
    }

    pub fn filter(&self) -> Result<Bloom, CommandError> {
        if let Some(seeding) = self.seeding {
            let growth = if self.scales { self.growth } else { 0 };
            let error = self.error;
            let seeding = FilterSeed { error, ..seeding };
            let made = russet_sketches::Bloom::seeded(self.capacity, growth, seeding);
            let made = made.and_then(Result::ok).ok_or(NOT_CREATED)?;
            return Ok(Bloom::from(made));
        }
        let error = self.error.min(ERROR_MAX);
        let made =
            russet_sketches::Bloom::with_growth(self.capacity, error, self.growth, self.scales);
        made.map(Bloom::from).map_err(|_: BloomError| NOT_CREATED)
    }

    /// As above, a filter that forgets.
    fn rotating(&self, rotation: Rotation) -> Result<Bloom, CommandError> {
        let error = self.error.min(ERROR_MAX);
        let (growth, scales) = (self.growth, self.scales);
        let made = russet_sketches::Bloom::rotating(self.capacity, error, growth, scales, rotation);
        let made = made.map_err(|_: BloomError| NOT_CREATED)?;
        made.map(Bloom::from).ok_or(BAD_ROTATION)
    }

    /// The words after RESERVE's key, or with `as_options` the words of INSERT before ITEMS.
    pub fn words(&self, as_options: bool) -> Vec<Vec<u8>> {
        let error_max = if self.seeding.is_some() {
            1.0
        } else {
            ERROR_MAX
        };
        let error = format!("{}", self.error.min(error_max)).into_bytes();
        let capacity = self.capacity.to_string().into_bytes();
        let mut words = if as_options {
            vec![b"ERROR".to_vec(), error, b"CAPACITY".to_vec(), capacity]
        } else {
            vec![error, capacity]
        };
        // RESERVE refuses both, and without scaling it takes the usual growth.
        if !self.scales {
            words.push(b"NONSCALING".to_vec());
        }
        if let Some(seeding) = self.seeding.filter(|_| as_options) {
            words.push(b"TIGHTENING".to_vec());
            words.push(seeding.tightening.to_string().into_bytes());
            words.push(b"SEED".to_vec());
            words.push(seeding.seed.to_vec());
        }
        if self.scales || as_options && self.seeding.is_none() {
            words.push(b"EXPANSION".to_vec());
            words.push(self.growth.to_string().into_bytes());
        }
        words
    }

    /// Whether every server makes the same filter from the command's words, if the words left the
    /// settings in `defaults` open; `is_named`: the filter scales, or a word says that it does not.
    pub fn is_plain(&self, defaults: Recipe, is_named: bool) -> bool {
        self.seeding.is_none()
            && self.error <= ERROR_MAX
            && is_named
            && defaults == Recipe::of(&Config::default())
    }
}

/// The ratio of a new link to the last. With 0 the filter does not scale.
fn parse_expansion(text: &[u8]) -> Option<Result<u32, CommandError>> {
    const TOO_SMALL: CommandError =
        CommandError::Text("ERR expansion should be greater or equal to 1");
    let n = parse_i64(text)?;
    if n < 0 {
        return Some(Err(TOO_SMALL));
    }
    u32::try_from(n).ok().map(Ok)
}

pub(super) const RESERVE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING.union(Category::FAST),
    ..Spec::new("bf.reserve", reserve)
};

struct ReserveArgs {
    recipe: Recipe,
    /// Whether a word says that the filter does not scale, if it does not.
    is_named: bool,
    rotation: Option<Rotation>,
}

impl ReserveArgs {
    /// `now_ms`: when the first generation begins, if no word says when.
    fn parse(
        args: Args<'_>,
        name: &str,
        defaults: Recipe,
        now_ms: i64,
    ) -> Result<ReserveArgs, CommandError> {
        const BAD_RATE: CommandError = CommandError::Text("ERR bad error rate");
        const RATE_RANGE: CommandError = CommandError::Text("ERR (0 < error rate range < 1) ");
        const BAD_CAPACITY: CommandError = CommandError::Text("ERR bad capacity");
        const NO_CAPACITY: CommandError =
            CommandError::Text("ERR (capacity should be larger than 0)");
        const NO_EXPANSION: CommandError = CommandError::Text("ERR no expansion");
        const BAD_EXPANSION: CommandError = CommandError::Text("ERR bad expansion");
        const BOTH: CommandError = CommandError::Text("Nonscaling filters cannot expand");
        let find = |word| (4..args.len()).find(|at| args.is(*at, word));
        let rotates_at = find("ROTATE");
        let words_max = if rotates_at.is_some() { 12 } else { 7 };
        if args.len() > words_max {
            return Err(CommandError::WrongArity(name.to_owned()));
        }
        let error = parse_double(args.at(2)).ok_or(BAD_RATE)?;
        if !(error > 0.0 && error < 1.0) {
            return Err(RATE_RANGE);
        }
        let capacity = parse_i64(args.at(3)).ok_or(BAD_CAPACITY)?;
        let capacity = u64::try_from(capacity).ok().filter(|n| *n > 0);
        let capacity = capacity.ok_or(NO_CAPACITY)?;
        let says_nonscaling = find("NONSCALING").is_some();
        let mut expansion = None;
        if let Some(at) = find("EXPANSION") {
            let text = args.get(at + 1).ok_or(NO_EXPANSION)?;
            if says_nonscaling {
                return Err(BOTH);
            }
            expansion = Some(parse_expansion(text).ok_or(BAD_EXPANSION)??);
        }
        let recipe = Recipe {
            capacity,
            error,
            ..defaults
        };
        let recipe = recipe.expanding(expansion, says_nonscaling);
        let since = find("SINCE").filter(|_| rotates_at.is_some());
        let since = match since.map(|at| args.get(at + 1).and_then(parse_i64)) {
            Some(Some(since)) => since,
            Some(None) => return Err(BAD_ROTATION),
            None => now_ms,
        };
        let rotation = rotates_at.map(|at| parse_rotation(args, at, since));
        Ok(ReserveArgs {
            recipe,
            is_named: recipe.scales || says_nonscaling,
            rotation: rotation.transpose()?,
        })
    }
}

/// The numbers after ROTATE.
fn parse_rotation(args: Args<'_>, at: usize, since_ms: i64) -> Result<Rotation, CommandError> {
    let number = |at| args.get(at).and_then(parse_i64);
    let period_ms = number(at + 1).and_then(|n| u64::try_from(n).ok());
    let generations = number(at + 2).and_then(|n| u32::try_from(n).ok());
    let numbers = period_ms.zip(generations);
    let rotation = numbers.and_then(|(ms, n)| Rotation::new(ms, n, since_ms));
    rotation.ok_or(BAD_ROTATION)
}

/// `BF.RESERVE key error capacity [EXPANSION n] [NONSCALING] [ROTATE ms n [SINCE unix-ms]]`: makes
/// an empty filter.
///
/// Reply: OK; an error if the key exists. An error rate above 0.25 is 0.25, and an expansion of 0
/// means NONSCALING. The handler ignores other words. O(1), because the filter takes memory as it
/// is used.
///
/// ROTATE, which is russet's own: the filter forgets. It has up to n generations, each of the
/// capacity and a share of the error; a generation begins every so many milliseconds, the first at
/// SINCE, else now. Lookups find an item for n - 1 times as long after it was last added, and no
/// longer than for n times.
fn reserve(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    let args = call.args;
    let defaults = Recipe::of(&call.server.config);
    let ReserveArgs {
        recipe,
        is_named,
        rotation,
    } = ReserveArgs::parse(args, call.name, defaults, call.db.now_ms())?;
    let key = args.at(1);
    let place = call.db.place(key);
    if place.holds::<Bloom>()? {
        return Err(ITEM_EXISTS);
    }
    place.put(match &rotation {
        None => recipe.filter()?,
        Some(rotation) => recipe.rotating(rotation.clone())?,
    });
    call.db.changed(key, Class::MODULE, call.name);
    let is_plain = rotation.is_none() && recipe.is_plain(defaults, is_named);
    if !is_plain && call.effects_wanted() {
        let mut words = recipe.words(false);
        if let Some(rotation) = rotation {
            words.extend(rotation_words(&rotation));
        }
        let head: [&[u8]; 2] = [b"BF.RESERVE", key];
        let words = head.into_iter().chain(words.iter().map(Vec::as_slice));
        let words: Vec<&[u8]> = words.collect();
        call.rewrite(&words);
    }
    call.reply.ok();
    Ok(())
}

/// The words of RESERVE that make a filter with the same first generation.
fn rotation_words(rotation: &Rotation) -> [Vec<u8>; 5] {
    let since_ms = rotation.generations[0].begins_ms;
    [
        b"ROTATE".to_vec(),
        rotation.period_ms.to_string().into_bytes(),
        rotation.generations_max.to_string().into_bytes(),
        b"SINCE".to_vec(),
        since_ms.to_string().into_bytes(),
    ]
}
