//! Redis's way, at the source: a target asks by two links (`pull_target` draws them).
//!
//! The stream goes to the main link from the snapshot's moment on; the target reads it after the
//! keys. At an ACK that lacks few bytes, writes are held, and STREAM-EOF follows the last effect.
//! The slots are the target's when its claim is seen on the bus; its main link may close before. If
//! no claim comes while writes are held, the attempt has failed, and the slots are still ours.

use super::actions::MigrationLink;
use super::conversation::{Conversation, InputKind};
use super::id::Name;
use super::job::{End, EventResult, Scene, failed};
use russet_base::numbers::number::parse_digits;
use russet_host::Level;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PullSourceState {
    WaitChannel,
    SendBulkAndStream,
    SendStream,
    StreamEof,
}

/// See the module.
#[derive(Debug)]
pub(super) struct PullSource {
    state: PullSourceState,
    main: MigrationLink,
    channel: Option<MigrationLink>,
    is_channel_complete: bool,
    /// Bytes of effects that have been appended to the main link.
    streamed: u64,
    /// When the snapshot was asked for, and the end of the pause; monotonic.
    began_ms: i64,
    deadline_ms: i64,
}

impl PullSource {
    pub(super) fn new(main: MigrationLink, now_ms: i64) -> PullSource {
        PullSource {
            state: PullSourceState::WaitChannel,
            main,
            channel: None,
            is_channel_complete: false,
            streamed: 0,
            began_ms: now_ms,
            deadline_ms: i64::MAX,
        }
    }

    fn acknowledged(&mut self, scene: &mut Scene<'_>, words: &[&[u8]]) {
        scene.head.acked_ms = scene.now.wall_ms;
        let applied = words.get(2).and_then(|word| parse_digits(word));
        let Some(applied) = applied.filter(|_| self.state == PullSourceState::SendStream) else {
            return;
        };
        let lag = self.streamed.saturating_sub(applied);
        if lag > scene.settings.handoff_max_lag || scene.settings.prevents_pause {
            return;
        }
        let shown = scene.head.log_name();
        scene.log(
            Level::Notice,
            format!("{shown} holds writes: {lag} bytes are missing"),
        );
        scene.hold(scene.settings.write_pause_timeout.get());
        self.deadline_ms = scene.now.monotonic_ms + scene.settings.write_pause_timeout.get();
        scene.send_syncslots(self.main, &["STREAM-EOF"]);
        self.state = PullSourceState::StreamEof;
        scene.head.updated_ms = scene.now.wall_ms;
    }
}

impl Conversation for PullSource {
    fn state(&self) -> &'static str {
        match self.state {
            PullSourceState::WaitChannel => "wait-rdbchannel",
            PullSourceState::SendBulkAndStream => "send-bulk-and-stream",
            PullSourceState::SendStream => "send-stream",
            PullSourceState::StreamEof => "stream-eof",
        }
    }

    fn error_details(&self) -> Option<String> {
        let channel = match self.state {
            PullSourceState::WaitChannel => "none",
            PullSourceState::SendBulkAndStream => "rdbchannel-transfer",
            PullSourceState::SendStream | PullSourceState::StreamEof => "completed",
        };
        Some(format!(
            "(state: {}, rdb_channel_state: {channel})",
            self.state()
        ))
    }

    fn expects(&self, _link: MigrationLink) -> InputKind {
        InputKind::Commands
    }

    fn begin(&mut self, scene: &mut Scene<'_>) -> EventResult {
        scene.announce();
        Ok(())
    }

    fn join(&mut self, scene: &mut Scene<'_>, channel: MigrationLink) -> EventResult {
        self.channel = Some(channel);
        self.state = PullSourceState::SendBulkAndStream;
        scene.head.adopt(channel);
        scene.export(channel, self.main);
        Ok(())
    }

    fn refused(&mut self, _: &mut Scene<'_>, _: MigrationLink, why: &str) -> EventResult {
        failed(why)
    }

    fn closed(&mut self, _: &mut Scene<'_>, link: MigrationLink) -> EventResult {
        if self.channel == Some(link) && self.is_channel_complete {
            return Ok(());
        }
        // The target closes the main link after its claim, so the claim may be on its way.
        if self.state == PullSourceState::StreamEof {
            return Ok(());
        }
        failed("Main and RDB channel clients are disconnected.")
    }

    fn request(
        &mut self,
        scene: &mut Scene<'_>,
        link: MigrationLink,
        words: &[&[u8]],
    ) -> Result<bool, End> {
        let is = |word: &str| words[0].eq_ignore_ascii_case(word.as_bytes());
        if is("ACK") && link == self.main {
            self.acknowledged(scene, words);
        }
        // Other words, FAIL among them, change nothing at the source.
        Ok(is("ACK") || is("FAIL"))
    }

    fn snapshot_sent(&mut self, scene: &mut Scene<'_>) -> EventResult {
        let Some(channel) = self.channel else {
            return Ok(());
        };
        scene.send_syncslots(channel, &["SNAPSHOT-EOF"]);
        scene.close(channel);
        self.is_channel_complete = true;
        self.state = PullSourceState::SendStream;
        scene.head.updated_ms = scene.now.wall_ms;
        Ok(())
    }

    fn streamed(&mut self, bytes: usize) {
        self.streamed += bytes as u64;
    }

    fn routes_changed(&mut self, scene: &mut Scene<'_>) -> EventResult {
        whose(scene, self.state == PullSourceState::StreamEof)
            .map_err(|_| End::Canceled("Cancelled due to slots configuration updated".into()))?
            .map_or(Ok(()), |()| Err(End::Completed))
    }

    fn tick(&mut self, scene: &mut Scene<'_>) -> EventResult {
        let now = scene.now.monotonic_ms;
        match self.state {
            PullSourceState::StreamEof if now >= self.deadline_ms => failed(format!(
                "The target has not claimed the slots while writes were held, for {} ms",
                scene.settings.write_pause_timeout.get()
            )),
            PullSourceState::WaitChannel
                if now - self.began_ms > scene.settings.repl_timeout.get() =>
            {
                failed("The target has opened no second link")
            }
            _ => Ok(()),
        }
    }

    fn flushed(&mut self) -> EventResult {
        Err(End::Canceled("Cancelled due to flush".into()))
    }

    fn demoted(&mut self) -> EventResult {
        Err(End::Canceled("Cancelled due to manual failover".into()))
    }
}

/// The slots have several owners, or an owner that may not have them: not the target, or not yet.
pub(super) struct ForeignOwner;

/// Whether an exporting node has handed its slots over: all of them are the target's now, or the
/// target is not known and they are all of one other node. `Ok(None)`: they are still ours.
pub(super) fn whose(scene: &Scene<'_>, is_handing_over: bool) -> Result<Option<()>, ForeignOwner> {
    let me = scene.around.my_id();
    let mut owners = scene.owners();
    let Some(first) = owners.next() else {
        return Ok(None);
    };
    let is_one = owners.all(|owner| owner == first);
    let is_target = |owner: Name| scene.head.target.is_none_or(|target| target == owner);
    match first {
        Some(owner) if is_one && owner == me => Ok(None),
        Some(owner) if is_one && is_handing_over && is_target(owner) => Ok(Some(())),
        _ => Err(ForeignOwner),
    }
}
