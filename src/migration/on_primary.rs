//! A migration of our primary's, as its replica hears of it by the stream.
//!
//! The keys come with the stream, and are hidden until the slots are the shard's, as the primary says or as the
//! cluster sees it. The primary may have forgotten the migration, by a restart after which the stream goes on: so
//! a promoted replica asks the cluster whose the slots are, and keeps the keys of those that are its shard's. What
//! is another node's is dropped.

use super::actions::Link;
use super::conversation::Conversation;
use super::job::{End, Head, Scene, Step, failed};

#[derive(Debug)]
pub(super) struct OnPrimary;

impl Conversation for OnPrimary {
    fn state(&self) -> &'static str {
        "occurring-on-primary"
    }

    fn is_followed(&self) -> bool {
        true
    }

    fn begin(&mut self, head: &mut Head, scene: &mut Scene<'_>) -> Step {
        head.follow(scene);
        Ok(())
    }

    fn refused(&mut self, _: &mut Head, _: &mut Scene<'_>, _: Link, _: &str) -> Step {
        Ok(())
    }

    fn closed(&mut self, _: &mut Head, _: &mut Scene<'_>, _: Link) -> Step {
        Ok(())
    }

    /// The slots may be the shard's now. If this replica has been promoted before they were, the migration ended
    /// with its primary.
    fn routes_changed(&mut self, head: &mut Head, scene: &mut Scene<'_>) -> Step {
        let shard = scene.around.shard();
        let mut owners = head.slots.slots().map(|slot| scene.around.owner(slot));
        if shard.is_some() && owners.all(|owner| owner == shard) {
            return Err(End::Completed);
        }
        if !scene.around.is_primary() {
            return Ok(());
        }
        failed("A failover occurred during slot import")
    }

    fn tick(&mut self, head: &mut Head, scene: &mut Scene<'_>) -> Step {
        self.routes_changed(head, scene)
    }

    fn flushed(&mut self) -> Step {
        Ok(())
    }

    fn demoted(&mut self) -> Step {
        Ok(())
    }
}
