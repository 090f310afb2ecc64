//! Valkey's way, at the source: it sends slots to the target by a single link.
//!
//!     source   [AUTH]      ESTABLISH      ACK  keys ..  SNAPSHOT-EOF  effects ..  PAUSED
//!     target          +OK            +OK                         REQUEST-PAUSE
//!
//!     source                     FAILOVER-GRANTED
//!     target    REQUEST-FAILOVER                   its claim, on the bus
//!
//! Both send ACK each second, and give up after `repl-timeout` without an ACK. Writes are held from
//! PAUSED to the claim, or for twice `cluster-manual-failover-timeout`: then the migration has
//! failed, and the slots are still ours. After the grant the target closes the link.

use super::actions::MigrationLink;
use super::conversation::{Conversation, InputKind};
use super::job::{End, EventResult, Scene, failed};
use super::pull_source::whose;
use russet_base::text::Printable;

pub(super) const ACK_MS: i64 = 1000;

/// Bytes that may always wait for the target when writes are held: they are sent within the same
/// turn.
const UNSENT_MIN: usize = 64 * 1024;

pub(super) const TIMED_OUT: &str = "Timed out after too long with no interaction";

/// In their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd)]
enum PushSourceState {
    Connecting,
    ReadingAuth,
    ReadingEstablish,
    WaitingToSnapshot,
    Snapshotting,
    Replicating,
    WaitingToPause,
    FailoverPaused,
    FailoverGranted,
}

/// See the module.
#[derive(Debug)]
pub(super) struct PushSource {
    state: PushSourceState,
    link: Option<MigrationLink>,
    received_ms: i64,
    acked_ms: i64,
    deadline_ms: i64,
}

impl PushSource {
    pub(super) fn new() -> PushSource {
        PushSource {
            state: PushSourceState::Connecting,
            link: None,
            received_ms: 0,
            acked_ms: 0,
            deadline_ms: i64::MAX,
        }
    }

    fn enter(&mut self, scene: &mut Scene<'_>, state: PushSourceState) {
        let from = self.state();
        self.state = state;
        scene.entered(from, self.state());
    }

    fn establish(&mut self, scene: &mut Scene<'_>, link: MigrationLink) {
        let line = scene.head.establish_line(scene.around.my_id());
        scene.send(link, &line);
        self.enter(scene, PushSourceState::ReadingEstablish);
    }

    fn acknowledge(&mut self, scene: &mut Scene<'_>) {
        if let Some(link) = self.link {
            scene.send_syncslots(link, &["ACK"]);
            self.acked_ms = scene.now.monotonic_ms;
        }
    }

    /// Holds writes once the target has asked for the pause and few bytes wait for it.
    fn pause(&mut self, scene: &mut Scene<'_>) {
        let Some(link) = self.link else {
            return;
        };
        let unsent_max = match usize::try_from(scene.settings.max_failover_unsent) {
            Ok(bytes) => bytes.max(UNSENT_MIN),
            Err(_) => usize::MAX,
        };
        if scene.settings.prevents_pause || scene.around.unsent(link) > unsent_max {
            return;
        }
        let for_ms = scene
            .settings
            .manual_failover_timeout
            .get()
            .saturating_mul(2);
        scene.hold(for_ms);
        self.deadline_ms = scene.now.monotonic_ms + for_ms;
        scene.send_syncslots(link, &["PAUSED"]);
        self.enter(scene, PushSourceState::FailoverPaused);
    }
}

/// The link to the other end, the `target` or the `source`, is gone.
pub(super) fn lost(peer: &str) -> EventResult {
    failed(format!(
        "Connection lost to {peer}. Check CLUSTER GETSLOTMIGRATIONS on the {peer} node for more \
         information."
    ))
}

impl Conversation for PushSource {
    fn state(&self) -> &'static str {
        match self.state {
            PushSourceState::Connecting => "connecting",
            PushSourceState::ReadingAuth => "reading-auth-response",
            PushSourceState::ReadingEstablish => "reading-establish-response",
            PushSourceState::WaitingToSnapshot => "waiting-to-snapshot",
            PushSourceState::Snapshotting => "snapshotting",
            PushSourceState::Replicating => "replicating",
            PushSourceState::WaitingToPause => "waiting-to-pause",
            PushSourceState::FailoverPaused => "failover-paused",
            PushSourceState::FailoverGranted => "failover-granted",
        }
    }

    fn expects(&self, _link: MigrationLink) -> InputKind {
        match self.state {
            PushSourceState::Connecting
            | PushSourceState::ReadingAuth
            | PushSourceState::ReadingEstablish => InputKind::Replies,
            _ => InputKind::Commands,
        }
    }

    fn begin(&mut self, scene: &mut Scene<'_>) -> EventResult {
        let Some(target) = scene.head.target else {
            return failed("no target");
        };
        self.received_ms = scene.now.monotonic_ms;
        self.link = Some(scene.dial(target)?);
        Ok(())
    }

    fn opened(&mut self, scene: &mut Scene<'_>, link: MigrationLink) -> EventResult {
        self.received_ms = scene.now.monotonic_ms;
        let settings = scene.settings;
        if settings.password.is_empty() {
            self.establish(scene, link);
            return Ok(());
        }
        let mut words = vec![&b"AUTH"[..]];
        if !settings.user.is_empty() {
            words.push(&settings.user);
        }
        words.push(&settings.password);
        scene.send(link, &words);
        self.enter(scene, PushSourceState::ReadingAuth);
        Ok(())
    }

    fn refused(&mut self, _: &mut Scene<'_>, _: MigrationLink, why: &str) -> EventResult {
        failed(format!("Unable to connect to target node: {why}"))
    }

    fn closed(&mut self, _: &mut Scene<'_>, _: MigrationLink) -> EventResult {
        match self.state {
            // The target has all keys and the grant, so its claim may be on its way.
            PushSourceState::FailoverGranted => Ok(()),
            _ => lost("target"),
        }
    }

    fn reply(
        &mut self,
        scene: &mut Scene<'_>,
        link: MigrationLink,
        reply: Result<&[u8], &[u8]>,
    ) -> EventResult {
        self.received_ms = scene.now.monotonic_ms;
        match (self.state, reply) {
            (PushSourceState::ReadingAuth, Ok(_)) => {
                self.establish(scene, link);
                Ok(())
            }
            (PushSourceState::ReadingAuth, Err(text)) => failed(format!(
                "Failed to AUTH to target node: -{}",
                Printable(text)
            )),
            (PushSourceState::ReadingEstablish, Ok(_)) => {
                self.enter(scene, PushSourceState::WaitingToSnapshot);
                self.acknowledge(scene);
                scene.export(link, link);
                Ok(())
            }
            (_, Err(text)) => failed(format!(
                "Received error during handshake to target: -{}",
                Printable(text)
            )),
            (_, Ok(_)) => failed("A reply that nothing was sent for"),
        }
    }

    fn request(
        &mut self,
        scene: &mut Scene<'_>,
        link: MigrationLink,
        words: &[&[u8]],
    ) -> Result<bool, End> {
        self.received_ms = scene.now.monotonic_ms;
        let is = |word: &str| words[0].eq_ignore_ascii_case(word.as_bytes());
        match self.state {
            _ if is("ACK") => scene.head.acked_ms = scene.now.wall_ms,
            PushSourceState::Replicating if is("REQUEST-PAUSE") => {
                self.enter(scene, PushSourceState::WaitingToPause);
                self.pause(scene);
            }
            PushSourceState::FailoverPaused if is("REQUEST-FAILOVER") => {
                // Before the pause ends the target must have taken over; with little left it could
                // not.
                let left = self.deadline_ms - scene.now.monotonic_ms;
                if left <= 0 {
                    return failed("Unpaused before migration completed");
                }
                scene.send_syncslots(link, &["FAILOVER-GRANTED"]);
                self.enter(scene, PushSourceState::FailoverGranted);
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn exporting(&mut self, scene: &mut Scene<'_>) -> EventResult {
        self.enter(scene, PushSourceState::Snapshotting);
        Ok(())
    }

    fn snapshot_sent(&mut self, scene: &mut Scene<'_>) -> EventResult {
        if let Some(link) = self.link {
            scene.send_syncslots(link, &["SNAPSHOT-EOF"]);
        }
        scene.push(super::actions::Action::Stream(scene.head.name));
        self.enter(scene, PushSourceState::Replicating);
        Ok(())
    }

    fn routes_changed(&mut self, scene: &mut Scene<'_>) -> EventResult {
        match whose(scene, self.state == PushSourceState::FailoverGranted) {
            Ok(None) => Ok(()),
            Ok(Some(())) => Err(End::Completed),
            Err(_) => failed("Slots are no longer owned by myself"),
        }
    }

    fn tick(&mut self, scene: &mut Scene<'_>) -> EventResult {
        let now = scene.now.monotonic_ms;
        if scene.head.is_holding() && now >= self.deadline_ms {
            return failed("Unpaused before migration completed");
        }
        // After the grant the target sends nothing more by the link.
        if self.state == PushSourceState::FailoverGranted {
            return Ok(());
        }
        if now - self.received_ms > scene.settings.repl_timeout.get() {
            return failed(TIMED_OUT);
        }
        let is_established = self.state >= PushSourceState::WaitingToSnapshot;
        if is_established && now - self.acked_ms >= ACK_MS {
            self.acknowledge(scene);
        }
        if self.state == PushSourceState::WaitingToPause {
            self.pause(scene);
        }
        Ok(())
    }

    fn flushed(&mut self) -> EventResult {
        failed("Data was flushed")
    }

    fn demoted(&mut self) -> EventResult {
        failed("Slots are no longer owned by myself")
    }
}
