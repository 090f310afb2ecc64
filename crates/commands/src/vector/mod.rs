//! The commands of vector sets, which in Redis belong to a module.
//!
//! Hence the same key spec for reading and writing, no separate ACL category, and names in upper
//! case. The first VADD makes a set, and fixes dimension, quantization, M and projection; the
//! removal of the last element deletes the key.
//!
//! VADD, VSIM and VRANGE may leave the loop: the handler begins a search, the client waits, and the
//! handler runs again with the answer. If the client cannot wait (scripts, transactions), the loop
//! does all of the work.
//!
//! Decided elsewhere: vectors and their graph: `types::vector_set`, `encodings::hnsw`; threads:
//! `server::parts::execution::tasks`.

mod add;
mod attributes;
mod elements;
mod info;
mod links;
mod random;
mod range;
mod row;
mod sim;
#[cfg(test)]
mod tests;
mod vectors;

use russet_server::Spec;

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
