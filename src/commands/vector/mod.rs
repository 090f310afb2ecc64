//! The commands of vector sets, which in Redis are those of its module.
//!
//! Hence one key spec for reading and writing, no ACL category of their own, and names in upper
//! case. A set is made by its first VADD, which fixes dimension, quantization, M and projection;
//! the last element deletes the key.
//!
//! VADD, VSIM and VRANGE may leave the loop: a search is begun, the client waits, and the handler
//! runs again with the answer. Where the client cannot wait (scripts, transactions), the loop does
//! all of it.
//!
//! Decided elsewhere: vectors and their graph: `types::vector_set`, `encodings::hnsw`; threads:
//! `server::parts::execution::searches`.

mod add;
mod attributes;
pub(super) mod docs;
mod elements;
mod info;
mod links;
mod random;
mod range;
mod sim;
#[cfg(test)]
mod tests;
mod vectors;

use crate::command::{Access, CommandError, Flags, KeySpec};
use crate::server::Spec;

pub(super) static SPECS: &[Spec] = &[
    add::VADD,
    attributes::VGETATTR,
    attributes::VSETATTR,
    elements::VEMB,
    elements::VISMEMBER,
    elements::VREM,
    info::VCARD,
    info::VDIM,
    info::VINFO,
    links::VLINKS,
    random::VRANDMEMBER,
    range::VRANGE,
    sim::VSIM,
];

/// Commands of a module have no further ACL category, and one key spec for reading and writing.
const KEYS: &[KeySpec] = &[KeySpec::one(1, Access::MODIFY)];
const READS: Flags = Flags::READONLY.union(Flags::MODULE);
const READS_FAST: Flags = READS.union(Flags::FAST);

/// The error of a dimension that is not the set's.
fn dimension_mismatch(got: usize, has: u32) -> CommandError {
    CommandError::owned(format!(
        "ERR Vector dimension mismatch - got {got} but set has {has}"
    ))
}

/// The error of a dimension that is not the projection's.
fn input_mismatch(got: usize, expected: u32) -> CommandError {
    CommandError::owned(format!(
        "ERR Input dimension mismatch for projection - got {got} but projection expects {expected}"
    ))
}
