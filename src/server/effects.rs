//! Effects: what writes did, stated once and delivered to everyone who repeats it.
//!
//! A command states its effect (its own arguments, others, or none); removals by expiry and
//! eviction state `DEL`s of their own; a transaction's effects travel as one unit. The AOF
//! and replicas are sinks; while there is no sink nothing is built or copied.

use crate::keyspace::DbIndex;
use crate::resp::OwnedArgs;

/// One command to be repeated, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stated {
    pub db: DbIndex,
    pub args: OwnedArgs,
}

/// Somebody who repeats effects.
pub trait EffectSink {
    /// Effects that belong together: all of them happen or none (MULTI/EXEC on the wire
    /// when there are several).
    fn unit(&mut self, effects: &[Stated]);
}

/// Effects of the command, transaction or script that runs now, and their sinks.
#[derive(Default)]
pub struct Effects {
    sinks: Vec<Box<dyn EffectSink>>,
    unit: Vec<Stated>,
}

impl Effects {
    /// From now on this one repeats what is done.
    pub fn add_sink(&mut self, sink: Box<dyn EffectSink>) {
        self.sinks.push(sink);
    }

    /// Whether anybody listens.
    #[inline]
    pub fn wanted(&self) -> bool {
        !self.sinks.is_empty()
    }

    /// Adds an effect to the unit that is under way; nothing while nobody listens.
    pub fn state(&mut self, db: DbIndex, args: OwnedArgs) {
        if self.wanted() {
            self.unit.push(Stated { db, args });
        }
    }

    /// The unit is complete: everybody gets it.
    pub fn deliver(&mut self) {
        if self.unit.is_empty() {
            return;
        }
        for sink in &mut self.sinks {
            sink.unit(&self.unit);
        }
        self.unit.clear();
    }
}
