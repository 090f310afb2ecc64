//! HOTKEYS, in two ways: sessions as in Redis, and windows as in Valkey ([`windows`]).
//!
//! A session finds which keys cost the most CPU time, or bytes on the network, until it is stopped
//! or its time is up.
//!
//! `World::run` reports every command, by the same test that MONITOR uses: without a session it
//! costs nothing. A command's time is split evenly among its keys, each of which has a counter in a
//! sketch of bounded size ([`sketch`]).
//!
//! A session may spend a share of the commands' own time (1 in [`session::SHARE`]), and starts with
//! credit for some ten thousand of them. While credit lasts, every command is counted. Without
//! credit commands are skipped; the next counted command also represents their time: samples fall
//! where most of the time is spent, so the sums stay unbiased.
//!
//! Commands inside a script count for the script, with the keys that the script declares.

mod session;
mod sketch;
mod windows;

pub use session::{Session, SessionSettings};
pub use windows::Windows;

use windows::WindowSettings;

use russet_base::clock::{Cycles, Now};
use russet_command::table::Row;
use russet_config::Config;
use russet_keyspace::DbIndex;
use russet_resp::Args;

/// See the module. Methods that take the time end a session whose time is up first.
#[derive(Debug, Default)]
pub struct Hotkeys {
    /// The last session, active or ended.
    last: Option<Box<Session>>,
    /// Valkey's way, while `hotkey-top-k` is set.
    windows: Option<Box<Windows>>,
}

impl Hotkeys {
    /// Whether a session is active.
    pub fn is_active(&self) -> bool {
        self.last.as_ref().is_some_and(|its| its.is_active())
    }

    /// Whether commands are counted, by a session or in windows.
    pub fn is_counting(&self) -> bool {
        self.windows.is_some() || self.is_active()
    }

    /// Begins, changes or ends the windows as configured.
    pub(crate) fn apply_settings(&mut self, config: &Config, mono_ms: u64) {
        let wanted = WindowSettings::of(config);
        if wanted != self.windows.as_ref().map(|its| its.wanted) {
            self.windows = wanted.map(|wanted| Box::new(Windows::begin(wanted, mono_ms)));
        }
    }

    /// The windows, if they are on.
    pub fn windows(&mut self, mono_ms: u64) -> Option<&Windows> {
        let windows = self.windows.as_deref_mut()?;
        windows.turn_over(mono_ms);
        Some(windows)
    }

    /// The session, active or ended.
    pub fn session(&self) -> Option<&Session> {
        self.last.as_deref()
    }

    /// Memory of the session, bytes.
    pub fn memory_bytes(&self) -> usize {
        let windows = self.windows.as_ref().map_or(0, |its| its.memory_bytes());
        windows + self.last.as_ref().map_or(0, |its| its.memory_bytes())
    }

    /// Starts a session, and discards the results of the last session. `false`: a session is
    /// running.
    #[must_use]
    pub fn start(&mut self, wanted: SessionSettings, now: &Now, cycles: &Cycles) -> bool {
        self.end_due(now.mono_ms);
        if self.is_active() {
            return false;
        }
        self.last = Some(Box::new(Session::begin(wanted, now, cycles)));
        true
    }

    /// Stops the session; its results stay. `false`: none is running.
    #[must_use]
    pub fn stop(&mut self, mono_ms: u64) -> bool {
        self.end_due(mono_ms);
        let session = self.last.as_mut().filter(|its| its.is_active());
        session.map(|its| its.stop(mono_ms)).is_some()
    }

    /// Discards the results. `false`: a session is running.
    #[must_use]
    pub fn reset(&mut self, mono_ms: u64) -> bool {
        self.end_due(mono_ms);
        if self.is_active() {
            return false;
        }
        self.last = None;
        if let Some(windows) = &mut self.windows {
            **windows = Windows::begin(windows.wanted, mono_ms);
        }
        true
    }

    /// Ends a session whose time is up.
    pub(crate) fn end_due(&mut self, mono_ms: u64) {
        if let Some(its) = self.last.as_mut().filter(|its| its.is_due(mono_ms)) {
            its.stop(mono_ms);
        }
        if let Some(windows) = &mut self.windows {
            windows.turn_over(mono_ms);
        }
    }

    /// Slots that `stays` refuses leave the selection of the active session.
    pub(crate) fn keep_slots(&mut self, stays: impl Fn(u16) -> bool) {
        if let Some(its) = self.last.as_mut().filter(|its| its.is_active()) {
            its.keep_slots(stays);
        }
    }

    /// Counts a command of a client of `db` that took `ticks` and replied `replied` bytes.
    pub fn count<H>(
        &mut self,
        row: &Row<H>,
        args: Args<'_>,
        db: DbIndex,
        (ticks, replied): (u64, usize),
    ) {
        if let Some(windows) = &mut self.windows {
            windows.count(row, args, db.0);
        }
        if let Some(its) = self.last.as_mut().filter(|its| its.is_active()) {
            its.count(row, args, ticks, replied);
        }
    }
}
