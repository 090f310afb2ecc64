//! PROFILE of HYBRID: each side as a separate query, and the stages after the merger.
//!
//! A side finds documents, keeps the documents of the window in order, and has the keys at hand: so
//! its loader takes no time. The stages after the merger load fields.

use super::super::{hybrid, hybrid::sides::SideProfile, shards, walk::SearchExecution};
use super::{ProfileFormat, Times, in_both};
use russet_base::clock;
use russet_resp::Reply;
use russet_search::iterate::PartProfile;
use russet_search::pipeline::StepProfile;
use russet_search::request::{HybridRequest, Stage};
use russet_server::{Call, CommandResult};

/// The reply of HYBRID with an entry more; `from`: the word after QUERY.
pub(super) fn profile(
    call: &mut Call<'_>,
    from: usize,
    is_limited: bool,
    began: u64,
) -> CommandResult {
    let request = hybrid::parse(call, from)?;
    let parsed = clock::cycles();
    if hybrid::answer_statistics(call, &request)? {
        return Ok(());
    }
    let sides = hybrid::trees(call, &request)?;
    let taken = SearchExecution::take_resumed(call);
    let began = taken.as_ref().map_or(began, SearchExecution::began);
    let walk = if let Some(walk) = taken {
        walk
    } else if !call.is_for_other_node() && call.is_of_many_shards()? {
        let Some(walk) = shards::hybrid(call, &request, true)? else {
            return Ok(());
        };
        walk.counted()
    } else {
        hybrid::begin(call, &request, sides, true)?
    };
    let created = clock::cycles();
    let write = hybrid::writer(request.aggregate.options.format);
    let Some(mut walk) = walk.run(call, usize::MAX, began, &write)? else {
        return Ok(());
    };
    let of_all = walk.milliseconds(call.server);
    let profiles = walk.take_shard_profiles();
    let shown = ProfileFormat::new(call, is_limited);
    let times = Times {
        began,
        parsed,
        created,
    };
    if call.is_for_other_node() {
        let profile = in_both(|reply| shown.reply_sides(&walk, &times, reply));
        shards::answer_rows(call, &mut walk, profile);
        return Ok(());
    }
    let reply = &mut *call.reply;
    if reply.resp3() {
        reply.map(hybrid::ENTRIES + 1);
    } else {
        // The profile has no name there.
        reply.array(2 * hybrid::ENTRIES + 1);
    }
    hybrid::reply_entries(&mut walk, of_all, reply);
    match &profiles {
        Some(profiles) => shown.reply_shards(profiles, reply),
        None => {
            shown.begin(1, reply);
            shown.reply_sides(&walk, &times, reply);
            reply.simple("Coordinator");
        }
    }
    shown.reply_after(&walk, &request, &times, reply);
    Ok(())
}

impl ProfileFormat {
    /// The part of a shard, this server.
    fn reply_sides(&self, walk: &SearchExecution, times: &Times, reply: &mut Reply) {
        let none = Default::default();
        let (sides, _) = walk.sides().unwrap_or(&none);
        reply.map(2 + usize::from(self.shard.is_some()));
        self.reply_name(reply);
        for (at, (name, side)) in ["SEARCH", "VSIM"].into_iter().zip(sides).enumerate() {
            reply.simple(name);
            reply.map(3 + self.clocks());
            let late = side.is_late.then_some("Timeout limit was reached");
            self.reply_head(times, late.as_slice(), reply);
            reply.simple("Iterators profile");
            let empty = PartProfile::empty();
            self.reply_part(side.parts.as_ref().unwrap_or(&empty), reply);
            self.reply_steps(&steps_of_side(side, at == 0), reply);
        }
    }

    /// The work after both sides are merged.
    fn reply_after(
        &self,
        walk: &SearchExecution,
        request: &HybridRequest,
        times: &Times,
        reply: &mut Reply,
    ) {
        let merging = walk.sides().map_or(0, |(_, merging)| *merging);
        reply.map(2 + self.clocks());
        let warnings: Vec<&str> = walk.warnings().collect();
        self.reply_head(times, &warnings, reply);
        self.reply_steps(&steps_after(walk, request, merging), reply);
    }
}

fn step(name: &str, rows: u64, cycles: u64) -> StepProfile {
    StepProfile {
        name: name.to_owned(),
        rows,
        cycles,
    }
}

/// The stages of a side: first the reads of the query's parts, then the scores and the sorting, or
/// the distances.
fn steps_of_side(side: &SideProfile, is_text: bool) -> Vec<StepProfile> {
    let reading = side.parts.as_ref().map_or(0, |parts| parts.cycles);
    let reading = reading.min(side.cycles);
    let rest = side.cycles - reading;
    let loader = step("Loader", side.kept, 0);
    if is_text {
        return vec![
            step("Index", side.found, reading),
            step("Scorer", side.found, rest),
            step("Sorter", side.kept, side.sort_cycles),
            loader,
        ];
    }
    // The vector part of the query compares vectors while it is made, before its first read.
    vec![
        step("Index", side.found, side.cycles),
        step("Metrics Applier", side.found, 0),
        step("Vector Normalizer", side.kept, 0),
        loader,
    ]
}

/// The stages after both sides; the first stage is the merger. The merger also sorts by the merged
/// score, so the sorting stage in the profile only drops rows.
fn steps_after(walk: &SearchExecution, request: &HybridRequest, merging: u64) -> Vec<StepProfile> {
    let mut steps = walk.pipeline().step_profiles();
    // Without LOAD the second stage takes the keys, which are at hand.
    let loads = |stage: &Stage| matches!(stage, Stage::Load(_) | Stage::LoadAll);
    let is_bare = !request.aggregate.stages.iter().any(loads) && steps.len() > 1;
    let keys = if is_bare { steps.remove(1).cycles } else { 0 };
    if let Some(first) = steps.first_mut() {
        first.name = "Hybrid Merger".to_owned();
        first.cycles += merging + keys;
    }
    for step in &mut steps {
        if step.name == "Pager/Limiter" && !request.is_unsorted {
            step.name = "Sorter".to_owned();
        }
    }
    steps
}
