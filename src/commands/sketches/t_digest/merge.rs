//! MERGE.

use super::super::room::room;
use super::super::row::{COUNTED_KEYS, GROWS};
use super::row::{BAD_WORD, COMPRESSION, MISSING, OVERFLOW, WRITING, compression};
use crate::commands::work;
use crate::server::{Call, CommandResult, Spec};
use russet_base::numbers::number::parse_i64;
use russet_command::{Arity, CommandError};
use russet_keyspace::Class;
use russet_resp::Args;
use russet_types::{Kept, TDigest};

const NO_COUNT: CommandError = CommandError::Text("ERR T-Digest: error parsing numkeys");
const NO_KEYS: CommandError =
    CommandError::Text("ERR T-Digest: numkeys needs to be a positive integer");
const NO_ROOM: &str = "ERR T-Digest: allocation of destination digest failed";

pub(super) const MERGE: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: COUNTED_KEYS,
    categories: WRITING,
    work: work::EACH_KEY,
    ..Spec::new("tdigest.merge", merge)
};

struct MergeArgs<'a> {
    sources: Args<'a>,
    compression: Option<i64>,
    overrides: bool,
}

impl<'a> MergeArgs<'a> {
    /// Words may come in any order, and others beside them are ignored, as in Redis.
    fn parse(args: Args<'a>, name: &str) -> Result<MergeArgs<'a>, CommandError> {
        let arity = || CommandError::WrongArity(name.to_owned());
        let n = match parse_i64(args.at(2)).ok_or(NO_COUNT)? {
            ..1 => return Err(NO_KEYS),
            n => usize::try_from(n).map_err(|_| arity())?,
        };
        let rest = args.from(3);
        if n > rest.len() {
            return Err(arity());
        }
        let (sources, options) = (rest.first(n), rest.from(n));
        let find = |word| (0..options.len()).find(|at| options.is(*at, word));
        let exactness = match find(COMPRESSION) {
            None => None,
            Some(at) => {
                let text = options.get(at + 1).ok_or_else(arity)?;
                Some(compression(text, NO_ROOM)?)
            }
        };
        let overrides = find("OVERRIDE").is_some();
        if !options.is_empty() && exactness.is_none() && !overrides {
            return Err(BAD_WORD);
        }
        Ok(MergeArgs {
            sources,
            compression: exactness,
            overrides,
        })
    }
}

/// `TDIGEST.MERGE destination numkeys source ... [COMPRESSION n] [OVERRIDE]`: adds the values of
/// digests to another one, or replaces it by their sum.
///
/// A new digest has the greatest compression of the sources, unless one is given. Reply: OK.
/// O(nodes of all).
fn merge(call: &mut Call<'_>) -> CommandResult {
    let _room = room(call);
    let key = call.args.at(1);
    // Before any key: with a wrong number of them no key is the command's. Redis looks at the
    // destination first.
    let args = MergeArgs::parse(call.args, call.name)?;
    let own = call
        .db
        .write::<TDigest>(key)?
        .map(|digest| digest.compression());
    let mut greatest = 1;
    for source in args.sources.iter() {
        let digest = call.db.read::<TDigest>(source)?.ok_or(MISSING)?;
        greatest = greatest.max(digest.compression());
    }
    let kept = own.filter(|_| !args.overrides);
    let exactness = args.compression.or(kept).unwrap_or(greatest);
    if !russet_sketches::TDigest::admits(exactness) {
        return Err(CommandError::Text(NO_ROOM));
    }
    let mut sum = russet_sketches::TDigest::new(exactness);
    let parts = kept.map(|_| key).into_iter().chain(args.sources.iter());
    for part in parts {
        let digest = call.db.peek::<TDigest>(part)?.ok_or(MISSING)?;
        sum.merge(&digest).map_err(|_| OVERFLOW)?;
    }
    if own.is_some() {
        *call.db.write::<TDigest>(key)?.ok_or(MISSING)? = Kept::from(sum);
    } else {
        call.db.put(key, Kept::from(sum));
    }
    call.db.changed(key, Class::MODULE, call.name);
    call.reply.ok();
    Ok(())
}
