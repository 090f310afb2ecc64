//! `find`, `match`, `gmatch` and `gsub` of `string`, by the matcher of `pattern`.
//!
//! LuaJIT's own functions cannot be interrupted; these ask the host now and then whether to
//! continue, and count copied bytes against the script's memory (`effort`). Offsets, truncations to
//! C's int and errors are Lua 5.1's: a pattern ends at its first NUL, a text does not. `gmatch`
//! keeps text, pattern and position in the upvalues of its iterator. A replacement function or a
//! metatable runs under protection, and its error ends `gsub`. Cost: that of the matcher, see
//! `pattern`.

use super::super::effort::{self, Effort, LONG, check_room};
use super::super::guard::push_real;
use super::super::lua::{Frame, LuaType, Raise, ReturnCount, Stack};
use super::format;
use super::pattern::{Capture, Matcher, Trouble, anchored, is_plain};
use russet_base::numbers::number::write_i64;
use russet_resp::up_to_nul;

/// Replaces these functions in the table on top.
pub fn install(stack: Stack) {
    stack.set_function(-1, "find", find);
    stack.set_function(-1, "match", matches);
    stack.set_function(-1, "gmatch", gmatch);
    stack.set_function(-1, "gfind", gmatch);
    stack.set_function(-1, "rep", format::rep);
    stack.set_function(-1, "len", format::len);
    stack.get_field(-1, "format");
    stack.push_closure(format::format, 1);
    stack.set_field(-2, "format");
    assert!(stack.load(b"local t, k = ... return t[k]", c"=gsub"), "Lua");
    stack.push_closure(gsub, 1);
    stack.set_field(-2, "gsub");
}

/// The error to raise for an aborted match.
fn raise(f: Frame<'_>, trouble: Trouble) -> Raise {
    match trouble {
        Trouble::Pattern(text) => Raise::text(text),
        Trouble::Stopped => effort::stopped(f),
    }
}

/// `string.find(text, pattern [, start [, plain]])`: start and end of the match, then captures.
fn find(f: Frame<'_>) -> ReturnCount {
    first(f, true)
}

/// `string.match(text, pattern [, start])`: the captures, or the whole match.
fn matches(f: Frame<'_>) -> ReturnCount {
    first(f, false)
}

fn first(f: Frame<'_>, places: bool) -> ReturnCount {
    let (text, pattern) = (f.string_argument(1)?, f.string_argument(2)?);
    let start = start_of(f.int_or(3, 1)?, text.len());
    // A pattern ends at its first NUL; a plain text to search for does not.
    let cut = up_to_nul(pattern);
    if places && (f.boolean(4) || is_plain(cut)) {
        match memchr::memmem::find(&text[start..], pattern) {
            Some(at) => {
                f.push_number((start + at + 1) as f64);
                f.push_number((start + at + pattern.len()) as f64);
                return Ok(2);
            }
            None => f.push_nil(),
        }
        return Ok(1);
    }
    let (pattern, is_anchored) = anchored(cut);
    let mut is_over = || f.is_stopped();
    let mut matcher = Matcher::new(text, pattern, &mut is_over);
    let found = matcher.find(start, is_anchored);
    let Some(whole) = found.map_err(|trouble| raise(f, trouble))? else {
        f.push_nil();
        return Ok(1);
    };
    if !places {
        return push_captures(f, &matcher, text, whole, true);
    }
    f.push_number((whole.0 + 1) as f64);
    f.push_number(whole.1 as f64);
    push_captures(f, &matcher, text, whole, false).map(|count| count + 2)
}

/// The start of a search as an offset: `at` counts from 1, or from the end if negative.
fn start_of(at: i64, len: usize) -> usize {
    let from_end = len as i64 + at.saturating_add(1);
    let at = if at < 0 { from_end.max(0) } else { at };
    usize::try_from(at.saturating_sub(1)).map_or(0, |at| at.min(len))
}

/// Pushes all captures; without captures, and if `whole`, the whole match.
fn push_captures(
    f: Frame<'_>,
    matcher: &Matcher<'_, '_>,
    text: &[u8],
    found: (usize, usize),
    whole: bool,
) -> ReturnCount {
    let count = match matcher.captures.len() {
        0 if whole => 1,
        count => count,
    };
    if !f.has_room(count as i32 + 1) {
        return Err(Raise::text("stack overflow (too many captures)"));
    }
    for n in 0..count {
        push_capture(f, matcher, text, found, n)?;
    }
    Ok(count as i32)
}

fn push_capture(
    f: Frame<'_>,
    matcher: &Matcher<'_, '_>,
    text: &[u8],
    found: (usize, usize),
    n: usize,
) -> Result<(), Raise> {
    match matcher
        .capture(n, found)
        .map_err(|trouble| raise(f, trouble))?
    {
        Capture::Text { start, len } => {
            if len >= LONG {
                check_room(f, len)?;
            }
            f.push_bytes(&text[start..start + len]);
        }
        Capture::Position(at) => f.push_number((at + 1) as f64),
        Capture::Open(_) => unreachable!("is an error"),
    }
    Ok(())
}

/// `string.gmatch(text, pattern)`: an iterator over all matches.
fn gmatch(f: Frame<'_>) -> ReturnCount {
    f.string_argument(1)?;
    f.string_argument(2)?;
    f.set_top(2);
    f.push_number(0.0);
    f.push_closure(next_match, 3);
    Ok(1)
}

fn next_match(f: Frame<'_>) -> ReturnCount {
    let text = f.bytes(Stack::upvalue(1)).expect("a string");
    let pattern = up_to_nul(f.bytes(Stack::upvalue(2)).expect("a string"));
    let from = f.number(Stack::upvalue(3)) as usize;
    if from > text.len() {
        return Ok(0);
    }
    let mut is_over = || f.is_stopped();
    let mut matcher = Matcher::new(text, pattern, &mut is_over);
    let found = matcher.find(from, false);
    let Some((start, end)) = found.map_err(|trouble| raise(f, trouble))? else {
        return Ok(0);
    };
    // After an empty match the next match begins a character further.
    let next = if end == start { end + 1 } else { end };
    f.push_number(next as f64);
    f.replace(Stack::upvalue(3));
    push_captures(f, &matcher, text, (start, end), true)
}

/// `string.gsub(text, pattern, replacement [, most])`: the text with matches replaced, and their
/// number.
fn gsub(f: Frame<'_>) -> ReturnCount {
    let (text, pattern) = (f.string_argument(1)?, f.string_argument(2)?);
    let kind = f.kind(3);
    let most = f.int_or(4, text.len() as i64 + 1)?;
    // Truncated to a C int.
    let most = i64::from(most as i32);
    if !matches!(
        kind,
        LuaType::Number | LuaType::String | LuaType::Function | LuaType::Table
    ) {
        let reason = "string/function/table expected";
        return Err(Raise::Argument(3, reason.into()));
    }
    let (pattern, is_anchored) = anchored(up_to_nul(pattern));
    let mut is_over = || f.is_stopped();
    let mut matcher = Matcher::new(text, pattern, &mut is_over);
    let mut out = Vec::new();
    let (mut at, mut count) = (0, 0);
    while count < most {
        let end = matcher.match_at(at).map_err(|trouble| raise(f, trouble))?;
        if let Some(end) = end {
            count += 1;
            replace(f, kind, &matcher, text, (at, end), &mut out)?;
            effort::check_copied(f, out.len())?;
        }
        match end {
            Some(end) if end > at => at = end,
            _ if at < text.len() => {
                out.push(text[at]);
                at += 1;
            }
            _ => break,
        }
        if is_anchored {
            break;
        }
    }
    out.extend_from_slice(&text[at..]);
    f.push_bytes(&out);
    f.push_number(count as f64);
    Ok(2)
}

/// Appends the replacement of a match.
fn replace(
    f: Frame<'_>,
    kind: LuaType,
    matcher: &Matcher<'_, '_>,
    text: &[u8],
    found: (usize, usize),
    out: &mut Vec<u8>,
) -> Result<(), Raise> {
    let top = f.top();
    let whole = &text[found.0..found.1];
    match kind {
        LuaType::Function => {
            f.push_value(3);
            let count = push_captures(f, matcher, text, found, true)?;
            if !f.protected_call(count, 1, 0) {
                return Err(Raise::Top);
            }
        }
        LuaType::Table => {
            push_capture(f, matcher, text, found, 0)?;
            look_up(f)?;
        }
        _ => return fill_in(f, matcher, text, found, out),
    }
    match f.kind(-1) {
        LuaType::Nil => out.extend_from_slice(whole),
        LuaType::Boolean if !f.boolean(-1) => out.extend_from_slice(whole),
        LuaType::String | LuaType::Number => out.extend_from_slice(f.bytes(-1).expect("a string")),
        other => {
            let name = other.name();
            let text = format!("invalid replacement value (a {name})");
            return Err(Raise::text(text));
        }
    }
    f.set_top(top);
    Ok(())
}

/// Replaces the key on top by its value in the table of argument 3, which may have a metatable.
fn look_up(f: Frame<'_>) -> Result<(), Raise> {
    if push_real(f.stack, 3) {
        f.insert(-2);
        f.raw_get(-2);
        return Ok(());
    }
    if !f.metatable(3) {
        f.raw_get(3);
        return Ok(());
    }
    f.pop(1);
    f.push_value(Stack::upvalue(1));
    f.insert(-2);
    f.push_value(3);
    f.insert(-2);
    if f.protected_call(2, 1, 0) {
        Ok(())
    } else {
        Err(Raise::Top)
    }
}

/// Appends the replacement text of argument 3, in which `%1` is the first capture.
fn fill_in(
    f: Frame<'_>,
    matcher: &Matcher<'_, '_>,
    text: &[u8],
    found: (usize, usize),
    out: &mut Vec<u8>,
) -> Result<(), Raise> {
    let replacement = f.bytes(3).expect("a string");
    let mut effort = Effort::new(f);
    let mut at = 0;
    while at < replacement.len() {
        let c = replacement[at];
        at += 1;
        effort.step(2 * out.len())?;
        if c != b'%' {
            out.push(c);
            continue;
        }
        let escaped = replacement.get(at).copied().unwrap_or(0);
        at += 1;
        match escaped {
            b'0' => {
                effort::check_copied(f, out.len() + found.1 - found.0)?;
                out.extend_from_slice(&text[found.0..found.1]);
            }
            b'1'..=b'9' => {
                let captured = matcher.capture(usize::from(escaped - b'1'), found);
                match captured.map_err(|trouble| raise(f, trouble))? {
                    Capture::Text { start, len } => {
                        effort::check_copied(f, out.len() + len)?;
                        out.extend_from_slice(&text[start..start + len]);
                    }
                    Capture::Position(at) => write_i64(out, at as i64 + 1),
                    Capture::Open(_) => unreachable!("is an error"),
                }
            }
            other => out.push(other),
        }
    }
    Ok(())
}
