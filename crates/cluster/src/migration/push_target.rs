//! Valkey's way, at the target: a source sends slots (`push_source` draws it).
//!
//! The link is the client that sent ESTABLISH. Its commands are applied as they come; after
//! SNAPSHOT-EOF the target asks for the pause, and the slots are taken over at once when they are
//! granted.

use super::actions::{Action, MigrationLink};
use super::conversation::{Conversation, InputKind};
use super::job::{End, EventResult, Scene, failed};
use super::push_source::{ACK_MS, TIMED_OUT, lost};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PushTargetState {
    WaitingForAck,
    ReceivingSnapshot,
    WaitingForPaused,
    FailoverRequested,
    FailoverGranted,
}

/// See the module.
#[derive(Debug)]
pub(super) struct PushTarget {
    state: PushTargetState,
    link: MigrationLink,
    received_ms: i64,
    acked_ms: i64,
}

impl PushTarget {
    pub(super) fn new(link: MigrationLink, now_ms: i64) -> PushTarget {
        PushTarget {
            state: PushTargetState::WaitingForAck,
            link,
            received_ms: now_ms,
            acked_ms: now_ms,
        }
    }

    fn enter(&mut self, scene: &mut Scene<'_>, state: PushTargetState) {
        let from = self.state();
        self.state = state;
        scene.entered(from, self.state());
    }
}

impl Conversation for PushTarget {
    fn state(&self) -> &'static str {
        match self.state {
            PushTargetState::WaitingForAck => "waiting-for-ack",
            PushTargetState::ReceivingSnapshot => "receiving-snapshot",
            PushTargetState::WaitingForPaused => "waiting-for-paused",
            PushTargetState::FailoverRequested => "failover-requested",
            PushTargetState::FailoverGranted => "failover-granted",
        }
    }

    fn awaits_claim(&self) -> bool {
        self.state == PushTargetState::FailoverGranted
    }

    fn expects(&self, _link: MigrationLink) -> InputKind {
        InputKind::Commands
    }

    fn begin(&mut self, scene: &mut Scene<'_>) -> EventResult {
        scene.hide();
        scene.announce();
        Ok(())
    }

    fn refused(&mut self, _: &mut Scene<'_>, _: MigrationLink, _: &str) -> EventResult {
        lost("source")
    }

    fn closed(&mut self, _: &mut Scene<'_>, _: MigrationLink) -> EventResult {
        lost("source")
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
            _ if is("ACK") => {
                scene.head.acked_ms = scene.now.wall_ms;
                if self.state == PushTargetState::WaitingForAck {
                    self.enter(scene, PushTargetState::ReceivingSnapshot);
                }
            }
            // A source that has no key to send may be quicker with the end than with its first ACK.
            PushTargetState::WaitingForAck | PushTargetState::ReceivingSnapshot
                if is("SNAPSHOT-EOF") =>
            {
                scene.send_syncslots(link, &["REQUEST-PAUSE"]);
                self.enter(scene, PushTargetState::WaitingForPaused);
            }
            PushTargetState::WaitingForPaused if is("PAUSED") => {
                scene.send_syncslots(link, &["REQUEST-FAILOVER"]);
                self.enter(scene, PushTargetState::FailoverRequested);
            }
            PushTargetState::FailoverRequested if is("FAILOVER-GRANTED") => {
                self.enter(scene, PushTargetState::FailoverGranted);
                if !scene.settings.prevents_failover {
                    scene.push(Action::Take {
                        job: scene.head.name,
                        slots: scene.head.slots.clone(),
                    });
                }
            }
            _ => return Ok(false),
        }
        Ok(true)
    }

    fn applied(&mut self, scene: &mut Scene<'_>, _: MigrationLink, _: usize) {
        self.received_ms = scene.now.monotonic_ms;
    }

    fn slots_taken_over(&mut self, scene: &mut Scene<'_>) -> EventResult {
        scene.show();
        Err(End::Completed)
    }

    fn routes_changed(&mut self, scene: &mut Scene<'_>) -> EventResult {
        if self.state == PushTargetState::FailoverGranted {
            return Ok(());
        }
        if scene.owners().all(|owner| owner == scene.head.source) {
            return Ok(());
        }
        failed("Slots are no longer owned by source node")
    }

    fn tick(&mut self, scene: &mut Scene<'_>) -> EventResult {
        let now = scene.now.monotonic_ms;
        if now - self.received_ms > scene.settings.repl_timeout.get() {
            return failed(TIMED_OUT);
        }
        if now - self.acked_ms >= ACK_MS {
            scene.send_syncslots(self.link, &["ACK"]);
            self.acked_ms = now;
        }
        Ok(())
    }

    fn flushed(&mut self) -> EventResult {
        failed("Data was flushed")
    }

    fn demoted(&mut self) -> EventResult {
        failed("I was demoted to a replica")
    }
}
