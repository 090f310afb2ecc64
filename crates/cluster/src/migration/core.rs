//! The migrations of this node: each event goes to the job of its link or name.
//!
//! - `jobs`: the attempts that run and the attempts that wait for a retry. Few, so that links and
//!   names are found by a linear search. A job that has ended for good moves to `ended`, which
//!   holds at most `cluster-slot-migration-log-max-len`.
//! - An event for an unknown link or name changes nothing.
//! - An import that starts deletes the kept keys of its slots (`kept`).
//!
//! The conversation decides what an event does (`conversation`); `job` gives back all that an
//! attempt held.

use std::collections::VecDeque;

use super::actions::{Action, MigrationContext, MigrationLink, MigrationProtocol};
use super::conversation::{Answer, Conversation, InputKind};
use super::id::Name;
use super::job::{End, EventResult, JobHead, Outcome, Scene, Side};
use super::kept::RetainedSlots;
use super::on_primary::OnPrimary;
use super::pull_target::PullTarget;
use super::push_source::PushSource;
use super::ranges::Ranges;
use super::settings::Settings;
use russet_host::Level;

#[derive(Debug)]
pub(super) struct Job {
    pub head: JobHead,
    pub talk: Box<dyn Conversation>,
}

impl Job {
    pub(super) fn is_active(&self) -> bool {
        self.head.again_ms.is_some() || self.head.outcome.is_none()
    }
}

/// See the module.
#[derive(Debug)]
pub struct Migrations {
    pub(super) settings: Settings,
    /// Migrations that run or wait for a retry, oldest first. Few.
    pub(super) jobs: Vec<Job>,
    /// Ended migrations, newest first.
    pub(super) ended: VecDeque<Job>,
    /// Copies of slots that other nodes have claimed. Few.
    pub(super) kept: Vec<RetainedSlots>,
    pub(super) out: VecDeque<Action>,
    next_link: u64,
}

impl Migrations {
    /// Without migrations, running or ended.
    pub fn new(settings: Settings) -> Migrations {
        Migrations {
            settings,
            jobs: Vec::new(),
            ended: VecDeque::new(),
            kept: Vec::new(),
            out: VecDeque::new(),
            next_link: 0,
        }
    }

    /// The settings, to be changed at a reload or by DEBUG; running migrations see the change.
    pub fn settings_mut(&mut self) -> &mut Settings {
        &mut self.settings
    }

    /// The next action. The driver carries out all of them, in their order, after each call.
    pub fn pop(&mut self) -> Option<Action> {
        self.out.pop_front()
    }

    /// No migration runs, no copy is kept and no action waits: ticks may be left out.
    pub fn is_idle(&self) -> bool {
        self.jobs.is_empty()
            && self.kept.is_empty()
            && self.out.is_empty()
            && self.ended.len() <= self.settings.log_max_len
    }

    /// How to handle the link's next bytes. `None`: it belongs to no migration.
    pub fn expects(&self, link: MigrationLink) -> Option<InputKind> {
        let job = self.jobs.iter().find(|job| job.head.has_link(link))?;
        Some(job.talk.expects(link))
    }

    /// The slots that a link's migration is about.
    pub fn slots_of(&self, link: MigrationLink) -> Option<&Ranges> {
        let job = self.jobs.iter().find(|job| job.head.has_link(link))?;
        Some(&job.head.slots)
    }

    fn find(&self, link: MigrationLink) -> Option<usize> {
        self.jobs.iter().position(|job| job.head.has_link(link))
    }

    pub(super) fn named(&self, name: Name) -> Option<usize> {
        self.jobs.iter().position(|job| job.head.name == name)
    }

    /// Lets a job handle an event, and ends the job if the event returns an end. `None`: the event
    /// is of no job.
    pub(super) fn step(
        &mut self,
        at: Option<usize>,
        around: &dyn MigrationContext,
        event: impl FnOnce(&mut dyn Conversation, &mut Scene<'_>) -> EventResult,
    ) {
        let Some(job) = at.and_then(|at| self.jobs.get_mut(at)) else {
            return;
        };
        let mut scene = Scene {
            now: around.now(),
            around,
            settings: &self.settings,
            out: &mut self.out,
            next_link: &mut self.next_link,
            head: &mut job.head,
        };
        if let Err(end) = event(&mut *job.talk, &mut scene) {
            end_attempt(&*job.talk, &mut scene, end);
            self.file_ended();
        }
    }

    /// Moves ended jobs to `ended`, and shortens that list.
    fn file_ended(&mut self) {
        let mut at = 0;
        while at < self.jobs.len() {
            if self.jobs[at].is_active() {
                at += 1;
            } else {
                self.ended.push_front(self.jobs.remove(at));
            }
        }
        self.trim_log();
    }

    pub(super) fn trim_log(&mut self) {
        self.ended.truncate(self.settings.log_max_len);
    }

    /// Adds a job and begins it. O(1).
    pub(super) fn start(
        &mut self,
        around: &dyn MigrationContext,
        head: JobHead,
        talk: Box<dyn Conversation>,
    ) {
        if head.side == Side::Import {
            self.yield_kept(&head.slots);
        }
        let text = format!("{} begins", head.log_name());
        self.out.push_back(Action::Log {
            level: Level::Notice,
            text,
        });
        self.jobs.push(Job { head, talk });
        let last = self.jobs.len().checked_sub(1);
        self.step(last, around, |talk, scene| talk.begin(scene));
    }

    /// A dialled link is open.
    pub fn opened(&mut self, around: &dyn MigrationContext, link: MigrationLink) {
        self.step(self.find(link), around, |talk, scene| {
            talk.opened(scene, link)
        });
    }

    /// A dialled link could not be opened.
    pub fn refused(&mut self, around: &dyn MigrationContext, link: MigrationLink, why: &str) {
        self.step(self.find(link), around, |talk, scene| {
            scene.head.forget(link);
            talk.refused(scene, link, why)
        });
    }

    /// A link is gone: its other end has closed it, or an error did, or a limit.
    pub fn closed(&mut self, around: &dyn MigrationContext, link: MigrationLink) {
        self.step(self.find(link), around, |talk, scene| {
            scene.head.forget(link);
            talk.closed(scene, link)
        });
    }

    /// A reply on a link that expects replies: a status without the `+`, or an error without the
    /// `-`.
    pub fn reply(
        &mut self,
        around: &dyn MigrationContext,
        link: MigrationLink,
        reply: Result<&[u8], &[u8]>,
    ) {
        self.step(self.find(link), around, |talk, scene| {
            talk.reply(scene, link, reply)
        });
    }

    /// Bytes of commands of a source that have been applied.
    pub fn applied(&mut self, around: &dyn MigrationContext, link: MigrationLink, bytes: usize) {
        self.step(self.find(link), around, |talk, scene| {
            let progress = match talk.expects(link) {
                InputKind::Snapshot => &mut scene.head.snapshot_bytes,
                _ => &mut scene.head.stream_bytes,
            };
            *progress += bytes as u64;
            talk.applied(scene, link, bytes);
            Ok(())
        });
    }

    /// A command of a source has failed with this error line.
    pub fn failed_to_apply(
        &mut self,
        around: &dyn MigrationContext,
        link: MigrationLink,
        error: &str,
    ) {
        self.step(self.find(link), around, |_, _| {
            Err(End::Failed(format!(
                "A command of the source failed: {error}"
            )))
        });
    }

    /// All commands that a link has received are applied, and the link expects more.
    pub fn caught_up(&mut self, around: &dyn MigrationContext, link: MigrationLink) {
        self.step(self.find(link), around, |talk, scene| {
            talk.caught_up(scene, link)
        });
    }

    /// The moment of an export's snapshot has come.
    pub fn exporting(&mut self, around: &dyn MigrationContext, name: Name) {
        self.step(self.named(name), around, |talk, scene| {
            talk.exporting(scene)
        });
    }

    /// Bytes of keys that have been appended to an export's link.
    pub fn snapshot_forwarded(&mut self, name: Name, bytes: usize) {
        if let Some(at) = self.named(name) {
            self.jobs[at].head.snapshot_bytes += bytes as u64;
        }
    }

    /// All keys of an export have been appended to its link.
    pub fn snapshot_sent(&mut self, around: &dyn MigrationContext, name: Name) {
        self.step(self.named(name), around, |talk, scene| {
            talk.snapshot_sent(scene)
        });
    }

    /// An export's snapshot or stream has broken off.
    pub fn export_failed(&mut self, around: &dyn MigrationContext, name: Name, why: &str) {
        self.step(self.named(name), around, |_, _| {
            Err(End::Failed(why.into()))
        });
    }

    /// Bytes of effects that have been appended to an export's stream.
    pub fn streamed(&mut self, name: Name, bytes: usize) {
        if let Some(at) = self.named(name) {
            let job = &mut self.jobs[at];
            job.head.stream_bytes += bytes as u64;
            job.talk.streamed(bytes);
        }
    }

    /// The outcome of `Action::Take`.
    pub fn slots_taken_over(&mut self, around: &dyn MigrationContext, name: Name, is_taken: bool) {
        self.step(self.named(name), around, |talk, scene| {
            if is_taken {
                talk.slots_taken_over(scene)
            } else {
                Err(End::Failed("The slots could not be taken over".into()))
            }
        });
    }

    /// Whether this migration has all keys of its slots and waits for the claim (`Action::Take`).
    pub fn awaits_claim(&self, name: Name) -> bool {
        let job = self.named(name).map(|at| &self.jobs[at]);
        job.is_some_and(|job| job.head.outcome.is_none() && job.talk.awaits_claim())
    }

    /// Lets each job handle an event that is not of a link.
    fn all(
        &mut self,
        around: &dyn MigrationContext,
        event: impl Fn(&mut dyn Conversation, &mut Scene<'_>) -> EventResult,
    ) {
        // From the last on: a job that ends leaves the list.
        for at in (0..self.jobs.len()).rev() {
            self.step(Some(at), around, &event);
        }
    }

    /// The owners of slots, or this node's role, may have changed.
    pub fn routes_changed(&mut self, around: &dyn MigrationContext) {
        self.all(around, |talk, scene| match scene.head.outcome {
            None => talk.routes_changed(scene),
            Some(_) => Ok(()),
        });
        if !around.is_primary() {
            self.demoted(around);
        }
    }

    /// This node is a replica now, or hands over to a replica of its own.
    pub fn demoted(&mut self, around: &dyn MigrationContext) {
        self.all(around, |talk, scene| {
            let step = talk.demoted();
            if step.is_err() {
                scene.head.again_ms = None;
            }
            // No retry: now another node must be asked for the slots.
            step.map_err(|end| match end {
                End::Failed(why) if scene.head.wire == MigrationProtocol::Pull => {
                    End::Canceled(why)
                }
                end => end,
            })
        });
    }

    /// All keys, or all of a database, were flushed here.
    pub fn flushed(&mut self, around: &dyn MigrationContext) {
        self.all(around, |talk, scene| match scene.head.outcome {
            None => talk.flushed(),
            Some(_) => Ok(()),
        });
        self.give_up_kept("all keys are flushed");
    }

    /// Asked every 100 ms while there is something to do.
    pub fn tick(&mut self, around: &dyn MigrationContext) {
        self.all(around, |talk, scene| {
            if let Some(again_ms) = scene.head.again_ms {
                if around.now().monotonic_ms < again_ms {
                    return Ok(());
                }
                scene.head.again_ms = None;
                scene.head.begin_again(around.now());
                return talk.begin(scene);
            }
            talk.tick(scene)
        });
        self.tend_kept(around);
        self.trim_log();
    }

    /// A migration of our primary's begins.
    pub(super) fn follow(&mut self, around: &dyn MigrationContext, mut head: JobHead) {
        head.side = Side::Import;
        // The primary announces it again when another replica synchronizes.
        let known = self.named(head.name).map(|at| &self.jobs[at]);
        if known.is_some_and(|job| job.talk.is_open_import()) {
            return;
        }
        // Our primary has begun anew: its earlier imports of these slots are over, even if it never
        // announced their end.
        for at in (0..self.jobs.len()).rev() {
            let job = &self.jobs[at];
            if job.talk.is_followed() && job.head.slots.common(&head.slots).is_some() {
                let why = "The primary imports these slots anew".into();
                self.step(Some(at), around, |_, _| Err(End::Failed(why)));
            }
        }
        self.start(around, head, Box::new(OnPrimary::default()));
    }

    /// A replica begins with a snapshot of this moment: running imports are announced to it.
    pub fn announce_again(&mut self, around: &dyn MigrationContext) {
        self.all(around, |_, scene| {
            scene.announce_again();
            Ok(())
        });
    }

    /// A migration of our primary's has ended.
    pub(super) fn unfollow(&mut self, around: &dyn MigrationContext, name: Name, end: End) {
        self.step(self.named(name), around, |talk, scene| match end {
            End::Completed => talk.completed_on_primary(scene),
            end => Err(end),
        });
    }

    /// A full synchronization replaces all keys here: earlier announcements of the primary's
    /// migrations are void.
    pub fn forget_followed(&mut self, around: &dyn MigrationContext) {
        self.all(around, |talk, _| {
            if talk.is_followed() {
                Err(End::Failed("The data was replaced".into()))
            } else {
                Ok(())
            }
        });
    }

    /// The primary's history has another id, because the primary has started again, or another
    /// replica has taken its place. In both cases the primary has forgotten its earlier imports;
    /// later imports follow in the stream.
    pub fn history_changed(&mut self, around: &dyn MigrationContext) {
        self.all(around, |talk, _| {
            if talk.is_open_import() {
                return Err(End::Failed("The primary has forgotten it".into()));
            }
            Ok(())
        });
    }

    /// Begins to pull slots.
    pub(super) fn pull(&mut self, around: &dyn MigrationContext, slots: Ranges) -> Name {
        let name = around.fresh_name();
        let mut head = JobHead::new(
            name,
            slots,
            Side::Import,
            MigrationProtocol::Pull,
            around.now(),
        );
        head.target = Some(around.my_id());
        self.start(around, head, Box::new(PullTarget::new()));
        name
    }

    /// Begins to push slots.
    pub(super) fn push(&mut self, around: &dyn MigrationContext, slots: Ranges, target: Name) {
        let mut head = JobHead::new(
            around.fresh_name(),
            slots,
            Side::Export,
            MigrationProtocol::Push,
            around.now(),
        );
        head.source = Some(around.my_id());
        head.target = Some(target);
        self.start(around, head, Box::new(PushSource::new()));
    }

    /// A peer's SYNCSLOTS by a link of a migration.
    pub(super) fn in_turn(
        &mut self,
        around: &dyn MigrationContext,
        link: MigrationLink,
        words: &[&[u8]],
    ) -> Answer {
        let mut is_in_turn = false;
        self.step(self.find(link), around, |talk, scene| {
            is_in_turn = talk.request(scene, link, words)?;
            if is_in_turn {
                Ok(())
            } else {
                Err(End::Failed(format!(
                    "The peer sent {} out of turn",
                    russet_base::text::Printable(words[0])
                )))
            }
        });
        if is_in_turn {
            Answer::Silent
        } else {
            Answer::Closed
        }
    }
}

/// Ends an attempt; another may follow.
fn end_attempt(talk: &dyn Conversation, scene: &mut Scene<'_>, mut end: End) {
    let again = match &mut end {
        End::Failed(why) | End::Canceled(why) => {
            if let Some(details) = talk.error_details().filter(|_| !why.is_empty()) {
                why.push(' ');
                why.push_str(&details);
            }
            matches!(end, End::Failed(_)).then(|| talk.retries_after_ms())
        }
        End::Completed => None,
    };
    scene.settle(end);
    scene.head.again_ms = again.flatten().map(|ms| scene.now.monotonic_ms + ms);
}

impl Job {
    /// The name of its state: in Redis's words for CLUSTER MIGRATION, in Valkey's for
    /// GETSLOTMIGRATIONS.
    pub(super) fn state(&self, wire: MigrationProtocol) -> &'static str {
        match (self.head.outcome, wire) {
            (None, _) => self.talk.state(),
            (Some(Outcome::Completed), MigrationProtocol::Pull) => "completed",
            (Some(Outcome::Completed), MigrationProtocol::Push) => "success",
            (Some(Outcome::Failed), _) => "failed",
            (Some(Outcome::Canceled), MigrationProtocol::Pull) => "canceled",
            (Some(Outcome::Canceled), MigrationProtocol::Push) => "cancelled",
        }
    }
}
