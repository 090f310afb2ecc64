//! A migration: the part that all conversations share, and the resources that an attempt must
//! give back.
//!
//! An attempt may hold links, the pause of clients' writes, an export, hidden slots and an import
//! announced to replicas. Each is recorded in `JobHead` by the method that takes it, and `settle`,
//! the end of every attempt, gives each back once. `settle` looks up the owner of each slot of an
//! import; the rest is O(ranges). `core` decides when an attempt ends and whether another follows.

use std::collections::VecDeque;

use super::actions::{Action, MigrationContext, MigrationLink, MigrationProtocol};
use super::id::Name;
use super::ranges::Ranges;
use super::settings::Settings;
use russet_config::Dialect;
use russet_host::{Level, Now};
use russet_resp::write_request;

/// How a migration, or one attempt of it, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Completed,
    Failed(String),
    Canceled(String),
}

/// The result of an event: the conversation continues, or ends like this.
pub(super) type EventResult = Result<(), End>;

pub(super) fn failed<T>(why: impl Into<String>) -> Result<T, End> {
    Err(End::Failed(why.into()))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Completed,
    Failed,
    Canceled,
}

/// This node's part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Import,
    Export,
}

/// A migration and everything around it, while its conversation handles an event.
pub(super) struct Scene<'s> {
    pub now: Now,
    pub around: &'s dyn MigrationContext,
    pub settings: &'s Settings,
    pub out: &'s mut VecDeque<Action>,
    pub next_link: &'s mut u64,
    pub head: &'s mut JobHead,
}

impl Scene<'_> {
    pub(super) fn push(&mut self, action: Action) {
        self.out.push_back(action);
    }

    pub(super) fn log(&mut self, level: Level, text: String) {
        self.push(Action::Log { level, text });
    }

    pub(super) fn propagate(&mut self, words: Vec<Vec<u8>>) {
        self.push(Action::Propagate(words));
    }
}

/// `CLUSTER SYNCSLOTS` and these words.
pub(super) fn syncslots<W: AsRef<[u8]>>(words: impl IntoIterator<Item = W>) -> Vec<Vec<u8>> {
    let mut all = vec![b"CLUSTER".to_vec(), b"SYNCSLOTS".to_vec()];
    all.extend(words.into_iter().map(|word| word.as_ref().to_vec()));
    all
}

/// See the module.
#[derive(Debug)]
pub(super) struct JobHead {
    pub name: Name,
    pub slots: Ranges,
    pub source: Option<Name>,
    pub target: Option<Name>,
    pub side: Side,
    pub wire: MigrationProtocol,
    /// Wall clock, milliseconds.
    pub created_ms: i64,
    pub started_ms: i64,
    pub updated_ms: i64,
    pub(crate) acked_ms: i64,
    pub(crate) ended_ms: Option<i64>,
    /// When the next attempt begins; monotonic.
    pub(crate) again_ms: Option<i64>,
    /// Attempts after the first.
    pub retries: u32,
    /// Why the last attempt failed.
    pub error: String,
    /// Of the whole migration, or of its last attempt if another follows.
    pub outcome: Option<Outcome>,
    /// How long writes were held, milliseconds.
    pub(crate) paused_ms: i64,
    /// Bytes of keys, and bytes of effects after them, that this attempt has appended to its links,
    /// or applied.
    pub(crate) snapshot_bytes: u64,
    pub(crate) stream_bytes: u64,

    // Given back at the end (`settle`).
    links: Vec<MigrationLink>,
    held_since_ms: Option<i64>,
    is_exporting: bool,
    is_hidden: bool,
    is_announced: bool,
    /// Our primary's migration: its stream writes the keys, and deletes them if the import fails.
    is_followed: bool,
}

impl JobHead {
    pub(super) fn new(
        name: Name,
        slots: Ranges,
        side: Side,
        wire: MigrationProtocol,
        now: Now,
    ) -> JobHead {
        JobHead {
            name,
            slots,
            source: None,
            target: None,
            side,
            wire,
            created_ms: now.wall_ms,
            started_ms: now.wall_ms,
            updated_ms: now.wall_ms,
            acked_ms: now.wall_ms,
            ended_ms: None,
            again_ms: None,
            retries: 0,
            error: String::new(),
            outcome: None,
            paused_ms: 0,
            snapshot_bytes: 0,
            stream_bytes: 0,
            links: Vec::new(),
            held_since_ms: None,
            is_exporting: false,
            is_hidden: false,
            is_announced: false,
            is_followed: false,
        }
    }

    /// The name in the log.
    pub(super) fn log_name(&self) -> String {
        let (side, peer) = match self.side {
            Side::Import => ("import", self.source),
            Side::Export => ("export", self.target),
        };
        let peer = peer.map_or("unknown".into(), |peer| peer.to_string());
        format!(
            "Slot migration {} ({side} of {}, peer {peer})",
            self.name, self.slots
        )
    }

    pub(super) fn has_link(&self, link: MigrationLink) -> bool {
        self.links.contains(&link)
    }

    pub(super) fn is_holding(&self) -> bool {
        self.held_since_ms.is_some()
    }

    /// Takes a client's connection for this migration.
    pub(super) fn adopt(&mut self, link: MigrationLink) {
        self.links.push(link);
    }

    /// A link that is gone.
    pub(super) fn forget(&mut self, link: MigrationLink) {
        self.links.retain(|&other| other != link);
    }

    /// Whether this node has keys of an import that has been announced to replicas, or by our
    /// primary.
    pub(super) fn is_import_in_sight(&self) -> bool {
        self.side == Side::Import && (self.is_announced || self.is_followed)
    }

    /// `CLUSTER SYNCSLOTS CONF ASM-TASK id:source:target:operation:state:ranges`.
    fn task_line(&self, state: &str) -> Vec<Vec<u8>> {
        let shown = |node: Option<Name>| node.map_or(String::new(), |node| node.to_string());
        let operation = match self.side {
            Side::Import => "import",
            Side::Export => "migrate",
        };
        let task = format!(
            "{}:{}:{}:{operation}:{state}:{}",
            self.name,
            shown(self.source),
            shown(self.target),
            self.slots
        );
        syncslots(["CONF", "ASM-TASK", &task])
    }

    /// `CLUSTER SYNCSLOTS ESTABLISH`, as a source begins to push slots.
    pub(super) fn establish_line(&self, source: Name) -> Vec<Vec<u8>> {
        let (source, name) = (source.as_bytes(), self.name.as_bytes());
        let words: [&[u8]; 6] = [
            b"ESTABLISH",
            b"SOURCE",
            source,
            b"NAME",
            name,
            b"SLOTSRANGE",
        ];
        let words = words.into_iter().map(<[u8]>::to_vec);
        syncslots(words.chain(self.slots.words()))
    }

    fn finish_line(&self, outcome: Outcome) -> Vec<Vec<u8>> {
        let state = match outcome {
            Outcome::Completed => "SUCCESS",
            Outcome::Failed | Outcome::Canceled => "FAILED",
        };
        let mut words = vec!["FINISH", "STATE", state, "NAME", self.name.as_str()];
        if !self.error.is_empty() && outcome != Outcome::Completed {
            words.extend(["MESSAGE", &self.error]);
        }
        syncslots(words)
    }

    /// Ready for another attempt.
    pub(super) fn begin_again(&mut self, now: Now) {
        self.snapshot_bytes = 0;
        self.stream_bytes = 0;
        self.outcome = None;
        self.ended_ms = None;
        self.retries += 1;
        self.updated_ms = now.wall_ms;
    }
}

impl Scene<'_> {
    /// Logs a change of the conversation's state.
    pub fn entered(&mut self, from: &str, to: &str) {
        self.head.updated_ms = self.now.wall_ms;
        let text = format!("{}: {from} -> {to}", self.head.log_name());
        self.log(Level::Verbose, text);
    }

    /// Which node serves each of the slots.
    pub(super) fn owners(&self) -> impl Iterator<Item = Option<Name>> {
        let slots = self.head.slots.slots();
        slots.map(|slot| self.around.owner(slot))
    }

    /// Connects to a node.
    pub(super) fn dial(&mut self, node: Name) -> Result<MigrationLink, End> {
        let Some((ip, port)) = self.around.address(node) else {
            return failed(format!("The address of node {node} is not known."));
        };
        let link = MigrationLink::Dialled(*self.next_link);
        *self.next_link += 1;
        self.head.links.push(link);
        self.push(Action::Dial { link, ip, port });
        Ok(link)
    }

    pub(super) fn close(&mut self, link: MigrationLink) {
        if self.head.has_link(link) {
            self.head.forget(link);
            self.push(Action::Close(link));
        }
    }

    pub(super) fn send<W: AsRef<[u8]>>(&mut self, link: MigrationLink, words: &[W]) {
        let mut bytes = Vec::new();
        write_request(&mut bytes, words.iter().map(AsRef::as_ref));
        self.push(Action::Send { link, bytes });
    }

    pub(super) fn send_syncslots<W: AsRef<[u8]>>(&mut self, link: MigrationLink, words: &[W]) {
        self.send(link, &syncslots(words));
    }

    pub(super) fn export(&mut self, snapshot: MigrationLink, stream: MigrationLink) {
        self.head.is_exporting = true;
        self.push(Action::Export {
            job: self.head.name,
            slots: self.head.slots.clone(),
            snapshot,
            stream,
            wire: self.head.wire,
        });
    }

    pub(super) fn hold(&mut self, for_ms: i64) {
        self.head.held_since_ms = Some(self.now.monotonic_ms);
        self.push(Action::Hold {
            job: self.head.name,
            slots: self.head.slots.clone(),
            until_ms: self.now.monotonic_ms + for_ms,
        });
    }

    /// Deletes the keys of the slots and hides the slots for the import: keys found there are no
    /// node's.
    pub(super) fn hide(&mut self) {
        self.head.is_hidden = true;
        self.push(Action::Drop(self.head.slots.clone()));
        self.push(Action::Hide(self.head.slots.clone()));
    }

    /// Hides the slots that our primary imports.
    pub(super) fn follow(&mut self) {
        self.head.is_hidden = true;
        self.head.is_followed = true;
        self.push(Action::Hide(self.head.slots.clone()));
    }

    /// Shows the keys of the slots, which are ours now.
    pub(super) fn show(&mut self) {
        if std::mem::take(&mut self.head.is_hidden) {
            self.push(Action::Show(self.head.slots.clone()));
        }
    }

    /// Announces the migration's beginning to our replicas, in the words of their dialect.
    pub(super) fn announce(&mut self) {
        match (self.settings.dialect, self.head.side) {
            (Dialect::Redis, side) => {
                let state = match side {
                    Side::Import => "connecting",
                    Side::Export => "wait-rdbchannel",
                };
                self.propagate(self.head.task_line(state));
            }
            (Dialect::Valkey, Side::Import) => {
                let source = self.head.source.unwrap_or(self.head.name);
                self.propagate(self.head.establish_line(source));
            }
            (Dialect::Valkey, Side::Export) => return,
        }
        self.head.is_announced = true;
    }

    /// Announces a running import once more.
    pub(super) fn announce_again(&mut self) {
        if self.head.is_announced && self.head.side == Side::Import {
            self.announce();
        }
    }

    /// Gives back all that the attempt held. Each slot is on one side afterwards: slots that were
    /// not taken over are dropped here, unless the cluster says that they are this node's.
    pub(super) fn settle(&mut self, end: End) {
        let (outcome, error) = match end {
            End::Completed => (Outcome::Completed, String::new()),
            End::Failed(error) => (Outcome::Failed, error),
            End::Canceled(error) => (Outcome::Canceled, error),
        };
        if outcome != Outcome::Completed {
            self.head.error = error;
        }
        self.head.outcome = Some(outcome);
        self.head.ended_ms = Some(self.now.wall_ms);
        self.head.updated_ms = self.now.wall_ms;
        if std::mem::take(&mut self.head.is_exporting) {
            self.push(Action::EndExport(self.head.name));
        }
        for link in std::mem::take(&mut self.head.links) {
            self.push(Action::Close(link));
        }
        if let Some(since) = self.head.held_since_ms.take() {
            self.head.paused_ms = self.now.monotonic_ms - since;
            self.push(Action::Release(self.head.name));
        }
        let is_redis = self.settings.dialect == Dialect::Redis;
        let is_announced = std::mem::take(&mut self.head.is_announced);
        // Redis's replicas receive the outcome before the keys are deleted, Valkey's after.
        if is_announced && is_redis {
            let state = match outcome {
                Outcome::Completed => "completed",
                Outcome::Failed => "failed",
                Outcome::Canceled => "canceled",
            };
            self.propagate(self.head.task_line(state));
        }
        if std::mem::take(&mut self.head.is_hidden) {
            let is_dropped = if self.head.is_followed {
                outcome != Outcome::Completed && self.around.is_primary()
            } else {
                true
            };
            if is_dropped {
                let me = Some(self.around.my_id());
                let is_foreign = |&slot: &u16| self.around.owner(slot) != me;
                let foreign = Ranges::of_slots(self.head.slots.slots().filter(is_foreign));
                if !foreign.is_empty() {
                    self.push(Action::Drop(foreign));
                }
            }
            self.push(Action::Show(self.head.slots.clone()));
        }
        if is_announced && !is_redis {
            self.propagate(self.head.finish_line(outcome));
        }
        self.log_end(outcome);
    }

    fn log_end(&mut self, outcome: Outcome) {
        let shown = self.head.log_name();
        match outcome {
            Outcome::Completed => self.log(Level::Notice, format!("{shown} has completed")),
            Outcome::Canceled => {
                let text = format!("{shown} is canceled: {}", self.head.error);
                self.log(Level::Notice, text);
            }
            Outcome::Failed => {
                let text = format!("{shown} has failed: {}", self.head.error);
                self.log(Level::Warning, text);
            }
        }
    }
}
