//! EXISTS and MEXISTS.

use super::super::filter::{exists, mexists};
use super::super::row::{ONE_ITEM, READ_KEY, READS_FAST};
use super::row::READING;
use crate::work;
use russet_command::Arity;
use russet_server::Spec;
use russet_types::Bloom;

pub(super) const EXISTS: Spec = Spec {
    arity: Arity::Exactly(3),
    flags: READS_FAST,
    keys: READ_KEY,
    categories: READING,
    within: ONE_ITEM,
    ..Spec::new("bf.exists", exists::<Bloom>)
};

pub(super) const MEXISTS: Spec = Spec {
    arity: Arity::AtLeast(3),
    within: None,
    handler: mexists::<Bloom>,
    name: "bf.mexists",
    work: work::EACH_MEMBER,
    ..EXISTS
};
