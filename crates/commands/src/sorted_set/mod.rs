//! The sorted set commands.
//!
//! Members are ordered by score, then by bytes. A rank is a position in that order, from 0; scores
//! are doubles, never NaN. No sorted set is empty, because the removal of the last member deletes
//! the key.
//!
//!     add, remove, pop       changes, with `members_removed` for the last member
//!     moves                  changes of two sets at once
//!     bounds                 ranges of scores, members and ranks, as positions
//!     range, score, random   readers
//!     combine, source        several inputs
//!
//! Decided elsewhere: encodings: `types::zset`; STORE: `stored`; the wait of BZPOPMIN:
//! `arguments::several_keys`.

mod add;
mod bounds;
mod combine;
mod moves;
mod pop;
mod random;
mod range;
mod remove;
mod scan;
mod score;
mod source;

pub(super) use add::{Conditions, set_scores};

use russet_keyspace::Class;
use russet_server::{Call, Spec};

pub(super) static SPECS: &[Spec] = &[
    add::ZADD,
    add::ZINCRBY,
    combine::ZDIFF,
    combine::ZDIFFSTORE,
    combine::ZINTER,
    combine::ZINTERCARD,
    combine::ZINTERSTORE,
    combine::ZUNION,
    combine::ZUNIONSTORE,
    moves::BZMOVE,
    moves::ZMOVE,
    moves::ZMOVEMEMBER,
    pop::BZMPOP,
    pop::BZPOPMAX,
    pop::BZPOPMIN,
    pop::ZMPOP,
    pop::ZPOPMAX,
    pop::ZPOPMIN,
    random::ZRANDMEMBER,
    range::ZRANGE,
    range::ZRANGEBYLEX,
    range::ZRANGEBYSCORE,
    range::ZRANGESTORE,
    range::ZREVRANGE,
    range::ZREVRANGEBYLEX,
    range::ZREVRANGEBYSCORE,
    remove::ZREM,
    remove::ZREMRANGEBYLEX,
    remove::ZREMRANGEBYRANK,
    remove::ZREMRANGEBYSCORE,
    scan::ZSCAN,
    score::ZCARD,
    score::ZCOUNT,
    score::ZLEXCOUNT,
    score::ZMSCORE,
    score::ZRANK,
    score::ZREVRANK,
    score::ZSCORE,
];

/// Records that members were removed; deletes the set if it is empty.
fn members_removed(
    call: &mut Call<'_>,
    key: &[u8],
    event: &'static str,
    count: usize,
    emptied: bool,
) {
    call.db.changed_by(key, count, Class::ZSET, event);
    if emptied {
        call.db.delete_emptied(key);
    }
}
