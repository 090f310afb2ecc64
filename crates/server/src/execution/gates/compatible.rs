//! Counts commands that a cluster would refuse (`cluster-compatibility-sample-ratio`), on a server
//! that may join a cluster: commands, transactions and scripts with keys of several slots. Nothing
//! is refused.
//!
//! Cost: nothing while the ratio is 0; else all commands take the long way, and sampled commands
//! hash their keys.

use crate::execution::gates::slots::slots_of;
use crate::execution::gates::{GatedCommand, Stop};
use crate::parts::execution::gates::RUNS_SCRIPT;
use crate::parts::execution::scripting::Sample;
use crate::state::world::World;

/// See the module.
pub(super) fn count(world: &mut World<'_>, asked: &GatedCommand<'_>) -> Result<(), Stop> {
    let ratio = world.server.config.cluster_compatibility_sample_ratio;
    if ratio == 0 || world.server.cluster.is_some() {
        return Ok(());
    }
    if world.script.is_some() {
        count_in_script(world, asked);
        return Ok(());
    }
    let runs_script = asked.spec.flags.intersects(RUNS_SCRIPT);
    if runs_script {
        world.server.scripting.sample = Sample::Over;
    }
    if ratio < 100 && rand::random_range(0..100) >= ratio {
        return Ok(());
    }
    let slots = slots_of(world.server, world.client, asked);
    if slots.is_some_and(|slots| slots.cross) {
        world.server.stats.cluster_incompatible_ops += 1;
    } else if runs_script {
        let slot = slots.map(|slots| slots.first.1);
        world.server.scripting.sample = Sample::Slot(slot);
    }
    Ok(())
}

/// A script counts once.
fn count_in_script(world: &mut World<'_>, asked: &GatedCommand<'_>) {
    let Sample::Slot(used) = world.server.scripting.sample else {
        return;
    };
    let Some(slots) = slots_of(world.server, world.client, asked) else {
        return;
    };
    let is_free = world
        .script
        .is_some_and(|script| script.limits.crosses_slots);
    let slot = slots.first.1;
    let crosses = slots.cross || !is_free && used.is_some_and(|used| used != slot);
    if crosses {
        world.server.stats.cluster_incompatible_ops += 1;
        world.server.scripting.sample = Sample::Over;
    } else if !is_free {
        world.server.scripting.sample = Sample::Slot(Some(slot));
    }
}
