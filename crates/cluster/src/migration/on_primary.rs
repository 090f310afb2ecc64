//! A migration of our primary's, as its stream announces it to this replica.
//!
//! The keys come with the stream, and are hidden until the slots are the shard's, as the primary
//! announces or the cluster shows. The primary may have forgotten the migration, by a restart after
//! which the stream continues under another id (`Migrations::history_changed`). A promoted replica
//! asks the cluster who owns the slots, and keeps the keys of its shard's slots. Another node's
//! slots are dropped, unless the primary has claimed them and died before the claim was seen here:
//! the stream announced that claim before any write to these slots. Then this replica claims the
//! slots in its place.

use super::actions::{Action, MigrationContext, MigrationLink, MigrationProtocol};
use super::conversation::Conversation;
use super::core::Migrations;
use super::id::Name;
use super::job::{End, EventResult, JobHead, Scene, Side, failed};
use super::ranges::Ranges;

#[derive(Debug, Default)]
pub(super) struct OnPrimary {
    /// Our primary has claimed the slots, which the cluster has not shown yet.
    is_claimed: bool,
}

impl OnPrimary {
    /// The slots that are still their source's, as the cluster shows them.
    fn unseen(scene: &Scene<'_>) -> Ranges {
        let of_source = |&slot: &u16| {
            scene.head.source.is_some() && scene.around.owner(slot) == scene.head.source
        };
        Ranges::of_slots(scene.head.slots.slots().filter(of_source))
    }
}

impl Migrations {
    /// The imports that have keys here: a full copy for a replica has these keys, and names the
    /// imports.
    pub fn copied_imports(&self) -> impl Iterator<Item = (Name, &Ranges)> {
        let heads = self.jobs.iter().map(|job| &job.head);
        let imports = heads.filter(|head| head.outcome.is_none() && head.is_import_in_sight());
        imports.map(|head| (head.name, &head.slots))
    }

    /// A full copy of our primary's data names an import, whose keys it has.
    pub fn follow_copied(&mut self, around: &dyn MigrationContext, name: Name, slots: Ranges) {
        let head = JobHead::new(
            name,
            slots,
            Side::Import,
            MigrationProtocol::Push,
            around.now(),
        );
        self.follow(around, head);
    }
}

impl Conversation for OnPrimary {
    fn state(&self) -> &'static str {
        "occurring-on-primary"
    }

    fn is_followed(&self) -> bool {
        true
    }

    fn is_open_import(&self) -> bool {
        !self.is_claimed
    }

    fn begin(&mut self, scene: &mut Scene<'_>) -> EventResult {
        scene.follow();
        Ok(())
    }

    fn refused(&mut self, _: &mut Scene<'_>, _: MigrationLink, _: &str) -> EventResult {
        Ok(())
    }

    fn closed(&mut self, _: &mut Scene<'_>, _: MigrationLink) -> EventResult {
        Ok(())
    }

    fn completed_on_primary(&mut self, scene: &mut Scene<'_>) -> EventResult {
        scene.show();
        self.is_claimed = true;
        self.routes_changed(scene)
    }

    /// The slots may be the shard's now. If this replica has been promoted before they were, the
    /// migration ended with its primary.
    fn routes_changed(&mut self, scene: &mut Scene<'_>) -> EventResult {
        let shard = scene.around.shard();
        if shard.is_some() && scene.owners().all(|owner| owner == shard) {
            return Err(End::Completed);
        }
        if self.is_claimed {
            let unseen = OnPrimary::unseen(scene);
            if !unseen.is_empty() && !scene.around.is_primary() {
                return Ok(());
            }
            if !unseen.is_empty() {
                scene.push(Action::Reclaim(unseen));
            }
            return Err(End::Completed);
        }
        if !scene.around.is_primary() {
            return Ok(());
        }
        failed("A failover occurred during slot import")
    }

    fn tick(&mut self, scene: &mut Scene<'_>) -> EventResult {
        self.routes_changed(scene)
    }

    fn flushed(&mut self) -> EventResult {
        Ok(())
    }

    fn demoted(&mut self) -> EventResult {
        Ok(())
    }
}
