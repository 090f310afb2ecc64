//! ARINFO.

use super::args::write_index;
use russet_command::{Access, Arity, Category, CommandError, Flags, KeySpec};
use russet_server::{Call, CommandResult, Spec};
use russet_types::Array;

pub(super) const ARINFO: Spec = Spec {
    arity: Arity::AtLeast(2),
    flags: Flags::READONLY,
    keys: &[KeySpec::one(1, Access::READ)],
    categories: Category::ARRAY,
    ..Spec::new("arinfo", arinfo)
};

/// `ARINFO key [FULL]`: counts, and the structure; with FULL the kinds of slices, too.
///
/// Reply: map (RESP2: flat array). O(1), with FULL O(slices).
fn arinfo(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let full = args.len() == 3 && args.is(2, "FULL");
    if args.len() > 2 && !full {
        return Err(CommandError::Syntax);
    }
    let array = call.db.read::<Array>(args.at(1))?;
    let array = array.ok_or(CommandError::NoSuchKey)?;
    let info = array.info();
    let next = match array.next() {
        u64::MAX => 0,
        next => next,
    };
    let reply = &mut *call.reply;
    reply.map(if full { 12 } else { 7 });
    for (name, value) in [
        ("count", array.count()),
        ("len", array.end()),
        ("next-insert-index", next),
        ("slices", info.slices),
        ("directory-size", info.directory),
        ("super-dir-entries", info.blocks),
        ("slice-size", info.slice_size),
    ] {
        reply.bulk(name.as_bytes());
        write_index(reply, value);
    }
    if !full {
        return Ok(());
    }
    let fill = array.fill();
    for (name, value) in [("dense-slices", fill.dense), ("sparse-slices", fill.sparse)] {
        reply.bulk(name.as_bytes());
        write_index(reply, value);
    }
    for (name, sum, of) in [
        ("avg-dense-size", fill.dense_slots, fill.dense),
        ("avg-dense-fill", fill.dense_values, fill.dense_slots),
        ("avg-sparse-size", fill.sparse_slots, fill.sparse),
    ] {
        reply.bulk(name.as_bytes());
        reply.double(if of == 0 { 0.0 } else { sum as f64 / of as f64 });
    }
    Ok(())
}
