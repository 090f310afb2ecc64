//! The inputs of ZUNION and the like: sorted sets, sets (every score is 1), missing keys.

use std::borrow::Cow;

use russet_command::CommandError;
use russet_keyspace::{Db, Ref};
use russet_types::{Container, Entry, Expirable as _, Set, Type, Zset};

/// A sorted set has no place for the expiries of a set's members.
const EXPIRING: &str = "ERR a set with member expirations cannot be combined with sorted sets";

/// An input.
pub(super) enum Source<'a> {
    Missing,
    Zset(Ref<'a, Zset>),
    Set(Ref<'a, Set>),
}

/// A member with the score.
pub(super) type ScoredMember<'a> = (f64, Cow<'a, [u8]>);

impl<'a> Source<'a> {
    /// Looks up a key as a read; [`Source::open`] then borrows the value.
    pub fn check(db: &mut Db<'_>, key: &[u8]) -> Result<(), CommandError> {
        match db.kind(key) {
            Some(Type::Set)
                if db
                    .peek::<Set>(key)?
                    .is_some_and(|set| set.next_due().is_some()) =>
            {
                Err(CommandError::Text(EXPIRING))
            }
            None | Some(Type::Zset | Type::Set) => Ok(()),
            Some(_) => Err(CommandError::WrongType),
        }
    }

    /// Opens a key that [`Source::check`] has accepted.
    pub fn open(db: &'a Db<'_>, key: &[u8]) -> Source<'a> {
        if let Ok(found) = db.peek::<Zset>(key) {
            return found.map_or(Source::Missing, Source::Zset);
        }
        match db.peek::<Set>(key) {
            Ok(Some(set)) => Source::Set(set),
            _ => Source::Missing,
        }
    }

    pub fn len(&self) -> usize {
        match self {
            Source::Missing => 0,
            Source::Zset(zset) => zset.len(),
            Source::Set(set) => set.len(),
        }
    }

    /// The score of a member.
    pub fn score(&self, member: &[u8]) -> Option<f64> {
        match self {
            Source::Missing => None,
            Source::Zset(zset) => zset.score(member),
            Source::Set(set) => set.contains(member).then_some(1.0),
        }
    }

    /// All members, unordered.
    pub fn iter(&self) -> Box<dyn Iterator<Item = ScoredMember<'_>> + '_> {
        match self {
            Source::Missing => Box::new(std::iter::empty()),
            Source::Zset(zset) => Box::new(zset.iter().map(|(score, m)| (score, text(m)))),
            Source::Set(set) => Box::new(set.iter().map(|m| (1.0, text(m)))),
        }
    }
}

/// A member's text; allocates only for packed integers.
fn text(member: Entry<'_>) -> Cow<'_, [u8]> {
    match member {
        Entry::Str(text) => Cow::Borrowed(text),
        Entry::Int(_) => Cow::Owned(member.to_vec()),
    }
}
