//! SET.
//!
//! SET makes a key only at the root, unless `json-auto-create-deep-paths` is set. The key keeps its
//! expiry, also at the root, unless an option changes it.
//!
//! Effects: SET with a time becomes SET without the time, then PEXPIREAT, because servers with the
//! module know no times in JSON.SET.
//!
//! Cost: the cost of an `assignment`.

use super::assignment::{Condition, Outcome, Rule, set_at};
use super::count;
use super::creation::new_document;
use super::parsing::{self, Edit, ParsedValue};
use super::row::{GROWS, NOT_UTF8, OTHER_TYPE, WRITING, WRITTEN_KEY, path_at, plain, utf8};
use crate::arguments::expiry::{ExpireArg, KEEPTTL};
use russet_command::{Arity, CommandError};
use russet_json::Fpha;
use russet_keyspace::{Cause, Class};
use russet_resp::Args;
use russet_server::{Call, CommandResult, Spec};
use russet_types::Json;
use std::ops::Range;

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
/// FPHA keeps arrays of floats in that type. Without a time the key keeps its expiry; a time in the
/// past deletes the key. Reply: OK; null if the condition does not hold, or the path cannot be
/// made.
fn set(call: &mut Call<'_>) -> CommandResult {
    let args = call.args;
    let (key, text, value) = (args.at(1), path_at(args, 2)?, args.at(3));
    // Of two mistakes Redis reports the mistake in the text; if the options are right, the parser
    // finds the mistake in the text.
    let options =
        SetOptions::parse(args, call.name).or_else(|error| utf8(value).and(Err(error)))?;
    let until = match options.expire {
        Some(arg) => Some(arg.unix_ms(call.db.now_ms(), call.name)?),
        None => None,
    };
    let rule = Rule::of(call, options.condition);
    let edit = Edit {
        apply: set_at,
        rule,
        edits_root: false,
    };
    let Some(taken) = parsing::take(call, options.fpha, edit)? else {
        return Ok(());
    };
    let place = call.db.place(key);
    let is_new = !place.holds::<Json>().map_err(|_| OTHER_TYPE)?;
    let value = match taken {
        ParsedValue::Value(value) => value.map_err(plain)?,
        ParsedValue::Outcome(outcome) => return finish(call, outcome, until, options.time_words),
    };
    let outcome = if is_new && options.condition == Condition::IfThere {
        Outcome::Nothing
    } else if is_new {
        let value = new_document(&mut call.server.json_paths, text, value, rule.makes)?;
        place.put(Json::from(value));
        Outcome::Set
    } else {
        match parsing::apply(call, value, options.fpha, edit)? {
            Some(outcome) => outcome,
            None => return Ok(()),
        }
    };
    finish(call, outcome, until, options.time_words)
}

/// Records the change, and replies.
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
