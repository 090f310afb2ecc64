//! The first line of a script or library: `#!lua name=... flags=...`.

use super::flags::Flags;
use russet_config::{Dialect, split};

/// The parsed first line of a script; the code begins at the end of that line, which keeps line
/// numbers unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shebang {
    pub flags: Flags,
    pub len: usize,
}

/// The shebang of an EVAL script; without a shebang the flags are [`Flags::COMPAT`].
pub fn of_script(body: &[u8], dialect: Dialect) -> Result<Shebang, Vec<u8>> {
    if !body.starts_with(b"#!") {
        return Ok(Shebang {
            flags: Flags::COMPAT,
            len: 0,
        });
    }
    let Some(len) = memchr::memchr(b'\n', body) else {
        return Err(b"Invalid script shebang".to_vec());
    };
    let words = split(&body[..len]).unwrap_or_default();
    let Some((engine, options)) = words.split_first() else {
        return Err(b"Invalid engine in script shebang".to_vec());
    };
    if !engine.eq_ignore_ascii_case(b"#!lua")
        || dialect.exact_engine() && engine.as_ref() != b"#!lua"
    {
        let (before, after) = dialect.unknown_engine();
        let engine = if dialect.exact_engine() {
            engine
        } else {
            &engine[2..]
        };
        return Err([&named(before, engine), after.as_bytes()].concat());
    }
    let mut flags = Flags::empty();
    for option in options {
        let Some(names) = option.strip_prefix(b"flags=") else {
            return Err(named("Unknown lua shebang option: ", option));
        };
        if names.is_empty() {
            continue;
        }
        for name in names.split(|b| *b == b',') {
            let flag = Flags::named(name);
            flags |= flag.ok_or_else(|| named("Unexpected flag in script shebang: ", name))?;
        }
    }
    Ok(Shebang { flags, len })
}

fn named(text: &str, word: &[u8]) -> Vec<u8> {
    [text.as_bytes(), russet_resp::up_to_nul(word)].concat()
}

/// The parsed first line of a library.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct LibraryHead {
    pub engine: Vec<u8>,
    pub name: Vec<u8>,
    /// Where the code begins.
    pub len: usize,
}

/// The shebang of a library; it is required.
pub(crate) fn of_library(code: &[u8]) -> Result<LibraryHead, Vec<u8>> {
    const MISSING: &[u8] = b"Missing library metadata";
    if !code.starts_with(b"#!") {
        return Err(MISSING.to_vec());
    }
    let invalid = || b"Invalid library metadata".to_vec();
    let len = memchr::memchr(b'\n', code).ok_or_else(invalid)?;
    let words = split(&code[..len]).ok_or_else(invalid)?;
    let (engine, options) = words.split_first().ok_or_else(invalid)?;
    let mut name = None;
    for option in options {
        let is_name = option.len() >= 5 && option[..5].eq_ignore_ascii_case(b"name=");
        if !is_name {
            return Err(named("Invalid metadata value given: ", option));
        }
        if name.is_some() {
            return Err(b"Invalid metadata value, name argument was given multiple times".to_vec());
        }
        name = Some(option[5..].to_vec());
    }
    Ok(LibraryHead {
        engine: engine[2..].to_vec(),
        name: name.ok_or_else(|| b"Library name was not given".to_vec())?,
        len,
    })
}
