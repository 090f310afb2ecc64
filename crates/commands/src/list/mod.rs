//! The list commands.
//!
//! An index counts from the head, a negative index from the tail; a range has both ends included.
//! No list is empty, because the removal of the last element deletes the key.
//!
//! A command that blocks simply runs again when the list has elements; the effect is the effect of
//! the plain command, so a replica never waits. A push signals the key, and the server serves
//! waiting clients after the command or the transaction.
//!
//! Decided elsewhere: encodings: `types::list`; clients that wait: `server::execution::blocking`.

mod edit;
mod move_many;
mod moves;
mod pop;
mod push;
mod read;

use russet_server::Spec;

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
