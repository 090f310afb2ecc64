//! The list commands.

pub(super) mod docs;
mod edit;
mod move_many;
mod moves;
mod pop;
mod push;
mod read;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[
    push::LPUSH,
    push::RPUSH,
    push::LPUSHX,
    push::RPUSHX,
    pop::LPOP,
    pop::RPOP,
    pop::LMPOP,
    pop::BLPOP,
    pop::BRPOP,
    pop::BLMPOP,
    read::LLEN,
    read::LRANGE,
    read::LINDEX,
    read::LPOS,
    edit::LSET,
    edit::LINSERT,
    edit::LREM,
    edit::LTRIM,
    moves::LMOVE,
    moves::RPOPLPUSH,
    moves::BLMOVE,
    moves::BRPOPLPUSH,
    move_many::LMOVEM,
    move_many::BLMOVEM,
];
