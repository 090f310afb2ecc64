//! CLUSTER SYNCSLOTS: the messages between peers, and the messages in a primary's stream for its
//! replicas.
//!
//! Three senders, in this order of checks: our primary's stream, whose words are followed without a
//! reply; a link of a migration, whose words go to its conversation; any other client, which may
//! begin a migration (ESTABLISH, and with the cluster's secret SYNC and RDBCHANNEL) or is refused.

use super::actions::{MigrationContext, MigrationLink, MigrationProtocol};
use super::commands::valkey_ranges;
use super::conversation::Answer;
use super::core::{Job, Migrations};
use super::id::Name;
use super::job::{End, JobHead, Side};
use super::pull_source::PullSource;
use super::push_target::PushTarget;
use super::ranges::{self, Ranges};
use super::refusal::Refusal;
use russet_base::text::Printable;
use russet_config::Dialect;

/// The sender of a SYNCSLOTS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sender {
    /// The connection that it came by.
    pub link: MigrationLink,
    /// The sender has shown the cluster's secret.
    pub is_internal: bool,
    /// The request came by our primary's stream.
    pub is_primary: bool,
    /// The id that it gave before by `CONF NODE-ID`.
    pub node: Option<Name>,
}

/// Valkey's words that need a migration.
const IN_TURN: [&str; 6] = [
    "REQUEST-PAUSE",
    "REQUEST-FAILOVER",
    "SNAPSHOT-EOF",
    "PAUSED",
    "FAILOVER-GRANTED",
    "ACK",
];

fn is(word: &[u8], text: &str) -> bool {
    word.eq_ignore_ascii_case(text.as_bytes())
}

impl Migrations {
    /// `CLUSTER SYNCSLOTS word ..`, from its first word on (not empty).
    pub fn request(
        &mut self,
        around: &dyn MigrationContext,
        sender: &Sender,
        words: &[&[u8]],
    ) -> Answer {
        if sender.is_primary {
            self.receive_words(around, words);
            return Answer::Silent;
        }
        if self.expects(sender.link).is_some() {
            return self.in_turn(around, sender.link, words);
        }
        let word = words[0];
        if is(word, "ESTABLISH") {
            return match self.establish(around, sender.link, &words[1..]) {
                Ok(()) => Answer::Status("OK"),
                Err(refusal) => Answer::Refused(refusal),
            };
        }
        if sender.is_internal {
            return match self.receive_sync(around, sender, words) {
                Ok(status) => Answer::Status(status),
                Err(refusal) => Answer::Refused(refusal),
            };
        }
        if self.settings.dialect == Dialect::Redis {
            return Answer::RefusedAndClosed(Refusal::InternalOnly);
        }
        match IN_TURN.into_iter().find(|known| is(word, known)) {
            Some(known) => Answer::Refused(Refusal::NotMigrating(known.into())),
            None => Answer::Refused(Refusal::Syntax),
        }
    }

    /// `ESTABLISH SOURCE id NAME name SLOTSRANGE first last ..`, in any order.
    fn establish(
        &mut self,
        around: &dyn MigrationContext,
        link: MigrationLink,
        words: &[&[u8]],
    ) -> Result<(), Refusal> {
        let (source, name, slots) = establish_words(words)?;
        if !around.is_primary() {
            return Err(Refusal::PrimariesOnly);
        }
        if !around.is_known(source) {
            return Err(Refusal::SourceUnknown);
        }
        if slots.slots().any(|slot| around.owner(slot) != Some(source)) {
            return Err(Refusal::OwnerDisputed);
        }
        let open = around.open_slots();
        if open.is_importing || open.is_migrating {
            return Err(Refusal::TargetOpen);
        }
        let overlaps = |head: &JobHead| head.name == name || head.slots.common(&slots).is_some();
        if self.jobs.iter().any(|job| overlaps(&job.head)) {
            return Err(Refusal::AlreadyImported);
        }
        let mut head = JobHead::new(
            name,
            slots,
            Side::Import,
            MigrationProtocol::Push,
            around.now(),
        );
        head.source = Some(source);
        head.target = Some(around.my_id());
        head.adopt(link);
        let talk = PushTarget::new(link, around.now().monotonic_ms);
        self.start(around, head, Box::new(talk));
        Ok(())
    }

    /// A request of a Redis target to its source: `SYNC` or `RDBCHANNEL`.
    fn receive_sync(
        &mut self,
        around: &dyn MigrationContext,
        sender: &Sender,
        words: &[&[u8]],
    ) -> Result<&'static str, Refusal> {
        match words {
            [word, name, pairs @ ..] if is(word, "SYNC") => {
                self.sync(around, sender, name, pairs)?;
                Ok("RDBCHANNELSYNCSLOTS")
            }
            [word, name] if is(word, "RDBCHANNEL") => {
                self.join(around, sender.link, name)?;
                Ok("SLOTSSNAPSHOT")
            }
            _ => Err(Refusal::Syntax),
        }
    }

    fn sync(
        &mut self,
        around: &dyn MigrationContext,
        sender: &Sender,
        name: &[u8],
        pairs: &[&[u8]],
    ) -> Result<(), Refusal> {
        let name = Name::parse(name).ok_or(Refusal::NodeIdLength(name.len()))?;
        if pairs.is_empty() || !pairs.len().is_multiple_of(2) {
            return Err(Refusal::Syntax);
        }
        let mut slots = Ranges::default();
        for pair in pairs.chunks_exact(2) {
            let first = ranges::slot(pair[0]).ok_or(Refusal::BadSlot)?;
            let last = ranges::slot(pair[1]).ok_or(Refusal::BadSlot)?;
            if first > last {
                return Err(Refusal::Reversed(first, last));
            }
            slots.push(first, last).map_err(|_| Refusal::Twice(first))?;
        }
        let me = around.my_id();
        if !around.is_primary() || slots.slots().any(|slot| around.owner(slot) != Some(me)) {
            return Err(Refusal::NotOwner);
        }
        let open = around.open_slots();
        if open.is_importing || open.is_migrating {
            return Err(Refusal::NotStable);
        }
        // The target has begun again before the end of its last attempt was seen here.
        let why = "Cancelled due to new migration requested";
        self.step(self.named(name), around, |_, _| {
            Err(End::Canceled(why.into()))
        });
        let overlaps = |job: &Job| job.head.slots.common(&slots).is_some();
        if self.jobs.iter().any(overlaps) {
            return Err(Refusal::TaskInProgress);
        }
        let mut head = JobHead::new(
            name,
            slots,
            Side::Export,
            MigrationProtocol::Pull,
            around.now(),
        );
        head.source = Some(me);
        head.target = sender.node;
        head.adopt(sender.link);
        let talk = PullSource::new(sender.link, around.now().monotonic_ms);
        self.start(around, head, Box::new(talk));
        Ok(())
    }

    /// The second link of a target.
    fn join(
        &mut self,
        around: &dyn MigrationContext,
        link: MigrationLink,
        name: &[u8],
    ) -> Result<(), Refusal> {
        let awaits = |job: &Job| {
            job.head.name.as_bytes() == name
                && job.head.side == Side::Export
                && job.head.wire == MigrationProtocol::Pull
                && job.talk.state() == "wait-rdbchannel"
        };
        let at = self.jobs.iter().position(awaits);
        let at = at.ok_or(Refusal::MigrationInProgress)?;
        self.step(Some(at), around, |talk, scene| talk.join(scene, link));
        Ok(())
    }

    /// Our primary's announcements of its migrations. Unknown words change nothing: the keys come
    /// by the stream in any case.
    fn receive_words(&mut self, around: &dyn MigrationContext, words: &[&[u8]]) {
        match words {
            [word, rest @ ..] if is(word, "ESTABLISH") => {
                if let Ok((source, name, slots)) = establish_words(rest) {
                    let mut head = JobHead::new(
                        name,
                        slots,
                        Side::Import,
                        MigrationProtocol::Push,
                        around.now(),
                    );
                    head.source = Some(source);
                    self.follow(around, head);
                }
            }
            [word, rest @ ..] if is(word, "FINISH") => self.receive_finish(around, rest),
            [conf, task, line] if is(conf, "CONF") && is(task, "ASM-TASK") => {
                self.receive_task(around, line);
            }
            _ => (),
        }
    }

    /// `FINISH STATE state NAME name [MESSAGE text]`.
    fn receive_finish(&mut self, around: &dyn MigrationContext, words: &[&[u8]]) {
        let value = |word: &str| {
            let mut pairs = words.chunks_exact(2);
            pairs.find(|pair| is(pair[0], word)).map(|pair| pair[1])
        };
        let Some(name) = value("NAME").and_then(Name::parse) else {
            return;
        };
        let is_success = value("STATE").is_some_and(|state| is(state, "SUCCESS"));
        let end = if is_success {
            End::Completed
        } else {
            let message = value("MESSAGE").unwrap_or_default();
            End::Failed(Printable(message).to_string())
        };
        self.unfollow(around, name, end);
    }

    /// `id:source:target:operation:state:ranges`.
    fn receive_task(&mut self, around: &dyn MigrationContext, line: &[u8]) {
        let parts: Vec<&[u8]> = line.split(|&byte| byte == b':').collect();
        let [name, source, target, operation, state, slots] = parts[..] else {
            return;
        };
        let (Some(name), Some(slots)) = (Name::parse(name), Ranges::parse_shown(slots)) else {
            return;
        };
        // An export of our primary's needs nothing here: the stream deletes its keys.
        if operation != b"import" {
            return;
        }
        match state {
            b"completed" => self.unfollow(around, name, End::Completed),
            b"failed" | b"canceled" => {
                self.unfollow(around, name, End::Failed(String::new()));
            }
            _ => {
                let mut head = JobHead::new(
                    name,
                    slots,
                    Side::Import,
                    MigrationProtocol::Pull,
                    around.now(),
                );
                head.source = Name::parse(source);
                head.target = Name::parse(target);
                self.follow(around, head);
            }
        }
    }
}

/// The words of ESTABLISH: source, name, slots; each once.
fn establish_words(words: &[&[u8]]) -> Result<(Name, Name, Ranges), Refusal> {
    let (mut source, mut name, mut slots) = (None, None, None);
    let mut rest = words;
    while let [word, after @ ..] = rest {
        rest = after;
        if is(word, "SLOTSRANGE") && slots.is_none() {
            slots = Some(valkey_ranges(&mut rest)?);
            continue;
        }
        let value = rest.first().and_then(|value| Name::parse(value));
        let value = value.ok_or(Refusal::Syntax)?;
        if is(word, "SOURCE") && source.is_none() {
            source = Some(value);
        } else if is(word, "NAME") && name.is_none() {
            name = Some(value);
        } else {
            return Err(Refusal::Syntax);
        }
        rest = &rest[1..];
    }
    match (source, name, slots) {
        (Some(source), Some(name), Some(slots)) => Ok((source, name, slots)),
        _ => Err(Refusal::Syntax),
    }
}
