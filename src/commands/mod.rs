//! Every command: rows, handlers and documentation, one folder per Redis group.

mod acl;
mod bitmap;
mod cluster;
mod command;
mod connection;
mod generic;
mod geo;
mod hash;
mod hyperloglog;
mod list;
mod pubsub;
mod scripting;
mod server;
mod set;
mod sorted_set;
mod stream;
mod string;
mod transactions;

mod db_index;
mod docs;
mod element;
mod expiry_args;
#[cfg(test)]
mod facts;
#[cfg(test)]
mod fairness;
#[cfg(test)]
mod growth;
mod help;
#[cfg(test)]
mod key_plans;
#[cfg(test)]
mod moved;
#[cfg(test)]
mod opened_keys;
mod sample;
mod scan_args;
#[cfg(test)]
mod scans;
mod several_keys;
#[cfg(test)]
mod snapshots;
mod stored;
mod timeout_args;

pub use docs::docs_for;

use crate::server::Spec;

/// All rows, by group.
pub fn table() -> Vec<&'static [Spec]> {
    vec![
        acl::SPECS,
        command::SPECS,
        connection::SPECS,
        server::SPECS,
        generic::SPECS,
        hash::SPECS,
        list::SPECS,
        pubsub::SPECS,
        scripting::SPECS,
        set::SPECS,
        sorted_set::SPECS,
        stream::SPECS,
        string::SPECS,
        bitmap::SPECS,
        hyperloglog::SPECS,
        geo::SPECS,
        transactions::SPECS,
    ]
}
