//! The stream commands.

mod ack;
mod add;
mod claim;
mod consumers;
mod delete;
pub(super) mod docs;
mod edit;
mod group;
mod idempotence;
mod ids;
mod info;
mod info_full;
mod nack;
mod pending;
mod range;
mod read;
mod read_args;
mod references;
mod reply;
mod served;
mod stated;
mod trim;

use crate::server::Spec;

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
    ack::XACK,
    nack::XNACK,
    pending::XPENDING,
    claim::XCLAIM,
    claim::XAUTOCLAIM,
    info::XINFO,
    idempotence::XCFGSET,
    idempotence::XIDMPRECORD,
];

#[cfg(test)]
mod claim_tests;
#[cfg(test)]
mod kept_tests;
#[cfg(test)]
mod tests;
