//! `cjson`: JSON for scripts, compatible with the library of that name.
//!
//! Settings (`encode_max_depth` ...) stay in effect for all later scripts of the state.

mod config;
mod decode;
mod encode;

pub use config::Config;

use config::{DEPTH_MAX, InvalidNumbers};

use super::super::guard;
use super::super::lua::{Frame, LuaType, Raise, ReturnCount, Stack};

/// Registry field: the metatable of decoded arrays.
const ARRAYS: &str = "russet.json_arrays";
/// The field of a metatable whose tables are encoded as arrays.
const IS_ARRAY: &str = "__is_cjson_array";

/// Pushes the library.
pub fn push(stack: Stack) {
    stack.push_table(0, 16);
    stack.set_function(-1, "encode", encode::encode);
    stack.set_function(-1, "decode", decode::decode);
    stack.set_function(-1, "encode_sparse_array", encode_sparse_array);
    stack.set_function(-1, "encode_max_depth", encode_max_depth);
    stack.set_function(-1, "decode_max_depth", decode_max_depth);
    stack.set_function(-1, "encode_number_precision", encode_number_precision);
    stack.set_function(-1, "encode_keep_buffer", encode_keep_buffer);
    stack.set_function(-1, "encode_invalid_numbers", encode_invalid_numbers);
    stack.set_function(-1, "decode_invalid_numbers", decode_invalid_numbers);
    stack.set_function(-1, "decode_array_with_array_mt", decode_array_with_array_mt);
    stack.set_function(-1, "new", new);
    stack.push_null();
    stack.set_field(-2, "null");
    for (name, text) in [("_NAME", "cjson"), ("_VERSION", "2.1.0")] {
        stack.push_bytes(text.as_bytes());
        stack.set_field(-2, name);
    }
    let is_new = stack.get_field(Stack::REGISTRY, ARRAYS) == LuaType::Nil;
    stack.pop(1);
    if is_new {
        stack.push_table(0, 1);
        stack.push_boolean(true);
        stack.set_field(-2, IS_ARRAY);
        guard::protect(stack);
        stack.set_field(Stack::REGISTRY, ARRAYS);
    }
}

/// Gives the table on top the metatable of arrays.
fn mark_as_array(stack: Stack) {
    stack.get_field(Stack::REGISTRY, ARRAYS);
    stack.set_metatable(-2);
}

/// Whether the table on top has a metatable that makes it an array.
fn is_marked_as_array(stack: Stack) -> bool {
    if !stack.metatable(-1) {
        return false;
    }
    if guard::push_real(stack, -1) {
        stack.remove(-2);
    }
    let is_array = stack.get_field(-1, IS_ARRAY) == LuaType::Boolean && stack.boolean(-1);
    stack.pop(2);
    is_array
}

/// `cjson.new()`: another copy of the library.
fn new(f: Frame<'_>) -> ReturnCount {
    push(f.stack);
    Ok(1)
}

fn set(f: Frame<'_>, change: impl FnOnce(&mut Config)) {
    let mut config = f.machine.json.get();
    change(&mut config);
    f.machine.json.set(config);
}

/// Checks that there are at most `count` arguments.
fn at_most(f: Frame<'_>, count: i32) -> Result<(), Raise> {
    if f.top() > count {
        return Err(Raise::Argument(
            count + 1,
            "found too many arguments".into(),
        ));
    }
    f.set_top(count);
    Ok(())
}

/// An optional argument that is a whole number within these bounds.
fn number(f: Frame<'_>, at: i32, old: i64, min: i64, max: i64) -> Result<i64, Raise> {
    if f.kind(at) == LuaType::Nil {
        return Ok(old);
    }
    let n = f.int_argument(at)?;
    if !(min..=max).contains(&n) {
        let text = format!("expected integer between {min} and {max}");
        return Err(Raise::Argument(1, text.into()));
    }
    Ok(n)
}

/// An optional argument that is a boolean or in `words`; returns its index in `words`.
fn option(f: Frame<'_>, at: i32, old: usize, words: &[&str]) -> Result<usize, Raise> {
    match f.kind(at) {
        LuaType::Nil => Ok(old),
        LuaType::Boolean => Ok(usize::from(f.boolean(at))),
        _ => {
            let word = f.string_argument(at)?;
            let found = words.iter().position(|w| w.as_bytes() == word);
            found.ok_or_else(|| {
                let word = String::from_utf8_lossy(word);
                Raise::Argument(at, format!("invalid option '{word}'").into())
            })
        }
    }
}

const SWITCH: [&str; 2] = ["off", "on"];
const INT_MAX: i64 = i32::MAX as i64;

fn encode_sparse_array(f: Frame<'_>) -> ReturnCount {
    at_most(f, 3)?;
    let old = f.machine.json.get();
    let convert = option(f, 1, old.sparse_convert.into(), &SWITCH)? == 1;
    let ratio = number(f, 2, old.sparse_ratio, 0, INT_MAX)?;
    let safe = number(f, 3, old.sparse_safe, 0, INT_MAX)?;
    set(f, |c| {
        (c.sparse_convert, c.sparse_ratio, c.sparse_safe) = (convert, ratio, safe);
    });
    f.push_boolean(convert);
    f.push_number(ratio as f64);
    f.push_number(safe as f64);
    Ok(3)
}

/// Returns a setting from 1 to `max`, after setting it if there is an argument.
fn one_number(f: Frame<'_>, max: i64, place: fn(&mut Config) -> &mut i64) -> ReturnCount {
    at_most(f, 1)?;
    let mut config = f.machine.json.get();
    let setting = place(&mut config);
    *setting = number(f, 1, *setting, 1, max)?;
    f.push_number(*setting as f64);
    f.machine.json.set(config);
    Ok(1)
}

fn encode_max_depth(f: Frame<'_>) -> ReturnCount {
    one_number(f, INT_MAX, |c| &mut c.encode_max_depth)
}

fn decode_max_depth(f: Frame<'_>) -> ReturnCount {
    one_number(f, INT_MAX, |c| &mut c.decode_max_depth)
}

fn encode_number_precision(f: Frame<'_>) -> ReturnCount {
    one_number(f, 14, |c| &mut c.precision)
}

fn encode_keep_buffer(f: Frame<'_>) -> ReturnCount {
    at_most(f, 1)?;
    let keep = option(f, 1, f.machine.json.get().keep_buffer.into(), &SWITCH)? == 1;
    set(f, |c| c.keep_buffer = keep);
    f.push_boolean(keep);
    Ok(1)
}

fn encode_invalid_numbers(f: Frame<'_>) -> ReturnCount {
    at_most(f, 1)?;
    let all = [
        InvalidNumbers::Refused,
        InvalidNumbers::Written,
        InvalidNumbers::Null,
    ];
    let old = f.machine.json.get().encode_invalid;
    let old = all.iter().position(|i| *i == old).unwrap_or(0);
    let chosen = option(f, 1, old, &["off", "on", "null"])?;
    set(f, |c| c.encode_invalid = all[chosen]);
    match chosen {
        2 => f.push_bytes(b"null"),
        other => f.push_boolean(other == 1),
    }
    Ok(1)
}

fn decode_invalid_numbers(f: Frame<'_>) -> ReturnCount {
    at_most(f, 1)?;
    let on = option(f, 1, f.machine.json.get().decode_invalid.into(), &SWITCH)? == 1;
    set(f, |c| c.decode_invalid = on);
    f.push_boolean(on);
    Ok(1)
}
/// `cjson.decode_array_with_array_mt(on)`, which is Redis 8.10's.
fn decode_array_with_array_mt(f: Frame<'_>) -> ReturnCount {
    at_most(f, 1)?;
    let on = option(f, 1, f.machine.json.get().marks_arrays.into(), &SWITCH)? == 1;
    set(f, |c| c.marks_arrays = on);
    f.push_boolean(on);
    Ok(1)
}
