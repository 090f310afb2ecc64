//! HOTKEYS: which keys cost the most CPU time, or bytes on the network, while a session goes on.
//!
//! `World::run` reports every command, by the same test that MONITOR uses: without a session it
//! costs nothing. A command's time is split evenly among its keys, each of
//! which has a counter in a sketch of bounded size ([`sketch`]).
//!
//! A session may spend a share of the commands' own time (one part in [`session::SHARE`]), and starts with
//! credit for some ten thousand of them. While credit lasts, every command is counted. Without
//! credit commands are skipped; the next counted one also represents their time: samples fall where
//! most of the time is spent, so the sums stay unbiased.
//!
//! Commands inside a script count for the script, whose keys are those it declares.

mod session;
mod sketch;

pub use session::{Session, SessionSettings};

use crate::base::clock::{Cycles, Now};
use crate::command::table::Row;
use crate::resp::Args;

/// See the module. Methods that take the time end a session whose time is up first.
#[derive(Debug, Default)]
pub struct Hotkeys {
    /// The last session, going on or over.
    last: Option<Box<Session>>,
}

impl Hotkeys {
    /// Whether a session goes on.
    pub fn is_active(&self) -> bool {
        self.last.as_ref().is_some_and(|its| its.is_active())
    }

    /// The session, going on or over.
    pub fn session(&self) -> Option<&Session> {
        self.last.as_deref()
    }

    /// Memory of the session, bytes.
    pub fn memory_bytes(&self) -> usize {
        self.last.as_ref().map_or(0, |its| its.memory_bytes())
    }

    /// Starts a session, and discards the results of the last one. `false`: one is running.
    #[must_use]
    pub(in crate::server) fn start(
        &mut self,
        wanted: SessionSettings,
        now: &Now,
        cycles: &Cycles,
    ) -> bool {
        self.end_due(now.mono_ms);
        if self.is_active() {
            return false;
        }
        self.last = Some(Box::new(Session::begin(wanted, now, cycles)));
        true
    }

    /// Stops the session; its results stay. `false`: none is running.
    #[must_use]
    pub(in crate::server) fn stop(&mut self, mono_ms: u64) -> bool {
        self.end_due(mono_ms);
        let session = self.last.as_mut().filter(|its| its.is_active());
        session.map(|its| its.stop(mono_ms)).is_some()
    }

    /// Discards the results. `false`: a session is running.
    #[must_use]
    pub(in crate::server) fn reset(&mut self, mono_ms: u64) -> bool {
        self.end_due(mono_ms);
        if self.is_active() {
            return false;
        }
        self.last = None;
        true
    }

    /// Ends a session whose time is up.
    pub(in crate::server) fn end_due(&mut self, mono_ms: u64) {
        if let Some(its) = self.last.as_mut().filter(|its| its.is_due(mono_ms)) {
            its.stop(mono_ms);
        }
    }

    /// Counts a command that took `ticks` and replied `replied` bytes, if a session goes on.
    pub(in crate::server) fn count<H>(
        &mut self,
        row: &Row<H>,
        args: Args<'_>,
        (ticks, replied): (u64, usize),
    ) {
        if let Some(its) = self.last.as_mut().filter(|its| its.is_active()) {
            its.count(row, args, ticks, replied);
        }
    }
}
