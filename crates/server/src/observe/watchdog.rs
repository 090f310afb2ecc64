//! The watchdog (`watchdog-period`): a thread that looks at the loop from outside, and logs where
//! it stands when a turn takes longer than the period.
//!
//! The log gets the time, the running command, the length of its first key, the client, and the
//! loop's stack; then, when the turn has ended, how long it took. Clients that are served beside a
//! busy script change nothing: the script's turn continues.
//!
//! Off, it costs two stores a turn, and a test a command. On, the thread wakes four times a period,
//! and each command stores the length of its first key.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use super::crash;
use crate::origin::Origin;
use crate::state::call::Row;
use russet_base::clock::{self, Cycles};
use russet_base::sys::stacks::{self, ThreadNumber};
use russet_base::threads;
use russet_config::Config;
use russet_resp::Args;

/// When the running turn began, in ticks; 0: the loop sleeps.
static TURN: AtomicU64 = AtomicU64::new(0);
/// The noted keys, of the client's command and of its script's: the row plus 1, and the key's
/// length plus 1 in the lower 32 bits.
static KEYS: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
static PERIOD_MS: AtomicU32 = AtomicU32::new(0);
/// The thread that watches; `None`: it does not run.
static WATCHER: Mutex<Option<Thread>> = Mutex::new(None);
static LOOP: OnceLock<ThreadNumber> = OnceLock::new();

/// A turn of the loop begins.
#[inline]
pub(crate) fn turn_begins(ticks: u64) {
    TURN.store(ticks.max(1), Relaxed);
}

/// The turn has ended.
#[inline]
pub(crate) fn turn_ends() {
    TURN.store(0, Relaxed);
}

/// Notes the first key of a command that is about to run.
#[cold]
pub(crate) fn record_key(row: &Row, id: usize, args: Args<'_>, origin: Origin) {
    let key = row
        .first_key(args)
        .map_or(0, |key| key.len() as u64 + 1)
        .min(u64::from(u32::MAX));
    let place = usize::from(origin == Origin::Script);
    KEYS[place].store((id as u64 + 1) << 32 | key, Relaxed);
}

/// The calling thread runs the loop: the watchdog watches this thread.
pub(crate) fn set_loop() {
    LOOP.get_or_init(ThreadNumber::mine);
}

/// The period in effect, milliseconds: at least two cycles of cron, as in Redis; 0: off.
pub fn period_ms(config: &Config) -> u32 {
    match config.watchdog_period {
        0 => 0,
        asked => asked.max(2000 / config.hz.max(1)),
    }
}

/// Watches the loop with this period in milliseconds; 0 ends that.
pub fn watch(period_ms: u32) {
    if LOOP.get().is_none() {
        return;
    }
    PERIOD_MS.store(period_ms, Relaxed);
    let mut watcher = WATCHER.lock().unwrap_or_else(|broken| broken.into_inner());
    match &*watcher {
        Some(thread) => thread.unpark(),
        None if period_ms > 0 => match threads::start("watchdog", look) {
            Ok(handle) => *watcher = Some(handle.thread().clone()),
            Err(error) => tracing::warn!("The watchdog does not run: {error}"),
        },
        None => {}
    }
}

/// The thread: ends when the period is 0.
fn look() {
    let mut cycles = Cycles::new();
    let mut reported = None;
    loop {
        let period_ms = PERIOD_MS.load(Relaxed);
        if period_ms == 0 {
            let mut watcher = WATCHER.lock().unwrap_or_else(|broken| broken.into_inner());
            // The period may have been set again meanwhile.
            if PERIOD_MS.load(Relaxed) == 0 {
                *watcher = None;
                return;
            }
            continue;
        }
        std::thread::park_timeout(Duration::from_millis(u64::from(period_ms) / 4));
        cycles.calibrate();
        let turn = TURN.load(Relaxed);
        let lasts_ms = |began: u64| cycles.micros(clock::cycles().saturating_sub(began)) / 1000;
        if let Some(began) = reported.filter(|&began| began != turn) {
            tracing::warn!("Watchdog: the loop goes on, after {} ms", lasts_ms(began));
            reported = None;
        }
        if turn != 0 && reported.is_none() && lasts_ms(turn) >= u64::from(period_ms) {
            report(lasts_ms(turn));
            reported = Some(turn);
        }
    }
}

fn report(lasts_ms: u64) {
    let running = match crash::running() {
        None => "no command".to_owned(),
        Some((row, name)) => {
            let mut noted = KEYS.iter().map(|key| key.load(Relaxed));
            let noted = noted.find(|noted| noted >> 32 == row as u64 + 1);
            match noted.and_then(|noted| (noted & u64::from(u32::MAX)).checked_sub(1)) {
                Some(len) => format!("command {name}, whose first key has {len} bytes"),
                None => format!("command {name}"),
            }
        }
    };
    tracing::warn!(
        "--- WATCHDOG TIMER EXPIRED --- the loop stands for {lasts_ms} ms: {running}{}",
        crash::last_client()
    );
    let Some(&thread) = LOOP.get() else { return };
    match stacks::stack_of(thread) {
        Ok(frames) if frames.is_empty() => {
            tracing::warn!("Watchdog: the loop's thread gives no stack: the system holds it");
        }
        Ok(frames) => {
            for (number, frame) in frames.into_iter().enumerate() {
                tracing::warn!("Watchdog: {number:2}: {}", crash::name_of(frame));
            }
        }
        Err(error) => tracing::warn!("Watchdog: no stack: {error}"),
    }
}
