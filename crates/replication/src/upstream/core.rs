//! The state of the link to the primary, its retries and its time limits.
//!
//! Attempts follow each other at once after a link that worked, after a second if the primary
//! refuses, once a second if several links have ended as soon as they began, and with a growing
//! delay if its snapshots cannot be loaded ([`Upstream::lose`]). A link that is silent for
//! `repl-timeout` ends.

use std::collections::VecDeque;
use std::fmt::Display;

use super::super::channel::{ChannelHandshake, ChannelProtocol, Join, SnapshotAnnouncement};
use super::super::handshake::{Handshake, Introduction};
use super::super::held::HeldStream;
use super::super::history::Position;
use super::events::{Answer, Link, Loss, Order, Settings};
use super::guard::RefusedSync;
use super::snapshot::{SnapshotLoad, SnapshotReceiver};
use super::unit::Unit;
use super::words::{Words, of_primary};
use russet_host::{Action, Event, Level, LinkId, Machine, Now};
use russet_keyspace::DbIndex;

/// Delay after a refused attempt; from one attempt to the next after short links.
pub(super) const RETRY_MS: u64 = 1000;
/// A link that ended sooner than this after it began was a short link.
pub(super) const SHORT_MS: u64 = 1000;
/// Short links in a row after which the next attempt waits.
const SHORT_LINKS: u32 = 3;
/// The longest delay after snapshots that could not be loaded.
const RETRY_MAX_MS: u64 = 30_000;

/// See the module `upstream`.
#[derive(Debug)]
pub struct Upstream {
    /// The primary's name or address.
    pub host: String,
    /// The primary's port.
    pub port: u16,
    /// The settings as of now.
    pub settings: Settings,
    pub(super) stage: Stage,
    /// Distinguishes the sockets of successive attempts.
    pub generation: u64,
    /// No attempt before this time, monotonic milliseconds.
    pub(super) retry_ms: u64,
    /// The last attempt began then, monotonic milliseconds.
    pub(super) attempted_ms: u64,
    /// Snapshots in a row that could not be loaded.
    failures: u32,
    /// Short links in a row.
    short_links: u32,
    /// The last bytes of the primary, monotonic milliseconds.
    pub received_ms: u64,
    /// When the link went down; `None`: it has never been up.
    pub down_since_ms: Option<u64>,
    /// The position of the last snapshot or stream is known: the dataset is a copy of the
    /// primary's.
    pub has_data: bool,
    /// Our data is a copy of this address's: the link has been online, or was at the last run.
    pub is_familiar: bool,
    /// The link, or the link before it, has been online in this process: no write of our data is
    /// this server's own.
    pub is_copy: bool,
    /// Our data was this server's as a primary, whose slots the cluster has given to the node that
    /// it follows.
    pub guards_own: bool,
    /// The next snapshot is taken even if it has few keys.
    pub(super) accepts_any: bool,
    /// The snapshot that was refused last; `None` since the link is online.
    pub refused: Option<RefusedSync>,
    /// The position at which this server stopped being a primary, until it is known which of its
    /// writes its new primary has.
    pub demoted: Option<Position>,
    /// The bytes of a transaction whose EXEC has not come.
    pub unit: Unit,
    /// The link that brings the stream, while a second one brings the snapshot.
    pub(super) main: Option<MainLink>,
    /// Bytes of the main link that the link's client has not been given.
    pub held: HeldStream,
    /// The link is online, and its client gets the held bytes before its socket is read.
    pub(super) replays: bool,
    /// The primary's stream needs data that is not here: it is not followed any further, and the
    /// next link begins with a full copy.
    pub diverged: bool,
    /// PSYNC asks the other end to take over.
    pub failover: bool,
    /// It was announced to the primary that it may compress the stream and the snapshot.
    pub(super) unpacks: bool,
    /// Attempts, for INFO.
    pub figures: Attempts,
    /// Memory of stored bytes, to be used again.
    pub(super) spare: Vec<u8>,
    /// The second in which the time limits were last checked.
    checked_s: u64,
    actions: VecDeque<Action<Order>>,
}

/// Attempts to synchronize, for INFO.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attempts {
    /// Attempts since the link was last up.
    pub current: u64,
    /// All attempts.
    pub total: u64,
    /// Since when the link is up.
    pub up_since_ms: u64,
    /// How long it was down since it was first up.
    pub disconnected_ms: u64,
}

/// See the module `upstream`.
#[derive(Debug)]
pub(super) enum Stage {
    Down,
    /// Since then.
    Dialing(u64),
    Talking(Box<Handshake>),
    /// The conversation on the second link, before the snapshot.
    Announcing(Box<ChannelHandshake>),
    /// The second link waits until the main link has joined it.
    Joining(Box<SecondLink>),
    /// A snapshot comes next: it is not decided how it is received.
    Surveying(Option<Position>, Vec<u8>),
    Receiving(Box<SnapshotReceiver>),
    Loading(Box<SnapshotLoad>),
    /// The dataset is the primary's: the link is about to be online.
    Settled,
    Online,
}

/// The link that brings the stream, while a second one brings the snapshot.
#[derive(Debug)]
pub(super) struct MainLink {
    pub dialect: ChannelProtocol,
    /// The database that the stream has selected after the snapshot, if the primary announced it.
    pub selected: Option<Option<DbIndex>>,
    /// It was lost while a file is loaded; the load continues.
    pub is_lost: bool,
}

/// A second link whose snapshot is announced.
#[derive(Debug)]
pub(super) struct SecondLink {
    pub announced: SnapshotAnnouncement,
    /// Bytes of the second link after the announcement.
    pub rest: Vec<u8>,
    /// The conversation on the main link.
    pub join: Join,
}

/// The stages, for a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No attempt is under way.
    Down,
    /// A connection is being made.
    Dialing,
    /// Lines are exchanged on the main link.
    Talking,
    /// Lines are exchanged on the second link.
    Announcing,
    /// Lines are exchanged on the main link, to join the second link.
    Joining,
    /// A snapshot is received into a file.
    Receiving,
    /// A file is loaded.
    LoadingFile,
    /// A snapshot is loaded as it comes.
    LoadingStream,
    /// The stream is received.
    Online,
}

/// Whether the next attempt waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delay {
    /// A link that worked was lost: none, unless several have ended as soon as they began.
    None,
    Refused,
    /// The primary answers, but its snapshot cannot be taken: 1 s, doubling to 30 s.
    Unloadable,
    /// The snapshot would delete nearly everything: 30 s.
    Guarded,
}

impl Upstream {
    /// A link to the primary at this address, whose first attempt is due at once.
    pub fn new(host: String, port: u16, now_ms: u64) -> Upstream {
        Upstream {
            host,
            port,
            settings: Settings::default(),
            stage: Stage::Down,
            generation: 0,
            retry_ms: now_ms,
            attempted_ms: 0,
            failures: 0,
            short_links: 0,
            received_ms: now_ms,
            down_since_ms: None,
            has_data: false,
            is_familiar: false,
            guards_own: false,
            accepts_any: false,
            refused: None,
            demoted: None,
            is_copy: false,
            unit: Unit::default(),
            main: None,
            held: HeldStream::default(),
            replays: false,
            diverged: false,
            failover: false,
            unpacks: false,
            figures: Attempts::default(),
            spare: Vec::new(),
            checked_s: now_ms / 1000,
            actions: VecDeque::new(),
        }
    }

    /// Takes an answer of the server. Actions follow, as after an event.
    pub fn answer(&mut self, now: Now, answer: Answer) {
        let now_ms = now.monotonic_ms as u64;
        match answer {
            Answer::Undialled(why) => {
                let Words { master, .. } = self.words();
                let why = format!("Unable to connect to {master}: {why}");
                self.undialled(now_ms, why);
            }
            Answer::Lost(link, loss) => self.link_lost(now_ms, link, loss),
            Answer::Own(own) => self.surveyed(now_ms, own),
            Answer::NotStored(fault) => self.not_stored(now_ms, fault),
            Answer::Counted(own_keys, keys) => self.counted(now_ms, own_keys, keys),
            Answer::Stepped(step) => self.stepped(now_ms, step),
            Answer::Unloadable(why) => self.fail_sync(now_ms, why, Delay::Unloadable),
            Answer::Adopted => self.adopted(now_ms),
            Answer::Online(true) => self.establish(now_ms),
            Answer::Online(false) => self.lose(now_ms, Delay::Refused),
            Answer::Drained(bytes_max) => self.replay(now_ms, bytes_max),
            Answer::StreamEnded => {
                if self.is_online() {
                    let Words { inside, .. } = self.words();
                    self.warn(format!("Connection with {inside} lost."));
                    self.lose(now_ms, Delay::None);
                }
            }
            Answer::GivenUp => self.give_up(now_ms),
            Answer::Accepted => self.accepted(),
            Answer::NotAccepted(why) => self.not_accepted(now_ms, why),
        }
    }

    /// The number of a link of this attempt.
    pub fn number(&self, link: Link) -> LinkId {
        LinkId(self.generation * 2 + link as u64)
    }

    /// The link with this number; `None`: it was of an earlier attempt.
    pub fn link(&self, number: LinkId) -> Option<Link> {
        let links = [Link::Main, Link::Second];
        links.into_iter().find(|&link| self.number(link) == number)
    }

    pub(super) fn act(&mut self, action: impl Into<Action<Order>>) {
        self.actions.push_back(action.into());
    }

    pub(super) fn send(&mut self, link: Link, bytes: Vec<u8>) {
        let link = self.number(link);
        self.act(Action::Send {
            link,
            bytes: bytes.into(),
        });
    }

    pub(super) fn log(&mut self, text: String) {
        self.act(Action::Log {
            level: Level::Notice,
            text,
        });
    }

    pub(super) fn warn(&mut self, text: String) {
        self.act(Action::Log {
            level: Level::Warning,
            text,
        });
    }

    pub(super) fn words(&self) -> Words {
        Words::of(self.settings.dialect)
    }

    /// The text of an error, with the dialect's word for the primary.
    pub(super) fn of_primary(&self, error: &impl Display) -> String {
        of_primary(self.settings.dialect, error)
    }

    // --- the state, as others see it ---

    /// Whether the stream is being received.
    #[inline]
    pub fn is_online(&self) -> bool {
        matches!(self.stage, Stage::Online)
    }

    /// Whether the link is online, and held bytes come before the bytes of its socket.
    #[inline]
    pub fn is_replaying(&self) -> bool {
        self.replays && self.is_online()
    }

    /// Whether a snapshot is being received or loaded.
    pub fn is_syncing(&self) -> bool {
        self.main.is_some() || matches!(self.stage, Stage::Receiving(_) | Stage::Loading(_))
    }

    /// Whether it was announced to the primary that it may compress the stream and the snapshot.
    pub fn unpacks(&self) -> bool {
        self.unpacks
    }

    /// The stage, for a host.
    pub fn phase(&self) -> Phase {
        match &self.stage {
            Stage::Down => Phase::Down,
            Stage::Dialing(_) => Phase::Dialing,
            Stage::Talking(_) => Phase::Talking,
            Stage::Announcing(_) => Phase::Announcing,
            Stage::Joining(_) => Phase::Joining,
            Stage::Surveying(..) | Stage::Receiving(_) => Phase::Receiving,
            Stage::Loading(loading) if loading.is_file() => Phase::LoadingFile,
            Stage::Loading(_) | Stage::Settled => Phase::LoadingStream,
            Stage::Online => Phase::Online,
        }
    }

    /// ROLE's word for the link.
    pub fn state_name(&self) -> &'static str {
        match self.stage {
            Stage::Surveying(..) | Stage::Receiving(_) | Stage::Loading(_) => "sync",
            Stage::Online => "connected",
            // The second link is on its way to the snapshot.
            _ if self.main.is_some() => "handshake",
            Stage::Down => "connect",
            Stage::Dialing(_) => "connecting",
            Stage::Talking(_) | Stage::Announcing(_) | Stage::Joining(_) | Stage::Settled => {
                "handshake"
            }
        }
    }

    // --- attempts ---

    /// A snapshot that was refused before is taken: the next attempt is made at once. Without a
    /// refusal nothing changes, so that a repeated REPLICAOF does not disarm the guard.
    pub fn accept_sync(&mut self, now_ms: u64) {
        if self.refused.is_some() {
            self.accepts_any = true;
            self.retry_ms = self.retry_ms.min(now_ms);
        }
    }

    /// The connection cannot be made.
    fn undialled(&mut self, now_ms: u64, why: String) {
        if matches!(self.stage, Stage::Dialing(_)) {
            self.fail(now_ms, why);
        }
    }

    fn begin_attempt(&mut self, now_ms: u64) {
        let is_down = matches!(self.stage, Stage::Down);
        if is_down && self.retry_ms <= now_ms && !self.settings.is_loading {
            self.attempted_ms = now_ms;
            self.dial(now_ms, Link::Main);
        }
    }

    /// The attempt has failed at the primary's end, or on the way there.
    pub(super) fn fail(&mut self, now_ms: u64, why: String) {
        self.warn(why);
        self.lose(now_ms, Delay::Refused);
    }

    /// The attempt has failed, or the link is lost. `delay`: the primary refused, or is not there.
    pub(super) fn lose(&mut self, now_ms: u64, delay: Delay) {
        if self.is_online() {
            self.down_since_ms = Some(now_ms);
            self.figures.current = 0;
            self.short_links = if now_ms.saturating_sub(self.figures.up_since_ms) < SHORT_MS {
                self.short_links.saturating_add(1)
            } else {
                0
            };
        }
        if self.replays {
            let Words { first, .. } = self.words();
            self.warn(format!(
                "{first} client was freed while streaming replication buffer"
            ));
        }
        self.has_data &= !std::mem::take(&mut self.diverged);
        self.stage = Stage::Down;
        self.unit = Unit::default();
        (self.main, self.replays) = (None, false);
        self.held.clear();
        self.generation += 1;
        self.retry_ms = now_ms + self.delay_ms(now_ms, delay);
        // The rest was for the attempt that is over.
        self.actions
            .retain(|action| matches!(action, Action::Log { .. }));
        self.act(Order::HangUp);
    }

    fn delay_ms(&mut self, now_ms: u64, delay: Delay) -> u64 {
        match delay {
            Delay::None if self.short_links >= SHORT_LINKS => {
                RETRY_MS.saturating_sub(now_ms.saturating_sub(self.attempted_ms))
            }
            Delay::None => 0,
            Delay::Refused => RETRY_MS,
            Delay::Guarded => RETRY_MAX_MS,
            Delay::Unloadable => {
                self.failures = self.failures.saturating_add(1);
                let doubled = RETRY_MS << self.failures.saturating_sub(1).min(5);
                doubled.min(RETRY_MAX_MS)
            }
        }
    }

    /// The link is online.
    fn establish(&mut self, now_ms: u64) {
        self.stage = Stage::Online;
        (self.failures, self.has_data) = (0, true);
        (self.is_familiar, self.guards_own, self.accepts_any) = (true, false, false);
        (self.refused, self.demoted) = (None, None);
        self.is_copy = true;
        self.received_ms = now_ms;
        self.figures.up_since_ms = now_ms;
        if let Some(since_ms) = self.down_since_ms.take() {
            self.figures.disconnected_ms += now_ms.saturating_sub(since_ms);
        }
    }

    /// A server whose link is online, for tests of what depends on it.
    #[cfg(any(test, feature = "testing"))]
    pub fn set_online(&mut self, now_ms: u64) {
        self.establish(now_ms);
    }

    /// The role changes.
    fn give_up(&mut self, now_ms: u64) {
        if matches!(self.stage, Stage::Loading(_)) {
            let Words { master, .. } = self.words();
            let why = format!("The synchronization with {master} is given up.");
            self.fail_sync(now_ms, why, Delay::Unloadable);
        } else {
            self.lose(now_ms, Delay::None);
        }
    }

    /// A link that is silent for too long is lost; a link that works is acknowledged.
    fn check_time(&mut self, now_ms: u64) {
        let limit_ms = self.settings.timeout_ms;
        let is_silent = now_ms.saturating_sub(self.received_ms) > limit_ms;
        let Words { master, .. } = self.words();
        match &self.stage {
            Stage::Down | Stage::Surveying(..) | Stage::Settled => {}
            Stage::Dialing(began_ms) => {
                if now_ms.saturating_sub(*began_ms) > limit_ms {
                    self.fail(now_ms, format!("Timeout connecting to the {master}..."));
                }
            }
            Stage::Talking(_) | Stage::Announcing(_) | Stage::Joining(_) => {
                if is_silent {
                    self.fail(now_ms, format!("Timeout connecting to the {master}..."));
                }
            }
            Stage::Receiving(_) => {
                if is_silent {
                    self.warn(format!(
                        "Timeout receiving bulk data from {master}... If the problem persists try to \
                         set the 'repl-timeout' parameter in redis.conf to a larger value."
                    ));
                    self.lose(now_ms, Delay::None);
                }
            }
            // All received bytes are loaded, and no more arrive.
            Stage::Loading(loading) if loading.awaits_link() && is_silent => {
                self.sync_lost(now_ms);
            }
            Stage::Loading(_) => {
                if self.main.as_ref().is_none_or(|main| !main.is_lost) {
                    self.act(Order::KeepAlive(Link::Main));
                }
            }
            Stage::Online if is_silent => {
                self.warn(format!("{master} timeout: no data nor PING received..."));
                self.act(Order::EndLink);
            }
            Stage::Online => self.act(Order::Acknowledge),
        }
    }
}

impl Machine for Upstream {
    /// The server's introduction on a link. Its position is taken if the data is a copy of the
    /// primary's.
    type Context<'a> = dyn Fn() -> Introduction + 'a;
    type Order = Order;

    fn event(&mut self, now: Now, around: &Self::Context<'_>, event: Event<'_>) {
        let now_ms = now.monotonic_ms as u64;
        match event {
            Event::Tick => {
                self.begin_attempt(now_ms);
                if std::mem::replace(&mut self.checked_s, now_ms / 1000) != now_ms / 1000 {
                    self.check_time(now_ms);
                }
            }
            Event::Opened { link, .. } => {
                if self.link(link).is_some() {
                    self.connected(around());
                }
            }
            Event::Refused { link, why } => {
                if self.link(link).is_some() {
                    let why = format!("Error condition on socket for SYNC: {why}");
                    self.undialled(now_ms, why);
                }
            }
            Event::Received { link, bytes, taken } => match self.link(link) {
                Some(link) if self.wants(link) => self.received(now_ms, link, bytes),
                _ => *taken = 0,
            },
            Event::Closed { link, .. } => {
                if let Some(link) = self.link(link) {
                    self.link_lost(now_ms, link, Loss::Ended);
                }
            }
            Event::Resolved { .. } | Event::Persisted { .. } => {}
        }
    }

    fn is_urgent(&self) -> bool {
        self.phase() == Phase::LoadingFile
    }

    fn due_ms(&self) -> Option<i64> {
        let due_ms = match self.stage {
            Stage::Down => self.retry_ms,
            _ => (self.checked_s + 1) * 1000,
        };
        i64::try_from(due_ms).ok()
    }

    fn pop(&mut self) -> Option<Action<Order>> {
        self.actions.pop_front()
    }
}
