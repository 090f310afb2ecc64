//! Functions of Lua's base library that scripts get in another form: functions that would bypass a
//! guard, compile code, or catch the error that ends a script.
//!
//!     guards     rawget, rawset, next, pairs see the table under a guard, or refuse to write to it
//!     compile    load, loadstring get text only, bounded by the memory left (eight times its size)
//!     errors     pcall, xpcall do not catch the end of a script; its handler is not called then
//!
//! The handler of a script's last error is here, too. Cost: that of the originals and a look at the
//! guard; `pairs` copies a guarded table, and is LuaJIT's own for others, as that is faster.

use super::super::chunk;
use super::super::effort;
use super::super::errors;
use super::super::guard::{self, check_writable, push_real};
use super::super::lua::{CodePlace, Frame, LuaType, Raise, ReturnCount, Stack};

/// Replaces these functions in the globals table at `globals`.
pub fn install(stack: Stack, globals: i32) {
    stack.set_function(globals, "getmetatable", guard::getmetatable);
    stack.set_function(globals, "setmetatable", guard::setmetatable);
    stack.set_function(globals, "rawget", rawget);
    stack.set_function(globals, "rawset", rawset);
    stack.set_function(globals, "assert", super::format::assert);
    stack.set_function(globals, "pcall", pcall);
    stack.set_function(globals, "xpcall", xpcall);
    stack.set_function(globals, "load", load);
    stack.set_function(globals, "loadstring", loadstring);
    stack.set_function(globals, "next", next);
    stack.set_function(globals, "collectgarbage", collectgarbage);
    stack.set_function(globals, "gcinfo", gcinfo);
    // LuaJIT's `pairs` is faster for tables without a guard, and so is the `next` it returns.
    stack.get_field(globals, "pairs");
    stack.push_closure(pairs, 1);
    stack.set_field(globals, "pairs");
    stack.get_field(globals, "tonumber");
    stack.push_closure(tonumber, 1);
    stack.set_field(globals, "tonumber");
}

/// `rawget(table, key)`.
fn rawget(f: Frame<'_>) -> ReturnCount {
    f.table_argument(1)?;
    f.set_top(2);
    if push_real(f.stack, 1) {
        f.replace(1);
    }
    f.raw_get(1);
    Ok(1)
}

/// `rawset(table, key, value)`: the table.
fn rawset(f: Frame<'_>) -> ReturnCount {
    f.table_argument(1)?;
    if f.top() < 3 {
        return Err(Raise::Argument(f.top() + 1, "value expected".into()));
    }
    f.set_top(3);
    check_writable(f.stack, 1)?;
    check_key(f, 2)?;
    f.raw_set(1);
    Ok(1)
}

/// Checks that a value can be a key.
fn check_key(f: Frame<'_>, at: i32) -> Result<(), Raise> {
    match f.kind(at) {
        LuaType::Nil => Err(Raise::Plain("table index is nil".into())),
        LuaType::Number if f.number(at).is_nan() => Err(Raise::Plain("table index is NaN".into())),
        _ => Ok(()),
    }
}

/// `next(table, key)`: the following key and its value.
fn next(f: Frame<'_>) -> ReturnCount {
    f.table_argument(1)?;
    f.set_top(2);
    if push_real(f.stack, 1) {
        f.replace(1);
    }
    // LuaJIT would raise an unknown key itself, past our handling of errors.
    if f.kind(2) != LuaType::Nil {
        f.push_value(2);
        f.raw_get(1);
        let is_there = f.kind(-1) != LuaType::Nil;
        f.pop(1);
        if !is_there && !has_key(f) {
            return Err(Raise::Plain("invalid key to 'next'".into()));
        }
    }
    if f.next(1) {
        return Ok(2);
    }
    f.push_nil();
    Ok(1)
}

/// Whether the key at 2 has a slot in the table at 1 though its value is nil: a loop may just
/// have removed it. O(n).
fn has_key(f: Frame<'_>) -> bool {
    // Numbers within the array part always have a slot.
    let n = f.number(2);
    if f.kind(2) == LuaType::Number && n >= 1.0 && n.fract() == 0.0 && n <= f.len(1) as f64 {
        return true;
    }
    f.is_key(1, 2)
}

/// `pairs(table)`: iterates over a copy of a guarded table, so the real table never leaks.
fn pairs(f: Frame<'_>) -> ReturnCount {
    if f.kind(1) == LuaType::Table && push_real(f.stack, 1) {
        f.replace(1);
        f.push_table(0, 0);
        f.push_nil();
        while f.next(1) {
            f.push_value(-2);
            f.insert(-2);
            f.raw_set(-4);
        }
        f.replace(1);
    }
    f.table_argument(1)?;
    f.set_top(1);
    f.push_value(Stack::upvalue(1));
    f.insert(1);
    if !f.protected_call(1, 3, 0) {
        return Err(Raise::Top);
    }
    Ok(3)
}

/// `pcall(function, ...)`. Of an error table it returns the `err` line: scripts expect a string,
/// as errors once were.
fn pcall(f: Frame<'_>) -> ReturnCount {
    if f.top() == 0 {
        f.push_boolean(false);
        f.push_bytes(b"bad argument #1 to 'pcall' (value expected)");
        return Ok(2);
    }
    let ok = f.protected_call(f.top() - 1, -1, 0);
    if !ok {
        if f.machine.killed.get() {
            return Err(Raise::Top);
        }
        if f.kind(-1) == LuaType::Table {
            let line = f.get_field(-1, "err");
            match line {
                LuaType::String | LuaType::Number => f.replace(-2),
                _ => f.pop(1),
            }
        }
    }
    if !f.has_room(1) {
        return Err(Raise::Plain("stack overflow".into()));
    }
    f.push_boolean(ok);
    f.insert(1);
    Ok(f.top())
}

/// `xpcall(function, handler)`. When the script is being stopped its handler is not called: it
/// would run where nothing can stop it.
fn xpcall(f: Frame<'_>) -> ReturnCount {
    if f.top() < 2 {
        return Err(Raise::Argument(2, "value expected".into()));
    }
    f.set_top(2);
    f.push_value(2);
    f.push_closure(handle, 1);
    f.replace(2);
    f.insert(1);
    // The handler is at 1, the function on top.
    let ok = f.protected_call(0, -1, 1);
    if !ok && f.machine.killed.get() {
        return Err(Raise::Top);
    }
    f.push_boolean(ok);
    f.replace(1);
    Ok(f.top())
}

/// Wraps a script's own error handler.
fn handle(f: Frame<'_>) -> ReturnCount {
    f.set_top(1);
    if f.machine.killed.get() {
        return Ok(1);
    }
    f.push_value(Stack::upvalue(1));
    f.insert(1);
    if !f.protected_call(1, 1, 0) && !f.machine.killed.get() {
        // Raising here would call this handler again, until the stack is full.
        f.push_bytes(b"error in error handling");
    }
    Ok(1)
}

/// `load(reader, name)`: joins all of the reader's pieces, then compiles.
fn load(f: Frame<'_>) -> ReturnCount {
    if f.kind(1) != LuaType::Function {
        return Err(f.wrong_type(1, "function"));
    }
    let name = match f.kind(2) {
        LuaType::None | LuaType::Nil => b"=(load)".to_vec(),
        _ => f.string_argument(2)?.to_vec(),
    };
    let mut code = Vec::new();
    loop {
        f.set_top(1);
        f.push_value(1);
        if !f.protected_call(0, 1, 0) {
            if f.machine.killed.get() {
                return Err(Raise::Top);
            }
            f.push_nil();
            f.insert(-2);
            return Ok(2);
        }
        match f.kind(-1) {
            LuaType::Nil => break,
            LuaType::String | LuaType::Number => {}
            _ => {
                f.push_nil();
                f.push_bytes(b"reader function must return a string");
                return Ok(2);
            }
        }
        let piece = f.bytes(-1).expect("a string");
        if piece.is_empty() {
            break;
        }
        check_chunk(f, code.len() + piece.len())?;
        code.extend_from_slice(piece);
    }
    push_loaded(f, &code, &name)
}

/// Checks that a text of this length may be compiled: compiling takes several times its size.
fn check_chunk(f: Frame<'_>, len: usize) -> Result<(), Raise> {
    const TIMES: usize = 8;
    if len > f.machine.room() / TIMES {
        Err(Raise::text("chunk is too long"))
    } else {
        Ok(())
    }
}

/// `loadstring(code, name)`.
fn loadstring(f: Frame<'_>) -> ReturnCount {
    let code = f.string_argument(1)?;
    let name = match f.kind(2) {
        LuaType::None | LuaType::Nil => code,
        _ => f.string_argument(2)?,
    };
    push_loaded(f, code, name)
}

/// Pushes the compiled function, or nil and the message.
fn push_loaded(f: Frame<'_>, code: &[u8], name: &[u8]) -> ReturnCount {
    check_chunk(f, code.len())?;
    let name = std::ffi::CString::new(russet_resp::up_to_nul(name)).expect("no NUL inside");
    if code.first() == Some(&0x1b) {
        f.push_nil();
        let shown = String::from_utf8_lossy(name.as_bytes());
        let shown = shown.trim_start_matches(['=', '@']).to_owned();
        f.push_bytes(format!("{shown}: bad binary format (truncated chunk)").as_bytes());
        return Ok(2);
    }
    match chunk::load(f.stack, code, &name) {
        Ok(()) => Ok(1),
        Err(_) if f.machine.killed.get() => Err(effort::stopped(f)),
        Err(message) => {
            f.push_nil();
            f.push_bytes(&message);
            Ok(2)
        }
    }
}

/// `collectgarbage(what)`: a script can read memory use and run the collector, but cannot turn
/// it off.
fn collectgarbage(f: Frame<'_>) -> ReturnCount {
    const WORDS: [&str; 7] = [
        "stop",
        "restart",
        "collect",
        "count",
        "step",
        "setpause",
        "setstepmul",
    ];
    let word = match f.kind(1) {
        LuaType::None | LuaType::Nil => b"collect",
        _ => f.string_argument(1)?,
    };
    let Some(at) = WORDS.iter().position(|w| w.as_bytes() == word) else {
        let word = String::from_utf8_lossy(word);
        return Err(Raise::Argument(
            1,
            format!("invalid option '{word}'").into(),
        ));
    };
    match WORDS[at] {
        "count" => f.push_number(f.machine.used() as f64 / 1024.0),
        "collect" => {
            f.collect();
            f.push_number(0.0);
        }
        "step" => {
            f.collect_step(1);
            f.push_boolean(false);
        }
        _ => f.push_number(0.0),
    }
    Ok(1)
}

/// `gcinfo()`: kilobytes in use.
fn gcinfo(f: Frame<'_>) -> ReturnCount {
    f.push_number((f.machine.used() / 1024) as f64);
    Ok(1)
}

/// A whole number in any base, read as C's `strtoul` does: negative numbers wrap around 64 bits,
/// on overflow the result is the maximum.
fn whole(text: &[u8], base: u32) -> Option<f64> {
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t'..=b'\r');
    let skipped = text.iter().take_while(|b| is_blank(b)).count();
    let text = &text[skipped..];
    let (is_negative, text) = match text.first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let has_prefix = base == 16
        && text.len() > 2
        && text[..2].eq_ignore_ascii_case(b"0x")
        && text[2].is_ascii_hexdigit();
    let text = if has_prefix { &text[2..] } else { text };
    let digit = |b: &u8| (*b as char).to_digit(base).map(u64::from);
    let digits = text.iter().take_while(|b| digit(b).is_some()).count();
    if digits == 0 || !text[digits..].iter().all(is_blank) {
        return None;
    }
    let number = text[..digits].iter().try_fold(0u64, |n, b| {
        let digit = digit(b).expect("counted as a digit");
        n.checked_mul(u64::from(base))?.checked_add(digit)
    });
    Some(match number {
        None => u64::MAX as f64,
        Some(n) if is_negative => n.wrapping_neg() as f64,
        Some(n) => n as f64,
    })
}

/// `tonumber(value, base)`: number formats that only LuaJIT knows are rejected.
fn tonumber(f: Frame<'_>) -> ReturnCount {
    if f.kind(1) == LuaType::None {
        return Err(Raise::Argument(1, "value expected".into()));
    }
    f.set_top(2);
    let base = if f.kind(2) == LuaType::Nil {
        10
    } else {
        f.int_argument(2)?
    };
    if base != 10 {
        let text = f.string_argument(1)?;
        if !(2..=36).contains(&base) {
            return Err(Raise::Argument(2, "base out of range".into()));
        }
        match whole(russet_resp::up_to_nul(text), base as u32) {
            Some(n) => f.push_number(n),
            None => f.push_nil(),
        }
        return Ok(1);
    }
    if f.kind(1) == LuaType::String {
        let text = f.bytes(1).expect("a string");
        let cut = russet_resp::up_to_nul(text);
        if cut.len() < text.len() {
            f.push_bytes(cut);
            f.replace(1);
        }
        let text = f.bytes(1).expect("a string");
        let digits = text.trim_ascii();
        let unsigned = digits.strip_prefix(b"-").unwrap_or(digits);
        let is_binary =
            unsigned.len() > 1 && unsigned[0] == b'0' && matches!(unsigned[1], b'b' | b'B');
        let has_suffix = matches!(
            unsigned.last(),
            Some(b'i' | b'I' | b'l' | b'L' | b'u' | b'U')
        ) && unsigned.first().is_some_and(u8::is_ascii_digit);
        if is_binary || has_suffix {
            f.push_nil();
            return Ok(1);
        }
    }
    f.set_top(1);
    f.push_value(Stack::upvalue(1));
    f.insert(1);
    if f.protected_call(f.top() - 1, 1, 0) {
        Ok(1)
    } else {
        Err(Raise::Top)
    }
}

/// The handler of errors that end a script: turns the error into a table and adds its place, the
/// innermost function that is neither native nor this handler.
pub(crate) fn error_handler(f: Frame<'_>) -> ReturnCount {
    f.set_top(1);
    if f.kind(1) != LuaType::Table {
        // As `tostring` would, for errors that are not tables.
        let text = match f.kind(1) {
            LuaType::String | LuaType::Number => f.bytes(1).unwrap_or(b""),
            LuaType::Boolean if f.boolean(1) => b"true",
            LuaType::Boolean => b"false",
            other => other.name().as_bytes(),
        };
        let text = match effort::check_room(f, 2 * text.len()) {
            Ok(()) => text,
            Err(_) => errors::NO_MEMORY.as_bytes(),
        };
        errors::push_error_line(f.stack, &[b"ERR ", text].concat());
        f.replace(1);
    }
    // Some of LuaJIT's own functions are Lua code as well, without line numbers.
    let is_own = |place: &CodePlace| place.is_native || place.line <= 0;
    let place = match f.place(1) {
        Some(place) if is_own(&place) => f.place(2),
        other => other,
    };
    let protected = guard::is_protected(f.stack, 1);
    if !protected {
        // After a tail call there is no place: use the script itself, line 1.
        let place = place.filter(|place| !is_own(place));
        let (source, line) = match &place {
            Some(place) => (place.source.as_slice(), place.line),
            None => (f.machine.chunk.get().to_bytes(), 1),
        };
        f.push_bytes(source);
        f.set_field(1, "source");
        f.push_number(f64::from(line));
        f.set_field(1, "line");
    }
    Ok(1)
}
