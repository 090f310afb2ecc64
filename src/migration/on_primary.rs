//! A migration of our primary's, as its replica hears of it by the stream.
//!
//! The keys come with the stream, and are hidden until the primary says that the slots are its own. If the
//! primary is lost before, whoever takes its place drops them.

use super::actions::Link;
use super::conversation::Conversation;
use super::job::{Head, Scene, Step, failed};

#[derive(Debug)]
pub(super) struct OnPrimary;

impl Conversation for OnPrimary {
    fn state(&self) -> &'static str {
        "occurring-on-primary"
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

    /// A replica that has been promoted: the migration ended with its primary.
    fn routes_changed(&mut self, _: &mut Head, scene: &mut Scene<'_>) -> Step {
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
