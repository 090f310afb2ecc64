//! The stream commands.

mod ack;
mod add;
mod claim;
mod consumers;
pub(super) mod docs;
mod edit;
mod group;
mod ids;
mod info;
mod info_full;
mod pending;
mod range;
mod read;
mod read_args;
mod reply;
mod stated;
mod trim;

use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[
    add::XADD,
    trim::XTRIM,
    edit::XLEN,
    edit::XDEL,
    edit::XSETID,
    range::XRANGE,
    range::XREVRANGE,
    read::XREAD,
    read::XREADGROUP,
    group::XGROUP,
    ack::XACK,
    pending::XPENDING,
    claim::XCLAIM,
    claim::XAUTOCLAIM,
    info::XINFO,
];

#[cfg(test)]
mod tests;
