//! Redis's way, at the target: it asks the source for slots by two links.
//!
//!     main     AUTH +OK  CONF NODE-ID +OK  SYNC +RDBCHANNELSYNCSLOTS
//!     channel  AUTH +OK  RDBCHANNEL +SLOTSSNAPSHOT  keys ..  SNAPSHOT-EOF
//!     main     effects since the snapshot's moment ..  STREAM-EOF
//!
//! Effects on the main link stay unread until all keys are here. Then each ACK reports how much of
//! the stream has been applied; when little is missing, the source holds writes, sends the rest and
//! STREAM-EOF, and the slots are taken over at once: the source waits for no more than its pause.
//!
//! An attempt that fails leaves nothing, and another follows with the same name, at the slots'
//! owner of that time. The migration ends when an attempt succeeds, when it is canceled here, or
//! when the slots have no owner or several.

use super::actions::{Action, MigrationLink};
use super::conversation::{Conversation, InputKind};
use super::id::Name;
use super::job::{End, EventResult, Scene, failed};
use russet_base::text::Printable;

/// The wait between two attempts.
const RETRY_MS: i64 = 1000;

/// The interval of ACKs.
const ACK_MS: i64 = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PullTargetState {
    Connecting,
    AuthReply,
    HandshakeReply,
    SyncReply,
    InitChannel,
    AccumulateBuffer,
    StreamingBuffer,
    WaitStreamEof,
    Takeover,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Channel {
    None,
    Connecting,
    AuthReply,
    Reply,
    Transfer,
    Completed,
}

/// See the module.
#[derive(Debug)]
pub(super) struct PullTarget {
    state: PullTargetState,
    channel_state: Channel,
    main: Option<MigrationLink>,
    channel: Option<MigrationLink>,
    /// When an awaited reply, command or opened link last came; monotonic.
    received_ms: i64,
    /// Bytes of the main link's stream that have been applied, and the count in the last ACK.
    applied: u64,
    acked: Option<u64>,
    acked_ms: i64,
}

impl PullTarget {
    pub(super) fn new() -> PullTarget {
        PullTarget {
            state: PullTargetState::Connecting,
            channel_state: Channel::None,
            main: None,
            channel: None,
            received_ms: 0,
            applied: 0,
            acked: None,
            acked_ms: 0,
        }
    }

    fn is_main(&self, link: MigrationLink) -> bool {
        self.main == Some(link)
    }

    fn main(&self) -> Result<MigrationLink, End> {
        self.main
            .ok_or_else(|| End::Failed("Main channel - no link".into()))
    }

    fn authenticate(scene: &mut Scene<'_>, link: MigrationLink) {
        let secret = scene.around.secret();
        scene.send(link, &[b"AUTH", &b"internal connection"[..], &secret]);
    }

    fn main_reply(&mut self, scene: &mut Scene<'_>, text: &[u8]) -> EventResult {
        let main = self.main()?;
        match self.state {
            PullTargetState::AuthReply => {
                let id = scene.around.my_id();
                scene.send_syncslots(main, &["CONF", "NODE-ID", id.as_str()]);
                self.state = PullTargetState::HandshakeReply;
            }
            PullTargetState::HandshakeReply => {
                let mut words: Vec<Vec<u8>> =
                    vec![b"SYNC".into(), scene.head.name.as_bytes().into()];
                words.extend(scene.head.slots.words());
                scene.send_syncslots(main, &words);
                self.state = PullTargetState::SyncReply;
            }
            PullTargetState::SyncReply if text == b"RDBCHANNELSYNCSLOTS" => {
                let source = scene
                    .head
                    .source
                    .ok_or_else(|| End::Failed("no source".into()))?;
                self.channel = Some(scene.dial(source)?);
                self.channel_state = Channel::Connecting;
                self.state = PullTargetState::InitChannel;
            }
            PullTargetState::SyncReply => {
                return failed(format!(
                    "Main channel - Unexpected reply: {}",
                    Printable(text)
                ));
            }
            _ => return failed("Main channel - Unexpected reply"),
        }
        Ok(())
    }

    fn channel_reply(&mut self, scene: &mut Scene<'_>, text: &[u8]) -> EventResult {
        match (self.channel_state, self.channel) {
            (Channel::AuthReply, Some(channel)) => {
                let name = scene.head.name;
                scene.send_syncslots(channel, &["RDBCHANNEL", name.as_str()]);
                self.channel_state = Channel::Reply;
            }
            (Channel::Reply, _) if text == b"SLOTSSNAPSHOT" => {
                self.channel_state = Channel::Transfer;
                self.state = PullTargetState::AccumulateBuffer;
            }
            _ => {
                return failed(format!(
                    "RDB channel - Unexpected reply: {}",
                    Printable(text)
                ));
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, scene: &mut Scene<'_>) -> EventResult {
        let main = self.main()?;
        let applied = self.applied.to_string();
        scene.send_syncslots(main, &["ACK", "wait-stream-eof", &applied]);
        self.acked = Some(self.applied);
        self.acked_ms = scene.now.monotonic_ms;
        scene.head.acked_ms = scene.now.wall_ms;
        Ok(())
    }

    /// The one node that serves all of the slots.
    fn source(scene: &Scene<'_>) -> Result<Name, End> {
        let mut owners = scene.owners();
        let first = owners.next().flatten();
        let me = scene.around.my_id();
        match first {
            Some(owner) if owner != me && owners.all(|other| other == first) => Ok(owner),
            _ => Err(End::Canceled(
                "Cancelled due to slots configuration updated".into(),
            )),
        }
    }
}

impl Conversation for PullTarget {
    fn state(&self) -> &'static str {
        match self.state {
            PullTargetState::Connecting => "connecting",
            PullTargetState::AuthReply => "auth-reply",
            PullTargetState::HandshakeReply => "handshake-reply",
            PullTargetState::SyncReply => "syncslots-reply",
            PullTargetState::InitChannel => "init-rdbchannel",
            PullTargetState::AccumulateBuffer => "accumulate-buffer",
            PullTargetState::StreamingBuffer => "streaming-buffer",
            PullTargetState::WaitStreamEof => "wait-stream-eof",
            PullTargetState::Takeover => "takeover",
        }
    }

    fn error_details(&self) -> Option<String> {
        let channel = match self.channel_state {
            Channel::None => "none",
            Channel::Connecting => "connecting",
            Channel::AuthReply => "auth-reply",
            Channel::Reply => "rdbchannel-reply",
            Channel::Transfer => "rdbchannel-transfer",
            Channel::Completed => "completed",
        };
        Some(format!(
            "(state: {}, rdb_channel_state: {channel})",
            self.state()
        ))
    }

    fn awaits_claim(&self) -> bool {
        self.state == PullTargetState::Takeover
    }

    fn expects(&self, link: MigrationLink) -> InputKind {
        if self.is_main(link) {
            match self.state {
                PullTargetState::StreamingBuffer
                | PullTargetState::WaitStreamEof
                | PullTargetState::Takeover => InputKind::Commands,
                PullTargetState::InitChannel | PullTargetState::AccumulateBuffer => InputKind::Hold,
                _ => InputKind::Replies,
            }
        } else {
            match self.channel_state {
                Channel::Transfer | Channel::Completed => InputKind::Snapshot,
                _ => InputKind::Replies,
            }
        }
    }

    fn begin(&mut self, scene: &mut Scene<'_>) -> EventResult {
        *self = PullTarget::new();
        let source = PullTarget::source(scene)?;
        scene.head.source = Some(source);
        if !scene.around.can_be_asked(source) {
            return Err(End::Canceled(
                "Cancelled due to a new source node that speaks Valkey's dialect".into(),
            ));
        }
        scene.hide();
        scene.announce();
        self.main = Some(scene.dial(source)?);
        self.received_ms = scene.now.monotonic_ms;
        Ok(())
    }

    fn opened(&mut self, scene: &mut Scene<'_>, link: MigrationLink) -> EventResult {
        PullTarget::authenticate(scene, link);
        if self.is_main(link) {
            self.state = PullTargetState::AuthReply;
        } else {
            self.channel_state = Channel::AuthReply;
        }
        self.received_ms = scene.now.monotonic_ms;
        Ok(())
    }

    fn refused(&mut self, _: &mut Scene<'_>, link: MigrationLink, why: &str) -> EventResult {
        let which = if self.is_main(link) { "Main" } else { "RDB" };
        failed(format!(
            "{which} channel - Failed to connect to source node: {why}"
        ))
    }

    fn closed(&mut self, _: &mut Scene<'_>, link: MigrationLink) -> EventResult {
        if self.is_main(link) {
            return failed("Main channel - Connection is closed");
        }
        match self.channel_state {
            // The source closes the channel once it has sent everything.
            Channel::Completed => Ok(()),
            _ => failed("RDB channel - Connection is closed"),
        }
    }

    fn reply(
        &mut self,
        scene: &mut Scene<'_>,
        link: MigrationLink,
        reply: Result<&[u8], &[u8]>,
    ) -> EventResult {
        self.received_ms = scene.now.monotonic_ms;
        let is_main = self.is_main(link);
        match reply {
            Ok(text) if is_main => self.main_reply(scene, text),
            Ok(text) => self.channel_reply(scene, text),
            Err(text) => {
                let which = if is_main { "Main" } else { "RDB" };
                failed(format!(
                    "{which} channel - The source node replied: -{}",
                    Printable(text)
                ))
            }
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
            PullTargetState::AccumulateBuffer if !self.is_main(link) && is("SNAPSHOT-EOF") => {
                self.channel_state = Channel::Completed;
                self.state = PullTargetState::StreamingBuffer;
                scene.head.updated_ms = scene.now.wall_ms;
                if let Some(channel) = self.channel.take() {
                    scene.close(channel);
                }
                Ok(true)
            }
            // The number of keys that follow, for servers that size their tables in advance.
            PullTargetState::AccumulateBuffer if !self.is_main(link) && is("CONF") => Ok(true),
            PullTargetState::WaitStreamEof | PullTargetState::StreamingBuffer
                if self.is_main(link) && is("STREAM-EOF") =>
            {
                self.state = PullTargetState::Takeover;
                scene.push(Action::Take {
                    job: scene.head.name,
                    slots: scene.head.slots.clone(),
                });
                Ok(true)
            }
            _ => Ok(false),
        }
    }

    fn applied(&mut self, scene: &mut Scene<'_>, link: MigrationLink, bytes: usize) {
        self.received_ms = scene.now.monotonic_ms;
        if self.is_main(link) {
            self.applied += bytes as u64;
        }
    }

    fn caught_up(&mut self, scene: &mut Scene<'_>, link: MigrationLink) -> EventResult {
        if !self.is_main(link) {
            return Ok(());
        }
        match self.state {
            PullTargetState::StreamingBuffer => {
                self.state = PullTargetState::WaitStreamEof;
                self.acknowledge(scene)
            }
            _ => Ok(()),
        }
    }

    fn slots_taken_over(&mut self, scene: &mut Scene<'_>) -> EventResult {
        scene.show();
        Err(End::Completed)
    }

    fn routes_changed(&mut self, scene: &mut Scene<'_>) -> EventResult {
        if self.state == PullTargetState::Takeover {
            return Ok(());
        }
        let source = PullTarget::source(scene)?;
        if scene.head.source.is_some_and(|known| known != source) {
            return failed("Another node serves the slots now");
        }
        Ok(())
    }

    fn tick(&mut self, scene: &mut Scene<'_>) -> EventResult {
        let silence = scene.now.monotonic_ms - self.received_ms;
        match self.state {
            PullTargetState::WaitStreamEof if scene.now.monotonic_ms - self.acked_ms >= ACK_MS => {
                self.acknowledge(scene)
            }
            // The source sends nothing by the main link while there are no writes.
            PullTargetState::StreamingBuffer
            | PullTargetState::WaitStreamEof
            | PullTargetState::Takeover => Ok(()),
            PullTargetState::AccumulateBuffer => Ok(()),
            _ if silence > scene.settings.repl_timeout.get() => {
                failed("Timeout while waiting for source")
            }
            _ => Ok(()),
        }
    }

    fn flushed(&mut self) -> EventResult {
        failed("Cancelled due to flush")
    }

    fn demoted(&mut self) -> EventResult {
        Err(End::Canceled("Cancelled due to manual failover".into()))
    }

    fn retries_after_ms(&self) -> Option<i64> {
        Some(RETRY_MS)
    }
}
