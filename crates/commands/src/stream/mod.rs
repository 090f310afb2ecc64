//! The stream commands.
//!
//! An entry's ID is `ms-seq`, and IDs only grow. A group has a last ID, consumers, and pending
//! entries, delivered but not acknowledged; an entry that XNACK gave back is pending without an
//! owner.
//!
//! Reading with a group is a write. The effects are Redis's plain commands with IDs and times
//! (`stated`), so that a replica decides nothing: XCLAIM for each entry, XGROUP SETID, XACK. A trim
//! propagates the exact bound that it reached (`trim`).
//!
//! Decided elsewhere: nodes, groups and costs: `types::stream`; readers that wait:
//! `server::execution::blocking`.

mod add;
mod delete;
mod edit;
mod group;
mod idempotence;
mod ids;
mod info;
mod info_full;
mod range;
mod read;
mod read_args;
mod references;
mod reply;
mod served;
mod stated;
mod trim;

use russet_server::Spec;

pub(super) static SPECS: &[Spec] = &[
    add::XADD,
    trim::XTRIM,
    edit::XLEN,
    edit::XDEL,
    delete::XDELEX,
    delete::XACKDEL,
    edit::XSETID,
    range::XRANGE,
    range::XREVRANGE,
    read::XREAD,
    read::XREADGROUP,
    group::XGROUP,
    group::ack::XACK,
    group::nack::XNACK,
    group::pending::XPENDING,
    group::claim::XCLAIM,
    group::claim::XAUTOCLAIM,
    info::XINFO,
    idempotence::XCFGSET,
    idempotence::XIDMPRECORD,
];

#[cfg(test)]
mod tests;
