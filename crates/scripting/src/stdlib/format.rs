//! `string.format` as in Lua 5.1: refuses or cuts arguments that only LuaJIT accepts, as 5.1 does,
//! then calls LuaJIT's own.
//!
//!     %s  takes only strings and numbers, ends at a NUL unless it is long and has no precision
//!     %c  0 writes nothing             %q  writes \r and \000
//!     %p %a are invalid; flags, widths and precisions have bounds

use super::super::effort::check_room;
use super::super::errors::NO_MEMORY;
use super::super::lua::{Frame, LuaType, Raise, ReturnCount, Stack};
use russet_resp::up_to_nul;

/// A text of this length or more without a precision is inserted whole.
const WHOLE_MIN: usize = 100;

/// `string.format(format, ...)`. Its upvalue is LuaJIT's own.
pub fn format(f: Frame<'_>) -> ReturnCount {
    let wanted = f.string_argument(1)?;
    let count = f.top();
    let (mut at, mut argument) = (0, 1);
    // Parts of the format that `%s` replaces: start and length.
    let mut texts: Vec<(usize, usize)> = Vec::new();
    while let Some(found) = memchr::memchr(b'%', &wanted[at..]) {
        let start = at + found;
        if wanted.get(start + 1) == Some(&b'%') {
            at = start + 2;
            continue;
        }
        argument += 1;
        if argument > count {
            return Err(Raise::Argument(argument, "no value".into()));
        }
        let form = FormatSpec::scan(&wanted[start + 1..])?;
        at = start + 1 + form.len;
        match wanted.get(at) {
            Some(b's') => cut_text(f, argument, form)?,
            Some(b'q') => {
                quote(f, argument)?;
                texts.push((start, at + 1 - start));
            }
            Some(b'c') => {
                if f.int_argument(argument)? as u8 == 0 {
                    f.push_bytes(b"");
                    f.replace(argument);
                    texts.push((start, at + 1 - start));
                }
            }
            Some(b'd' | b'i' | b'o' | b'u' | b'x' | b'X' | b'e' | b'E' | b'f' | b'g' | b'G') => {
                f.number_argument(argument)?;
            }
            _ => {
                let option = &wanted[start..wanted.len().min(at + 1)];
                let option = String::from_utf8_lossy(up_to_nul(option)).into_owned();
                let text = format!("invalid option '{option}' to 'format'");
                return Err(Raise::text(text));
            }
        }
        at += 1;
    }
    if !texts.is_empty() {
        let (mut changed, mut from) = (Vec::with_capacity(wanted.len()), 0);
        for (start, len) in texts {
            changed.extend_from_slice(&wanted[from..start]);
            changed.extend_from_slice(b"%s");
            from = start + len;
        }
        changed.extend_from_slice(&wanted[from..]);
        f.push_bytes(&changed);
        f.replace(1);
    }
    f.push_value(Stack::upvalue(1));
    f.insert(1);
    if f.protected_call(count, 1, 0) {
        Ok(1)
    } else {
        Err(Raise::Top)
    }
}

/// Flags, width and precision after a `%`.
#[derive(Clone, Copy)]
struct FormatSpec {
    len: usize,
    has_precision: bool,
}

impl FormatSpec {
    fn scan(text: &[u8]) -> Result<FormatSpec, Raise> {
        const FLAGS: &[u8] = b"-+ #0";
        let flags = text.iter().take_while(|b| FLAGS.contains(b)).count();
        if flags > FLAGS.len() {
            return Err(Raise::text("invalid format (repeated flags)"));
        }
        let digits = |from: usize| {
            let rest = &text[from.min(text.len())..];
            rest.iter()
                .take(2)
                .take_while(|b| b.is_ascii_digit())
                .count()
        };
        let mut len = flags + digits(flags);
        let has_precision = text.get(len) == Some(&b'.');
        if has_precision {
            len += 1 + digits(len + 1);
        }
        if text.get(len).is_some_and(u8::is_ascii_digit) {
            let text = "invalid format (width or precision too long)";
            return Err(Raise::text(text));
        }
        Ok(FormatSpec { len, has_precision })
    }
}

/// Cuts a text at its first NUL, as C's `%s` does.
fn cut_text(f: Frame<'_>, at: i32, form: FormatSpec) -> Result<(), Raise> {
    let text = f.string_argument(at)?;
    let is_whole = !form.has_precision && text.len() >= WHOLE_MIN;
    let cut = up_to_nul(text);
    if !is_whole && cut.len() < text.len() {
        check_room(f, cut.len())?;
        f.push_bytes(cut);
        f.replace(at);
    }
    Ok(())
}

/// Replaces an argument by its quoted form, which Lua's parser reads back.
fn quote(f: Frame<'_>, at: i32) -> Result<(), Raise> {
    let text = f.string_argument(at)?;
    let escaped = |b: &u8| match b {
        b'"' | b'\\' | b'\n' | b'\r' => 2,
        0 => 4,
        _ => 1,
    };
    let len = 2 + text.iter().map(escaped).sum::<usize>();
    check_room(f, 2 * len)?;
    let mut out = Vec::with_capacity(len);
    out.push(b'"');
    for &b in text {
        match b {
            b'"' | b'\\' | b'\n' => out.extend_from_slice(&[b'\\', b]),
            b'\r' => out.extend_from_slice(b"\\r"),
            0 => out.extend_from_slice(b"\\000"),
            _ => out.push(b),
        }
    }
    out.push(b'"');
    f.push_bytes(&out);
    f.replace(at);
    Ok(())
}

/// `string.rep(text, count)`.
pub fn rep(f: Frame<'_>) -> ReturnCount {
    let text = f.string_argument(1)?;
    let count = usize::try_from(f.int_argument(2)? as i32).unwrap_or(0);
    match text.len().checked_mul(count) {
        Some(len) => {
            check_room(f, len.saturating_mul(2))?;
            f.push_bytes(&text.repeat(count));
        }
        None => return Err(Raise::Plain(NO_MEMORY.into())),
    }
    Ok(1)
}

/// `string.len(text)`.
pub fn len(f: Frame<'_>) -> ReturnCount {
    let text = f.string_argument(1)?;
    f.push_number(text.len() as f64);
    Ok(1)
}

/// `table.getn(table)`.
pub fn getn(f: Frame<'_>) -> ReturnCount {
    f.table_argument(1)?;
    f.push_number(f.len(1) as f64);
    Ok(1)
}

/// `assert(value, message)`: returns its arguments unless the first is false or nil.
pub fn assert(f: Frame<'_>) -> ReturnCount {
    let fails = match f.kind(1) {
        LuaType::None => return Err(Raise::Argument(1, "value expected".into())),
        LuaType::Nil => true,
        LuaType::Boolean => !f.boolean(1),
        _ => false,
    };
    if !fails {
        return Ok(f.top());
    }
    match f.kind(2) {
        LuaType::None | LuaType::Nil => Err(Raise::text("assertion failed!")),
        _ => {
            let message = up_to_nul(f.string_argument(2)?);
            // The message as raised, with its place in front, and in Lua.
            check_room(f, 3 * message.len())?;
            Err(Raise::Bytes(message.to_vec()))
        }
    }
}
