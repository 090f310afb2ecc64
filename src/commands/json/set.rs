//! SET and MSET.
//!
//! A path that matches replaces each match. One that matches nothing makes a member, if it is
//! static (names and indexes alone) and all but its last step find an object. A new key is made at
//! the root. The key keeps its expiry, also at the root, unless an option says otherwise.
//!
//! MSET checks the types of all keys, parses all values and paths, and judges the paths by the
//! documents as they are, before it sets anything. A member without a parent is passed over; later
//! triplets see what earlier ones have set.
//!
//! Effects: a time becomes a PEXPIREAT after the command without it, so that servers with the
//! module, which knows no times, can repeat both.
//!
//! Cost: O(length of the value) for each match, and the values that the path visits.

use super::count;
use super::parsing::{self, Taken};
use super::row::{
    GROWS, NOT_UTF8, OTHER_TYPE, WRITING, WRITTEN_KEY, compiled, is_root, parsed, path_at, plain,
    utf8,
};
use crate::commands::arguments::expiry::{ExpireArg, KEEPTTL};
use crate::server::{Call, CommandResult, Spec};
use russet_command::{Access, Arity, CommandError, KeySpec};
use russet_json::{DEPTH_MAX, Document, Fpha, Key, Kind, Location, Path, View};
use russet_keyspace::{Cause, Class};
use russet_resp::Args;
use russet_types::Json;
use std::ops::Range;

pub(super) const NEW_AT_ROOT: CommandError =
    CommandError::Text("ERR new objects must be created at the root");
const NOT_STATIC: CommandError = CommandError::Text("Err wrong static path");
const NO_SUCH_ELEMENT: CommandError = CommandError::Text("ERR array index out of range");
const TOO_DEEP: CommandError = CommandError::Text("ERR nested deeper than 512 levels");
const _: () = assert!(DEPTH_MAX == 512);
/// The deepest nesting of a value that was parsed.
const TEXT_DEPTH_MAX: usize = 127;
const BAD_FORMAT: CommandError = CommandError::Text("ERR wrong format");

pub(super) const SET: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: WRITTEN_KEY,
    categories: WRITING,
    work: count::WRITTEN,
    ..Spec::new("json.set", set)
};

/// The word after FORMAT: a value is JSON text, whatever it is called.
pub(super) fn check_format(args: Args<'_>, at: usize) -> Result<(), CommandError> {
    match at {
        at if at >= args.len() => Err(CommandError::Syntax),
        at if std::str::from_utf8(args.at(at)).is_err() => Err(NOT_UTF8),
        // In capitals, unlike other words.
        at if [&b"STRING"[..], b"JSON"].contains(&args.at(at)) => Ok(()),
        _ => Err(BAD_FORMAT),
    }
}

/// The type of arrays of floats after FPHA.
fn fpha_named(word: &[u8]) -> Option<Fpha> {
    let types = [
        ("FP16", Fpha::Fp16),
        ("BF16", Fpha::Bf16),
        ("FP32", Fpha::Fp32),
        ("FP64", Fpha::Fp64),
    ];
    let named = types
        .iter()
        .find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
    named.map(|(_, fpha)| *fpha)
}

/// The condition that SET sets on its path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    Always,
    IfMissing,
    IfThere,
}

struct SetOptions<'a> {
    condition: Condition,
    fpha: Option<Fpha>,
    expire: Option<ExpireArg<'a>>,
    /// The words about the expiry, which Redis's JSON.SET has not.
    time_words: Range<usize>,
}

impl<'a> SetOptions<'a> {
    fn parse(args: Args<'a>, name: &str) -> Result<SetOptions<'a>, CommandError> {
        let mut options = SetOptions {
            condition: Condition::Always,
            fpha: None,
            expire: None,
            time_words: 0..0,
        };
        let mut at = 4;
        while at < args.len() {
            if args.is(at, "NX") && options.condition == Condition::Always {
                options.condition = Condition::IfMissing;
            } else if args.is(at, "XX") && options.condition == Condition::Always {
                options.condition = Condition::IfThere;
            } else if args.is(at, "FORMAT") || args.is(at, "FPHA") {
                let Some(word) = args.get(at + 1) else {
                    return Err(CommandError::WrongArity(name.to_owned()));
                };
                if args.is(at, "FORMAT") {
                    check_format(args, at + 1)?;
                } else {
                    options.fpha = Some(fpha_named(word).ok_or(CommandError::Syntax)?);
                }
                at += 1;
            } else if options.time_words.is_empty() && args.is(at, KEEPTTL) {
                options.time_words = at..at + 1;
            } else if options.time_words.is_empty()
                && let Some(expire) = ExpireArg::parse(args, at)
            {
                options.expire = Some(expire);
                options.time_words = at..at + 2;
                at += 1;
            } else {
                utf8(args.at(at))?;
                return Err(CommandError::Syntax);
            }
            at += 1;
        }
        Ok(options)
    }
}

/// `JSON.SET key path value [NX | XX] [FPHA FP16 | BF16 | FP32 | FP64] [FORMAT STRING | JSON]
/// [EX s | PX ms | EXAT s | PXAT ms | KEEPTTL]`: sets the value at a path.
///
/// FPHA keeps arrays of floats in that type. Without a time the key keeps its own; one that has
/// passed deletes the key. Reply: OK; null if the condition does not hold, or the path cannot be
/// made.
fn set(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (key, text, value) = (args.at(1), path_at(args, 2)?, args.at(3));
    // Of two mistakes Redis names the text's; alone it is found as the text is parsed.
    let options =
        SetOptions::parse(args, call.name).or_else(|error| utf8(value).and(Err(error)))?;
    let until = match options.expire {
        Some(arg) => Some(arg.unix_ms(call.db.now_ms(), call.name)?),
        None => None,
    };
    let rule = Rule {
        condition: options.condition,
        max: call.string_max(),
    };
    let Some(taken) = parsing::take(call, options.fpha, rule)? else {
        return Ok(());
    };
    let place = call.db.place(key);
    let is_new = !place.holds::<Json>().map_err(|_| OTHER_TYPE)?;
    let value = match taken {
        Taken::Value(value) => value.map_err(plain)?,
        Taken::Outcome(outcome) => return finish(call, outcome, until, options.time_words),
    };
    let outcome = if is_new && options.condition == Condition::IfThere {
        Outcome::Nothing
    } else if is_new {
        if !is_root(&mut call.server.json_paths, text) {
            return Err(NEW_AT_ROOT);
        }
        place.put(Json::from(value));
        Outcome::Set
    } else {
        let path = compiled(&mut call.server.json_paths, text)?;
        let mut json = place.open::<Json>();
        set_at(&mut json, &path, value, rule)?
    };
    finish(call, outcome, until, options.time_words)
}

/// Records what was set, and replies.
fn finish(
    call: &mut Call<'_>,
    outcome: Outcome,
    until: Option<i64>,
    time_words: Range<usize>,
) -> CommandResult {
    let key = call.args.at(1);
    match outcome {
        Outcome::Nothing => {
            call.reply.null();
            return Ok(());
        }
        Outcome::Set => {}
        Outcome::Replaced(old) => call.db.free_part(old),
    }
    call.db.changed(key, Class::MODULE, "json.set");
    if let Some(when) = until {
        expire_at(call, key, when, time_words);
    } else if !time_words.is_empty() {
        rewrite_without(call, time_words);
    }
    call.reply.ok();
    Ok(())
}

/// Sets the expiry of a key that was just set; a time that has passed deletes it.
fn expire_at(call: &mut Call<'_>, key: &[u8], when: i64, words: Range<usize>) {
    let is_past = when <= call.db.due_ms();
    let mut place = call.db.place(key);
    if is_past {
        place.delete(Cause::Expiry);
        call.db.keyspace().stats.expired += 1;
        let event = call.db.dialect().past_key_event();
        call.db.also_changed(key, Class::GENERIC, event);
        call.rewrite(&[call.db.expire_word(), key]);
        return;
    }
    place.set_expiry(Some(when));
    call.db.event(key, Class::GENERIC, "expire");
    if !call.effects_wanted() {
        return;
    }
    rewrite_without(call, words);
    let mut digits = itoa::Buffer::new();
    call.rewrite(&[b"PEXPIREAT", key, digits.format(when).as_bytes()]);
}

/// Records the command without these words.
fn rewrite_without(call: &mut Call<'_>, words: Range<usize>) {
    if !call.effects_wanted() {
        return;
    }
    let args = call.args;
    let kept = (0..args.len()).filter(|at| !words.contains(at));
    let kept: Vec<&[u8]> = kept.map(|at| args.at(at)).collect();
    call.rewrite(&kept);
}

/// Refuses a path that finds nothing and cannot make a member.
fn check_makes(json: &Json, path: &Path) -> Result<(), CommandError> {
    match path.last_key() {
        Some(Key::Name(_)) => Ok(()),
        _ if path.first(json.root()).map_err(plain)?.is_some() => Ok(()),
        Some(Key::Index(_)) => Err(NO_SUCH_ELEMENT),
        None => Err(NOT_STATIC),
    }
}

/// The rule by which a value is set.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    condition: Condition,
    /// Bytes that the document may have.
    max: u64,
}

/// The outcome of setting a value.
pub(super) enum Outcome {
    /// There was nothing to set, or the condition does not hold.
    Nothing,
    Set,
    /// The whole document was replaced: it is to be freed as a large value may have to be.
    Replaced(Json),
}

/// Sets the value at a path.
pub(super) fn set_at(
    json: &mut Json,
    path: &Path,
    value: Document,
    Rule { condition, max }: Rule,
) -> Result<Outcome, CommandError> {
    if path.is_root() {
        if condition == Condition::IfMissing {
            return Ok(Outcome::Nothing);
        }
        let old = std::mem::replace(json, Json::from(value));
        return Ok(Outcome::Replaced(old));
    }
    if condition == Condition::IfMissing && path.last_key().is_none() && !path.is_root() {
        return Err(NOT_STATIC);
    }
    let found = path.locations(json.root()).map_err(plain)?;
    match condition {
        Condition::IfMissing if !found.is_empty() => return Ok(Outcome::Nothing),
        Condition::IfThere if found.is_empty() => return Ok(Outcome::Nothing),
        _ => {}
    }
    if found.is_empty() {
        let is_made = make_at(json, path, value)?;
        return Ok(if is_made {
            Outcome::Set
        } else {
            Outcome::Nothing
        });
    }
    check_growth(json, &value, found.iter(), 0, max)?;
    for location in found {
        json.replace(&location, value.root());
    }
    Ok(Outcome::Set)
}

/// Makes the member that a static path names, in an object that is there.
pub(super) fn make_at(json: &mut Json, path: &Path, value: Document) -> Result<bool, CommandError> {
    let name = match path.last_key() {
        Some(Key::Name(name)) => name,
        Some(Key::Index(_)) => return Err(NO_SUCH_ELEMENT),
        None => return Err(NOT_STATIC),
    };
    let parent = path.parent(json.root());
    let Some((parent, _)) = parent.filter(|(_, parent)| matches!(parent.kind(), Kind::Object))
    else {
        return Ok(false);
    };
    check_depth(parent.len() + 1, &value)?;
    json.set_member(&parent, name, value.root());
    Ok(true)
}

/// Refuses what would make a document longer than a string may be, or nested too deeply: a value
/// at each of these places, `below` containers further down.
pub(super) fn check_growth<'a>(
    json: &Json,
    value: &Document,
    places: impl Iterator<Item = &'a Location> + Clone,
    below: usize,
    max: u64,
) -> Result<(), CommandError> {
    let count = places.clone().count();
    if count > 1 {
        let more = value.memory_bytes().saturating_mul(count - 1);
        if (json.memory_bytes() as u64).saturating_add(more as u64) > max {
            return Err(CommandError::StringTooLong);
        }
    }
    let deepest = places.map(|place| place.len()).max().unwrap_or(0);
    check_depth(deepest + below, value)
}

/// Refuses a value that would be nested too deeply within so many containers.
fn check_depth(around: usize, value: &Document) -> Result<(), CommandError> {
    if around + TEXT_DEPTH_MAX > DEPTH_MAX && around + value.root().depth() > DEPTH_MAX {
        return Err(TOO_DEEP);
    }
    Ok(())
}

pub(super) const MSET: Spec = Spec {
    arity: Arity::AtLeast(4),
    flags: GROWS,
    keys: &[KeySpec::range(1, -1, 3, Access::MODIFY)],
    categories: WRITING,
    handler: mset,
    name: "json.mset",
    work: count::EACH_TRIPLET,
    ..SET
};

/// `JSON.MSET key path value [key path value ...]`: sets values at paths.
///
/// Reply: OK.
fn mset(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    if args.len() % 3 != 1 {
        return Err(CommandError::WrongArity(call.name.to_owned()));
    }
    let rule = Rule {
        condition: Condition::Always,
        max: call.string_max(),
    };
    let mut values = Vec::with_capacity(args.len() / 3);
    for at in (1..args.len()).step_by(3) {
        let place = call.db.place(args.at(at));
        let is_there = place.holds::<Json>().map_err(|_| OTHER_TYPE)?;
        let text = path_at(args, at + 1)?;
        if is_there {
            let path = compiled(&mut call.server.json_paths, text)?;
            if let Ok(Some(json)) = call.db.read::<Json>(args.at(at)) {
                check_makes(&json, &path)?;
            }
        } else if !is_root(&mut call.server.json_paths, text) {
            return Err(NEW_AT_ROOT);
        }
        values.push(parsed(args.at(at + 2))?);
    }
    let mut is_any_set = false;
    for (value, at) in values.into_iter().zip((1..args.len()).step_by(3)) {
        let (key, text) = (args.at(at), path_at(args, at + 1)?);
        let place = call.db.place(key);
        let outcome = if place.is_taken() {
            let path = compiled(&mut call.server.json_paths, text)?;
            let mut json = place.open::<Json>();
            set_at(&mut json, &path, value, rule).unwrap_or(Outcome::Nothing)
        } else {
            place.put(Json::from(value));
            Outcome::Set
        };
        let is_set = !matches!(outcome, Outcome::Nothing);
        if let Outcome::Replaced(old) = outcome {
            call.db.free_part(old);
        }
        if is_set && is_any_set {
            call.db.also_changed(key, Class::MODULE, "json.mset");
        } else if is_set {
            call.db.changed(key, Class::MODULE, "json.mset");
        }
        is_any_set |= is_set;
    }
    call.reply.ok();
    Ok(())
}
