//! Figures of the nodes of a query while they are counted, for [`Analysis`].
//!
//! [`Analysis`]: crate::iterate::Analysis

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use super::super::Cursor;
use crate::query::Node;

/// The work of a node of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Documents that it stood on.
    pub documents: u64,
    /// Calls that moved it: to the next document, or to the first from a number on.
    pub steps: u64,
    /// Ticks of the clock, the node's parts included.
    pub cycles: u64,
}

impl Figures {
    pub(crate) fn add(&mut self, other: Figures) {
        self.documents += other.documents;
        self.steps += other.steps;
        self.cycles += other.cycles;
    }
}

/// Figures while they are counted.
#[derive(Debug, Default)]
pub(crate) struct Tally(pub(crate) Cell<Figures>);

impl Tally {
    fn add(&self, documents: u64, steps: u64, cycles: u64) {
        let mut figures = self.0.get();
        figures.add(Figures {
            documents,
            steps,
            cycles,
        });
        self.0.set(figures);
    }

    /// A document is read again later.
    pub(crate) fn take_back(&self) {
        let mut figures = self.0.get();
        figures.documents = figures.documents.saturating_sub(1);
        self.0.set(figures);
    }

    /// A call that moved a cursor, to another document or not.
    pub(crate) fn step(&self, has_moved: bool, cycles: u64) {
        self.add(u64::from(has_moved), 1, cycles);
    }
}

/// The tallies of a tree's nodes, by their addresses: the tree is borrowed meanwhile.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tallies(pub(crate) Rc<RefCell<HashMap<*const Node, Rc<Tally>>>>);

impl Tallies {
    /// Has a cursor count for the node that it was made of.
    pub(crate) fn attach(&self, node: &Node, cursor: &mut Cursor<'_>, limit: u32, cycles: u64) {
        let mut tallies = self.0.borrow_mut();
        let tally = tallies.entry(std::ptr::from_ref(node)).or_default();
        tally.add(u64::from(cursor.id() < limit), 0, cycles);
        if let Cursor::Counted(counted) = cursor {
            counted.count_for(Rc::clone(tally));
        }
    }
}
