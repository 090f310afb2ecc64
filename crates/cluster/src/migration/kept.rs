//! A source's copy of slots that another node has claimed, kept out of clients' sight.
//!
//!     a claim is seen --> kept
//!       |--> every replica of the claimer shows the claim, and the claimer's offset
//!       |    as of the claim (`MigrationContext::is_claim_held`)                       --> deleted
//!       |--> the grace has passed, memory is short, all was flushed, or the
//!       |    slots are imported anew                                         --> deleted
//!       +--> the claim is lost with its node: this node serves the slots
//!            again                                                           --> returned
//!
//! Until the claimer's replicas know of its claim, only the claimer has the slots. If the claimer
//! dies before, a replica is elected without the slots; then no node serves the slots, and this
//! copy is the only other copy of their keys.
//!
//! **A returned copy is right** only if no node that works has taken writes since the claim. A
//! claimer that works may have taken writes: if the slots come back nevertheless, by an operator's
//! order, the copy is deleted. A write that a replica of the claimer has acknowledged comes after
//! the end of the import in the replica's stream; the replica claims the slots when it is promoted
//! (`on_primary`), and this node sees that claim long before it reclaims the slots.
//!
//! The confirmation needs no message of its own, because each greeting of a replica has its
//! primary's slots and its offset, in both dialects. The copy is not saved as such; after a restart
//! the node deletes foreign keys once they are loaded.

use super::actions::{Action, MigrationContext};
use super::core::Migrations;
use super::id::Name;
use super::job::Side;
use super::ranges::Ranges;
use russet_host::Level;

/// The interval of greetings to replicas that have yet to show the claim.
const ASK_MS: i64 = 1000;

/// How long a replica that has replaced the claimer may take to claim the slots before they are
/// reclaimed here.
const RECLAIM_MS: i64 = 1000;

/// The copy of slots that a node has claimed at one moment. Times are monotonic milliseconds.
#[derive(Debug)]
pub(super) struct RetainedSlots {
    slots: Ranges,
    claimer: Name,
    /// The claimer's offset as of its claim.
    offset: u64,
    since_ms: i64,
    until_ms: i64,
    asked_ms: i64,
    /// When a replica of the claimer was first seen in its place without the slots.
    orphaned_ms: Option<i64>,
}

/// The fate of a slot's copy.
enum Fate {
    Stays,
    Goes(&'static str),
    Returns,
}

fn log(level: Level, text: String) -> Action {
    Action::Log { level, text }
}

impl Migrations {
    /// Slots of this primary's that other nodes have claimed: their keys are kept for a time, or
    /// deleted.
    pub fn lost(&mut self, around: &dyn MigrationContext, slots: &Ranges) {
        let me = around.my_id();
        let is_lost = |slot: &u16| around.owner(*slot) != Some(me);
        let lost = Ranges::of_slots(slots.slots().filter(is_lost));
        self.yield_kept(&lost);
        let grace_ms = self.settings.keep_grace.get();
        let until_ms = around.now().monotonic_ms.saturating_add(grace_ms);
        let mut rest: Vec<u16> = Vec::new();
        for (owner, slots) in by_owner(around, &lost) {
            // A retried import would take the kept keys for its own.
            let may_stay = grace_ms > 0 && !self.imports_any(&slots);
            match owner.filter(|_| may_stay) {
                Some(claimer) => self.keep(around, (claimer, slots), until_ms),
                None => rest.extend(slots.slots()),
            }
        }
        if !rest.is_empty() {
            let rest = Ranges::of_slots(rest.into_iter());
            self.out.push_back(Action::Forget(rest));
        }
    }

    fn keep(
        &mut self,
        around: &dyn MigrationContext,
        (claimer, slots): (Name, Ranges),
        until_ms: i64,
    ) {
        let for_ms = until_ms - around.now().monotonic_ms;
        let text = format!(
            "The keys of slots {slots} are kept until the replicas of node {claimer} have acknowledged its \
             claim, for up to {for_ms} ms"
        );
        self.out.push_back(log(Level::Notice, text));
        self.out.push_back(Action::Keep(slots.clone()));
        self.kept.push(RetainedSlots {
            slots,
            claimer,
            offset: around.offset(claimer),
            since_ms: around.now().monotonic_ms,
            until_ms,
            asked_ms: i64::MIN,
            orphaned_ms: None,
        });
    }

    /// Whether there are copies that would go if memory were short.
    pub fn has_kept(&self) -> bool {
        !self.kept.is_empty()
    }

    /// Deletes all copies. `why` goes to the log.
    pub fn give_up_kept(&mut self, why: &str) {
        for kept in std::mem::take(&mut self.kept) {
            self.forget(kept.slots, why);
        }
    }

    fn forget(&mut self, slots: Ranges, why: &str) {
        if !slots.is_empty() {
            let text = format!("The kept keys of slots {slots} are deleted: {why}");
            self.out.push_back(log(Level::Notice, text));
            self.out.push_back(Action::Forget(slots));
        }
    }

    /// Deletes the copies of these slots, which are about to be written anew.
    pub(super) fn yield_kept(&mut self, slots: &Ranges) {
        self.split_kept(|_, slot| {
            if slots.contains(slot) {
                Fate::Goes("they are needed anew")
            } else {
                Fate::Stays
            }
        });
    }

    /// Asks for the fate of each slot that is kept. O(slots that are kept).
    fn split_kept(&mut self, fate: impl Fn(&RetainedSlots, u16) -> Fate) {
        for mut kept in std::mem::take(&mut self.kept) {
            let (mut stay, mut go, mut back) = (Vec::new(), Vec::new(), Vec::new());
            let mut why = "";
            for slot in kept.slots.slots() {
                match fate(&kept, slot) {
                    Fate::Stays => stay.push(slot),
                    Fate::Returns => back.push(slot),
                    Fate::Goes(reason) => {
                        why = reason;
                        go.push(slot);
                    }
                }
            }
            self.forget(Ranges::of_slots(go.into_iter()), why);
            if !back.is_empty() {
                let back = Ranges::of_slots(back.into_iter());
                let text = format!(
                    "Slots {back} are this node's again, with the keys that it has kept: node {} has lost them",
                    kept.claimer
                );
                self.out.push_back(log(Level::Warning, text));
                self.out.push_back(Action::Return(back));
            }
            if !stay.is_empty() {
                kept.slots = Ranges::of_slots(stay.into_iter());
                self.kept.push(kept);
            }
        }
    }

    /// The owners of the slots, or this node's role, may have changed. The driver calls it before
    /// any client can write to a slot that has become this node's. O(slots that are kept).
    pub fn review_kept(&mut self, around: &dyn MigrationContext) {
        if self.kept.is_empty() {
            return;
        }
        // The new primary has its own copy, or none; this node's is hidden as long as the slots are
        // another's.
        if !around.is_primary() {
            return self.kept.clear();
        }
        let me = around.my_id();
        self.split_kept(|kept, slot| match around.owner(slot) {
            _ if around.is_importing(slot) => Fate::Goes("they are imported anew"),
            _ if !around.is_known(kept.claimer) => Fate::Goes("the claimer is forgotten"),
            Some(owner) if owner == me && around.is_working_primary(kept.claimer) => {
                Fate::Goes("their claimer may have newer ones")
            }
            Some(owner) if owner == me => Fate::Returns,
            _ => Fate::Stays,
        });
        // A node that has taken slots from the claimer waits for an acknowledgement of its own
        // claim.
        for kept in std::mem::take(&mut self.kept) {
            for (owner, slots) in by_owner(around, &kept.slots) {
                let mut its = RetainedSlots { slots, ..kept };
                if let Some(other) = owner.filter(|&owner| owner != kept.claimer) {
                    its.claimer = other;
                    its.offset = around.offset(other);
                    its.since_ms = around.now().monotonic_ms;
                    its.orphaned_ms = None;
                }
                self.kept.push(its);
            }
        }
    }

    /// Deletes copies whose claim is acknowledged or whose grace has passed; reclaims slots that
    /// are lost with their claimer.
    pub(super) fn tend_kept(&mut self, around: &dyn MigrationContext) {
        let now_ms = around.now().monotonic_ms;
        let mut gone = Vec::new();
        for mut kept in std::mem::take(&mut self.kept) {
            let is_replaced = around.is_replaced(kept.claimer);
            if around.is_claim_held(kept.claimer, kept.since_ms, kept.offset) {
                gone.push((kept.slots, "the claim has been acknowledged"));
                continue;
            }
            if now_ms >= kept.until_ms {
                gone.push((kept.slots, "the grace has passed"));
                continue;
            }
            kept.orphaned_ms = is_replaced.then(|| kept.orphaned_ms.unwrap_or(now_ms));
            let orphaned = kept.orphaned_ms;
            if orphaned.is_some_and(|since_ms| now_ms - since_ms >= RECLAIM_MS) {
                self.out.push_back(Action::Reclaim(kept.slots.clone()));
            } else if now_ms.saturating_sub(kept.asked_ms) >= ASK_MS {
                kept.asked_ms = now_ms;
                self.out.push_back(Action::AskReplicas(kept.claimer));
            }
            self.kept.push(kept);
        }
        for (slots, why) in gone {
            self.forget(slots, why);
        }
    }

    /// Whether an import has these slots.
    fn imports_any(&self, slots: &Ranges) -> bool {
        let imports = self.jobs.iter().filter(|job| job.head.side == Side::Import);
        imports
            .map(|job| &job.head.slots)
            .any(|its| its.common(slots).is_some())
    }
}

/// The slots of each owner. O(slots x owners).
fn by_owner(around: &dyn MigrationContext, slots: &Ranges) -> Vec<(Option<Name>, Ranges)> {
    let mut groups: Vec<(Option<Name>, Vec<u16>)> = Vec::new();
    for slot in slots.slots() {
        let owner = around.owner(slot);
        match groups.iter_mut().find(|(its, _)| *its == owner) {
            Some((_, group)) => group.push(slot),
            None => groups.push((owner, vec![slot])),
        }
    }
    let ranges = |(owner, group): (_, Vec<u16>)| (owner, Ranges::of_slots(group.into_iter()));
    groups.into_iter().map(ranges).collect()
}
