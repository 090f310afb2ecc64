//! CLUSTER MIGRATION, MIGRATESLOTS, CANCELSLOTMIGRATIONS and TRIMSLOTS: their arguments, and the
//! checks before they are obeyed.
//!
//! `words` begin after the subcommand's name. Checks are made in Redis's or Valkey's order, which
//! clients can see.

use super::actions::MigrationContext;
use super::core::Migrations;
use super::id::Name;
use super::job::{End, Side};
use super::ranges::{self, Ranges, SLOTS};
use super::refusal::Refusal;
use russet_base::numbers::number::parse_i64;

fn is(word: &[u8], text: &str) -> bool {
    word.eq_ignore_ascii_case(text.as_bytes())
}

/// Ranges as CLUSTER MIGRATION and TRIMSLOTS take them. O(words).
fn redis_ranges(words: &[&[u8]]) -> Result<Ranges, Refusal> {
    let mut found = Ranges::default();
    for pair in words.chunks_exact(2) {
        let first = ranges::slot(pair[0]).ok_or(Refusal::BadSlot)?;
        let last = ranges::slot(pair[1]).ok_or(Refusal::BadSlot)?;
        if first > last {
            return Err(Refusal::Reversed(first, last));
        }
        found
            .push(first, last)
            .map_err(|(other, _)| Refusal::Twice(first.max(other)))?;
    }
    Ok(found.sorted())
}

/// `TRIMSLOTS RANGES n first last ..`: the slots whose keys are to be deleted. `is_obeyed`: it
/// comes from our primary, so that slots which the cluster shows as ours are not refused.
pub fn trim_slots(
    words: &[&[u8]],
    around: &dyn MigrationContext,
    is_obeyed: bool,
) -> Result<Ranges, Refusal> {
    if !is(words[0], "ranges") {
        return Err(Refusal::MissingRanges);
    }
    let count = parse_i64(words[1]).ok_or(Refusal::NotAnInteger)?;
    let given = &words[2..];
    let is_count = (1..=i64::from(SLOTS)).contains(&count) && given.len() as i64 == count * 2;
    if !is_count {
        return Err(Refusal::RangeCount);
    }
    let slots = redis_ranges(given)?;
    let me = around.my_id();
    let served = slots.slots().find(|&slot| around.owner(slot) == Some(me));
    match served {
        Some(slot) if !is_obeyed => Err(Refusal::Served(slot)),
        _ => Ok(slots),
    }
}

impl Migrations {
    /// `CLUSTER MIGRATION IMPORT first last ..`: pulls slots from the node that serves them.
    pub fn import(
        &mut self,
        around: &dyn MigrationContext,
        words: &[&[u8]],
    ) -> Result<Name, Refusal> {
        if words.is_empty() || !words.len().is_multiple_of(2) {
            return Err(Refusal::Arity("cluster|migration"));
        }
        let slots = redis_ranges(words)?;
        if !around.is_primary() {
            return Err(Refusal::OnReplica);
        }
        let open = around.open_slots();
        if open.is_importing || open.is_migrating {
            return Err(Refusal::NotStable);
        }
        self.check_source(around, &slots)?;
        let imports = || self.jobs.iter().filter(|job| job.head.side == Side::Import);
        if let Some((first, last)) = imports().find_map(|job| slots.common_range(&job.head.slots)) {
            return Err(Refusal::Overlapping(first, last));
        }
        if !self.jobs.is_empty() {
            return Err(Refusal::Busy);
        }
        Ok(self.pull(around, slots))
    }

    fn check_source(&self, around: &dyn MigrationContext, slots: &Ranges) -> Result<(), Refusal> {
        let mut source = None;
        for slot in slots.slots() {
            let owner = around.owner(slot).ok_or(Refusal::NoOwner(slot))?;
            if owner == around.my_id() {
                return Err(Refusal::AlreadyOwner);
            }
            if source.replace(owner).is_some_and(|other| other != owner) {
                return Err(Refusal::DifferentSources);
            }
        }
        match source.filter(|&source| !around.can_be_asked(source)) {
            Some(source) => Err(Refusal::SourcePushes(source)),
            None => Ok(()),
        }
    }

    /// `CLUSTER MIGRATION CANCEL`: ends a migration, or all. Returns how many.
    pub fn cancel(&mut self, around: &dyn MigrationContext, id: Option<&[u8]>) -> usize {
        let mut canceled = 0;
        for at in (0..self.jobs.len()).rev() {
            let head = &self.jobs[at].head;
            let is_meant = id.is_none_or(|id| id == head.name.as_bytes());
            if is_meant && !self.jobs[at].talk.is_followed() {
                canceled += 1;
                self.step(Some(at), around, |_, scene| {
                    scene.head.again_ms = None;
                    Err(End::Canceled("Cancelled by user".into()))
                });
            }
        }
        canceled
    }

    /// `CLUSTER CANCELSLOTMIGRATIONS`: ends the exports of this node.
    pub fn cancel_exports(&mut self, around: &dyn MigrationContext) -> Result<usize, Refusal> {
        let mut canceled = 0;
        for at in (0..self.jobs.len()).rev() {
            if self.jobs[at].head.side == Side::Export {
                canceled += 1;
                self.step(Some(at), around, |_, _| Err(End::Canceled(String::new())));
            }
        }
        match canceled {
            0 => Err(Refusal::NoMigrations),
            _ => Ok(canceled),
        }
    }

    /// `CLUSTER MIGRATESLOTS SLOTSRANGE first last .. NODE id [SLOTSRANGE .. NODE ..]`: pushes
    /// slots to other nodes; all of the groups or none. O(slots and ranges).
    pub fn migrate_slots(
        &mut self,
        around: &dyn MigrationContext,
        words: &[&[u8]],
    ) -> Result<(), Refusal> {
        if !around.is_primary() {
            return Err(Refusal::PrimariesOnly);
        }
        let open = around.open_slots();
        if open.is_migrating {
            return Err(Refusal::ManuallyMigrated);
        }
        if open.is_importing {
            return Err(Refusal::ManuallyImported);
        }
        let mut groups: Vec<(Ranges, Name)> = Vec::new();
        let mut rest = words;
        while !rest.is_empty() {
            if !is(rest[0], "slotsrange") {
                return Err(Refusal::Syntax);
            }
            rest = &rest[1..];
            let slots = valkey_ranges(&mut rest)?;
            let mine = self.check_shard(around, &slots)?;
            let target = self.target(around, &mut rest)?;
            if !mine {
                return Err(Refusal::NotMine);
            }
            if target == around.my_id() {
                return Err(Refusal::ToMyself);
            }
            let mut running = self.jobs.iter().map(|job| &job.head.slots);
            if let Some(slot) = running.find_map(|other| slots.common(other)) {
                return Err(Refusal::AlreadyMigrating(slot));
            }
            if groups
                .iter()
                .any(|(other, _)| slots.common(other).is_some())
            {
                return Err(Refusal::MigrationsOverlap);
            }
            groups.push((slots, target));
        }
        for (slots, target) in groups {
            self.push(around, slots, target);
        }
        Ok(())
    }

    /// Whether this node serves the slots; an error unless one shard has all of them.
    fn check_shard(&self, around: &dyn MigrationContext, slots: &Ranges) -> Result<bool, Refusal> {
        let mut first = None;
        for slot in slots.slots() {
            let owner = around.owner(slot).ok_or(Refusal::NotServed(slot))?;
            match first {
                None => first = Some(owner),
                Some(first) if first != owner => return Err(Refusal::SeveralShards),
                Some(_) => (),
            }
        }
        Ok(first == Some(around.my_id()))
    }

    fn target(&self, around: &dyn MigrationContext, rest: &mut &[&[u8]]) -> Result<Name, Refusal> {
        let (word, node) = match **rest {
            [word, node, ..] => (word, node),
            _ => return Err(Refusal::Syntax),
        };
        if !is(word, "node") {
            return Err(Refusal::Syntax);
        }
        *rest = &rest[2..];
        let name = Name::parse(node).ok_or_else(|| Refusal::BadNode(node.to_vec()))?;
        if around.is_known(name) {
            Ok(name)
        } else {
            Err(Refusal::UnknownNode(name))
        }
    }
}

/// Ranges as MIGRATESLOTS and ESTABLISH take them: pairs of numbers, up to the first word that is
/// none.
pub(super) fn valkey_ranges(rest: &mut &[&[u8]]) -> Result<Ranges, Refusal> {
    let mut found = Ranges::default();
    while let Some(first) = rest.first().and_then(|word| parse_i64(word)) {
        let in_range = |number: i64| u16::try_from(number).ok().filter(|&slot| slot < SLOTS);
        let first = in_range(first).ok_or(Refusal::BadSlot)?;
        let last = rest.get(1).ok_or(Refusal::NoEnd)?;
        let last = ranges::slot(last).ok_or(Refusal::BadSlot)?;
        if first > last {
            return Err(Refusal::StartAfterEnd(first, last));
        }
        found
            .push(first, last)
            .map_err(|other| Refusal::RangeOverlaps((first, last), other))?;
        *rest = &rest[2..];
    }
    if found.is_empty() {
        Err(Refusal::NoRanges)
    } else {
        Ok(found)
    }
}
