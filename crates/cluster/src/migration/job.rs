//! One migration: the part that all conversations share, and the resources that an attempt must
//! give back.
//!
//! An attempt may hold links, the pause of clients' writes, an export, hidden slots and an import
//! announced to replicas. Each is recorded in `JobHead` by the method that takes it, and `settle`,
//! the end of every attempt, gives each back once. `settle` looks up the owner of each slot of an
//! import; the rest is O(ranges). `core` decides when an attempt ends and whether another follows.

use std::collections::VecDeque;

use super::actions::{Action, Around, MigrationLink, Wire};
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

/// Everything around a conversation while it handles an event.
pub(super) struct Scene<'s> {
    pub now: Now,
    pub around: &'s dyn Around,
    pub settings: &'s Settings,
    pub out: &'s mut VecDeque<Action>,
    pub next_link: &'s mut u64,
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
    pub wire: Wire,
    /// Wall clock, milliseconds.
    pub created_ms: i64,
    pub started_ms: i64,
    pub updated_ms: i64,
    pub(crate) acked_ms: i64,
    pub(crate) ended_ms: Option<i64>,
    /// Attempts after the first.
    pub retries: u32,
    /// Why the last attempt failed.
    pub error: String,
    /// Of the whole migration, or of its last attempt if another follows.
    pub outcome: Option<Outcome>,
    /// How long writes were held, milliseconds.
    pub(crate) paused_ms: i64,

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
    /// Logs a change of the conversation's state.
    pub fn entered(&mut self, scene: &mut Scene<'_>, from: &str, to: &str) {
        self.updated_ms = scene.now.wall_ms;
        let text = format!("{}: {from} -> {to}", self.shown());
        scene.log(Level::Verbose, text);
    }

    pub(super) fn new(name: Name, slots: Ranges, side: Side, wire: Wire, now: Now) -> JobHead {
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
            retries: 0,
            error: String::new(),
            outcome: None,
            paused_ms: 0,
            links: Vec::new(),
            held_since_ms: None,
            is_exporting: false,
            is_hidden: false,
            is_announced: false,
            is_followed: false,
        }
    }

    /// Its name in the log.
    pub(super) fn shown(&self) -> String {
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

    /// Connects to a node.
    pub(super) fn dial(&mut self, scene: &mut Scene<'_>, node: Name) -> Result<MigrationLink, End> {
        let Some((ip, port)) = scene.around.address(node) else {
            return failed(format!("The address of node {node} is not known."));
        };
        let link = MigrationLink::Dialled(*scene.next_link);
        *scene.next_link += 1;
        self.links.push(link);
        scene.push(Action::Dial { link, ip, port });
        Ok(link)
    }

    /// Takes a client's connection for this migration.
    pub(super) fn adopt(&mut self, link: MigrationLink) {
        self.links.push(link);
    }

    /// A link that is gone.
    pub(super) fn forget(&mut self, link: MigrationLink) {
        self.links.retain(|&other| other != link);
    }

    pub(super) fn close(&mut self, scene: &mut Scene<'_>, link: MigrationLink) {
        if self.has_link(link) {
            self.forget(link);
            scene.push(Action::Close(link));
        }
    }

    pub(super) fn send<W: AsRef<[u8]>>(
        &self,
        scene: &mut Scene<'_>,
        link: MigrationLink,
        words: &[W],
    ) {
        let mut bytes = Vec::new();
        write_request(&mut bytes, words.iter().map(AsRef::as_ref));
        scene.push(Action::Send { link, bytes });
    }

    pub(super) fn send_syncslots<W: AsRef<[u8]>>(
        &self,
        scene: &mut Scene<'_>,
        link: MigrationLink,
        words: &[W],
    ) {
        self.send(scene, link, &syncslots(words));
    }

    pub(super) fn export(
        &mut self,
        scene: &mut Scene<'_>,
        snapshot: MigrationLink,
        stream: MigrationLink,
    ) {
        self.is_exporting = true;
        scene.push(Action::Export {
            job: self.name,
            slots: self.slots.clone(),
            snapshot,
            stream,
            wire: self.wire,
        });
    }

    pub(super) fn hold(&mut self, scene: &mut Scene<'_>, for_ms: i64) {
        self.held_since_ms = Some(scene.now.monotonic_ms);
        scene.push(Action::Hold {
            job: self.name,
            slots: self.slots.clone(),
            until_ms: scene.now.monotonic_ms + for_ms,
        });
    }

    /// Deletes the keys of the slots and hides the slots for the import: keys found there are no
    /// node's.
    pub(super) fn hide(&mut self, scene: &mut Scene<'_>) {
        self.is_hidden = true;
        scene.push(Action::Drop(self.slots.clone()));
        scene.push(Action::Hide(self.slots.clone()));
    }

    /// Hides the slots that our primary imports.
    pub(super) fn follow(&mut self, scene: &mut Scene<'_>) {
        self.is_hidden = true;
        self.is_followed = true;
        scene.push(Action::Hide(self.slots.clone()));
    }

    /// Shows the keys of the slots, which are ours now.
    pub(super) fn show(&mut self, scene: &mut Scene<'_>) {
        if std::mem::take(&mut self.is_hidden) {
            scene.push(Action::Show(self.slots.clone()));
        }
    }

    /// Announces the migration's beginning to our replicas, in the words of their dialect.
    pub(super) fn announce(&mut self, scene: &mut Scene<'_>) {
        match (scene.settings.dialect, self.side) {
            (Dialect::Redis, side) => {
                let state = match side {
                    Side::Import => "connecting",
                    Side::Export => "wait-rdbchannel",
                };
                scene.propagate(self.task_line(state));
            }
            (Dialect::Valkey, Side::Import) => {
                let source = self.source.unwrap_or(self.name);
                let mut words: Vec<Vec<u8>> = vec![
                    b"ESTABLISH".into(),
                    b"SOURCE".into(),
                    source.as_bytes().into(),
                    b"NAME".into(),
                    self.name.as_bytes().into(),
                    b"SLOTSRANGE".into(),
                ];
                words.extend(self.slots.words());
                scene.propagate(syncslots(words));
            }
            (Dialect::Valkey, Side::Export) => return,
        }
        self.is_announced = true;
    }

    /// Announces a running import once more.
    pub(super) fn announce_again(&mut self, scene: &mut Scene<'_>) {
        if self.is_announced && self.side == Side::Import {
            self.announce(scene);
        }
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

    /// Gives back all that the attempt held. Each slot is on one side afterwards: slots that were
    /// not taken over are dropped here, unless the cluster says that they are this node's.
    pub(super) fn settle(&mut self, scene: &mut Scene<'_>, end: End) {
        let (outcome, error) = match end {
            End::Completed => (Outcome::Completed, String::new()),
            End::Failed(error) => (Outcome::Failed, error),
            End::Canceled(error) => (Outcome::Canceled, error),
        };
        if outcome != Outcome::Completed {
            self.error = error;
        }
        self.outcome = Some(outcome);
        self.ended_ms = Some(scene.now.wall_ms);
        self.updated_ms = scene.now.wall_ms;
        if std::mem::take(&mut self.is_exporting) {
            scene.push(Action::EndExport(self.name));
        }
        for link in std::mem::take(&mut self.links) {
            scene.push(Action::Close(link));
        }
        if let Some(since) = self.held_since_ms.take() {
            self.paused_ms = scene.now.monotonic_ms - since;
            scene.push(Action::Release(self.name));
        }
        let is_redis = scene.settings.dialect == Dialect::Redis;
        let is_announced = std::mem::take(&mut self.is_announced);
        // Redis's replicas receive the outcome before the keys are deleted, Valkey's after.
        if is_announced && is_redis {
            let state = match outcome {
                Outcome::Completed => "completed",
                Outcome::Failed => "failed",
                Outcome::Canceled => "canceled",
            };
            scene.propagate(self.task_line(state));
        }
        if std::mem::take(&mut self.is_hidden) {
            let is_dropped = if self.is_followed {
                outcome != Outcome::Completed && scene.around.is_primary()
            } else {
                true
            };
            if is_dropped {
                let me = Some(scene.around.my_id());
                let is_foreign = |&slot: &u16| scene.around.owner(slot) != me;
                let foreign = Ranges::of_slots(self.slots.slots().filter(is_foreign));
                if !foreign.is_empty() {
                    scene.push(Action::Drop(foreign));
                }
            }
            scene.push(Action::Show(self.slots.clone()));
        }
        if is_announced && !is_redis {
            scene.propagate(self.finish_line(outcome));
        }
        self.log_end(scene, outcome);
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

    fn log_end(&self, scene: &mut Scene<'_>, outcome: Outcome) {
        let shown = self.shown();
        match outcome {
            Outcome::Completed => scene.log(Level::Notice, format!("{shown} has completed")),
            Outcome::Canceled => {
                scene.log(
                    Level::Notice,
                    format!("{shown} is canceled: {}", self.error),
                );
            }
            Outcome::Failed => {
                scene.log(
                    Level::Warning,
                    format!("{shown} has failed: {}", self.error),
                );
            }
        }
    }

    /// Ready for another attempt.
    pub(super) fn begin_again(&mut self, now: Now) {
        self.outcome = None;
        self.ended_ms = None;
        self.retries += 1;
        self.updated_ms = now.wall_ms;
    }
}
