//! How many cells and places the commands of count-min sketches and top-k lists would touch: their
//! work (`commands::work`). O(1).

use crate::work::{self, Work, look};
use russet_server::{Call, CommandResult};
use russet_types::{CountMin, TopK};

/// A counter in each row for each item.
pub(super) const COUNTED_ITEMS: Work = work::by(counted_items, work::FEWER_NAMES);
/// The same for items with numbers.
pub(super) const COUNTED_PAIRS: Work = work::by(counted_pairs, work::FEWER_NAMES);
/// A cell in each row and all places for each item.
pub(super) const LISTED_ITEMS: Work = work::by(listed_items, work::FEWER_NAMES);
/// The same for items with numbers.
pub(super) const LISTED_PAIRS: Work = work::by(listed_pairs, work::FEWER_NAMES);
/// All places for each item.
pub(super) const SOUGHT_ITEMS: Work = work::by(sought_items, work::FEWER_NAMES);

/// Arguments after the key.
fn items(call: &Call<'_>) -> u64 {
    call.args.len().saturating_sub(2) as u64
}

fn depth(call: &mut Call<'_>) -> u64 {
    let key = call.args.at(1);
    look::<CountMin, _>(call, key, |sketch| sketch.depth()).unwrap_or(0)
}

/// Rows and places.
fn shape(call: &mut Call<'_>) -> (u64, u64) {
    let key = call.args.at(1);
    let shape = look::<TopK, _>(call, key, |list| list.shape());
    shape.map_or((0, 0), |shape| (shape.depth.into(), shape.k.into()))
}

fn counted_items(call: &mut Call<'_>) -> CommandResult {
    let touched = items(call).saturating_mul(depth(call));
    call.touches(touched);
    Ok(())
}

fn counted_pairs(call: &mut Call<'_>) -> CommandResult {
    let touched = (items(call) / 2).saturating_mul(depth(call));
    call.touches(touched);
    Ok(())
}

fn listed_items(call: &mut Call<'_>) -> CommandResult {
    let (rows, places) = shape(call);
    let touched = items(call).saturating_mul(rows + places);
    call.touches(touched);
    Ok(())
}

fn listed_pairs(call: &mut Call<'_>) -> CommandResult {
    let (rows, places) = shape(call);
    let touched = (items(call) / 2).saturating_mul(rows + places);
    call.touches(touched);
    Ok(())
}

fn sought_items(call: &mut Call<'_>) -> CommandResult {
    let (_, places) = shape(call);
    let touched = items(call).saturating_mul(places);
    call.touches(touched);
    Ok(())
}
