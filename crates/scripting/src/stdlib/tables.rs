//! Functions of `table`, `string`, `math` and `coroutine` that differ from LuaJIT's: they must not
//! write to a guard, or must behave as in Lua 5.1.
//!
//! `install` replaces them once for each state, and removes LuaJIT's extensions. Random numbers are
//! `lrand48`'s with a fixed seed, so that a script gives the same on every server. Functions that
//! can run long live elsewhere: `sort`, `strings`, `format`, `coroutines`.

use super::super::effort::Effort;
use super::super::guard::check_writable;
use super::super::lua::{Frame, LuaType, Raise, ReturnCount, Stack};

/// Replaces these functions in the libraries of the globals at `globals`.
pub fn install(stack: Stack, globals: i32) {
    stack.get_field(globals, "table");
    stack.set_function(-1, "insert", insert);
    stack.set_function(-1, "remove", remove);
    stack.set_function(-1, "setn", setn);
    stack.set_function(-1, "getn", super::format::getn);
    stack.set_function(-1, "sort", super::sort::sort);
    drop_fields(stack, &["move", "new", "clear", "pack", "unpack"]);
    stack.pop(1);

    stack.get_field(globals, "string");
    super::strings::install(stack);
    drop_fields(stack, &["buffer"]);
    stack.pop(1);

    stack.get_field(globals, "math");
    stack.get_field(-1, "fmod");
    stack.set_field(-2, "mod");
    stack.set_function(-1, "random", random);
    stack.set_function(-1, "randomseed", randomseed);
    stack.get_field(-1, "log");
    stack.push_closure(log, 1);
    stack.set_field(-2, "log");
    stack.pop(1);

    stack.get_field(globals, "bit");
    stack.set_function(-1, "tohex", tohex);
    stack.pop(1);

    stack.get_field(globals, "coroutine");
    super::coroutines::install(stack);
    drop_fields(stack, &["isyieldable"]);
    stack.pop(1);
}

fn drop_fields(stack: Stack, names: &[&str]) {
    for name in names {
        stack.push_nil();
        stack.set_field(-2, name);
    }
}

/// A place as in Lua 5.1: truncated to a C int.
fn place(n: i64) -> i64 {
    i64::from(n as i32)
}

/// `table.insert(table, [place,] value)`.
fn insert(f: Frame<'_>) -> ReturnCount {
    f.table_argument(1)?;
    check_writable(f.stack, 1)?;
    let len = f.len(1) as i64;
    match f.top() {
        2 => f.raw_set_at(1, len as usize + 1),
        3 => {
            let at = place(f.int_argument(2)?);
            let end = (len + 1).max(at);
            // Lua 5.1 would move everything in between, however far.
            if end - at > len + 1_000_000 {
                return Err(Raise::Argument(2, "position out of bounds".into()));
            }
            let mut effort = Effort::new(f);
            for i in (at + 1..=end).rev() {
                effort.step(0)?;
                f.raw_get_number(1, i - 1);
                f.raw_set_number(1, i);
            }
            f.raw_set_number(1, at);
        }
        _ => return Err(Raise::text("wrong number of arguments to 'insert'")),
    }
    Ok(0)
}

/// `table.remove(table [, place])`: the value.
fn remove(f: Frame<'_>) -> ReturnCount {
    f.table_argument(1)?;
    check_writable(f.stack, 1)?;
    let len = f.len(1) as i64;
    let at = place(f.int_or(2, len)?);
    if !(1..=len).contains(&at) {
        return Ok(0);
    }
    f.raw_get_number(1, at);
    let mut effort = Effort::new(f);
    for i in at..len {
        effort.step(0)?;
        f.raw_get_number(1, i + 1);
        f.raw_set_number(1, i);
    }
    f.push_nil();
    f.raw_set_number(1, len);
    Ok(1)
}

/// `table.setn`: an error, as in Lua 5.1.
fn setn(f: Frame<'_>) -> ReturnCount {
    f.table_argument(1)?;
    Err(Raise::text("'setn' is obsolete"))
}

/// `bit.tohex(x [, digits])`: at most eight digits, uppercase if `digits` is negative.
fn tohex(f: Frame<'_>) -> ReturnCount {
    /// Adding it moves a number's low 32 bits into the low 32 bits of the double.
    const TO_BITS: f64 = 6_755_399_441_055_744.0;
    let bits = |at| Ok((f.number_argument(at)? + TO_BITS).to_bits() as u32);
    let x = bits(1)?;
    let digits = match f.kind(2) {
        LuaType::None => 8,
        _ => bits(2)? as i32,
    };
    let count = digits.unsigned_abs().min(8) as usize;
    let text = if digits < 0 {
        format!("{x:08X}")
    } else {
        format!("{x:08x}")
    };
    f.push_bytes(&text.as_bytes()[8 - count..]);
    Ok(1)
}

/// `math.log(x)`: takes one argument only.
fn log(f: Frame<'_>) -> ReturnCount {
    let x = f.number_argument(1)?;
    f.push_number(x.ln());
    Ok(1)
}

/// The greatest random number plus 1.
const RANDOM_MAX: u64 = 0x7fff_ffff;

/// The next number of `lrand48`, the random sequence that is the same on every server.
fn next_random(f: Frame<'_>) -> f64 {
    const FIRST: u64 = 0x1234_abcd_330e;
    let state = match f.machine.random.get() {
        0 => FIRST,
        state => state - 1,
    };
    let state = state.wrapping_mul(0x5_deec_e66d).wrapping_add(0xb) & 0xffff_ffff_ffff;
    // 0 means not seeded yet.
    f.machine.random.set(state + 1);
    ((state >> 17) % RANDOM_MAX) as f64 / RANDOM_MAX as f64
}

/// `math.random([low,] [high])`.
fn random(f: Frame<'_>) -> ReturnCount {
    let r = next_random(f);
    let bound = |at| f.int_argument(at).map(|n| n as i32);
    let n = match f.top() {
        0 => r,
        1 => {
            let high = bound(1)?;
            if high < 1 {
                return Err(Raise::Argument(1, "interval is empty".into()));
            }
            (r * f64::from(high)).floor() + 1.0
        }
        2 => {
            let (low, high) = (bound(1)?, bound(2)?);
            if low > high {
                return Err(Raise::Argument(2, "interval is empty".into()));
            }
            let width = high.wrapping_sub(low).wrapping_add(1);
            (r * f64::from(width)).floor() + f64::from(low)
        }
        _ => return Err(Raise::text("wrong number of arguments")),
    };
    f.push_number(n);
    Ok(1)
}

/// `math.randomseed(number)`.
fn randomseed(f: Frame<'_>) -> ReturnCount {
    let seed = f.int_argument(1)? as i32 as u32;
    f.machine.random.set((u64::from(seed) << 16 | 0x330e) + 1);
    Ok(0)
}
