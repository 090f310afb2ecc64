//! Compiles text to a function; first rewrites syntax that Lua 5.1 accepts and LuaJIT does not.
//!
//!   - `'\/'`: 5.1 drops the backslash before a character that is no escape; so do we.
//!   - `return redis.call(...)`: LuaJIT loses the caller in a tail call, and with it the line of
//!     an error. Calls of functions that return one value are put in parentheses:
//!     `return (redis.call(...))`; other calls become `return select(1, ...)`.
//!
//! Line numbers do not change. O(length), once per script.

use std::borrow::Cow;
use std::ffi::CStr;
use std::sync::OnceLock;

use super::guard;
use super::lua::Stack;

/// Compiles `code` and pushes the function, or returns the compiler's message.
pub fn load(stack: Stack, code: &[u8], name: &CStr) -> Result<(), Vec<u8>> {
    if !stack.load(&repaired(code), name) {
        let message = stack.bytes(-1).unwrap_or(b"").to_vec();
        stack.pop(1);
        return Err(message);
    }
    if assigns_globals(&stack.dump(), global_assignment()) {
        guard::push_globals(stack);
        stack.set_globals(-2);
    }
    Ok(())
}

/// The opcode of a global assignment in this LuaJIT: that of the second instruction of `a=1`.
static GLOBAL_ASSIGNMENT: OnceLock<u8> = OnceLock::new();

fn global_assignment() -> u8 {
    *GLOBAL_ASSIGNMENT.get_or_init(|| {
        let lua = super::lua::Lua::new(1 << 20);
        let stack = lua.stack();
        assert!(stack.load(b"a=1", c"=a"), "LuaJIT compiles");
        let code = stack.dump();
        stack.set_top(0);
        let mut prototypes = Prototypes::new(&code);
        let instructions = prototypes.next().expect("one function");
        instructions[4]
    })
}

/// Whether any function in a dump assigns to a global.
fn assigns_globals(dump: &[u8], operation: u8) -> bool {
    let mut functions = Prototypes::new(dump);
    functions.any(|code| code.chunks_exact(4).any(|i| i[0] == operation))
}

/// The instructions of each function in a dump of byte code.
///
///     ESC L J version flags [length name]  (length function)* 0
///     function = flags params frame upvalues gc-constants numbers count [debug] instructions ...
///
/// Lengths and counts are varints of seven bits a byte.
struct Prototypes<'c> {
    rest: &'c [u8],
    stripped: bool,
}

impl<'c> Prototypes<'c> {
    fn new(dump: &'c [u8]) -> Prototypes<'c> {
        let mut rest = &dump[4..];
        let flags = number(&mut rest);
        let stripped = flags & 2 != 0;
        if !stripped {
            let len = number(&mut rest);
            rest = &rest[len..];
        }
        Prototypes { rest, stripped }
    }
}

fn number(rest: &mut &[u8]) -> usize {
    let (mut n, mut shift) = (0, 0);
    loop {
        let byte = rest[0];
        *rest = &rest[1..];
        n |= usize::from(byte & 0x7f) << shift;
        shift += 7;
        if byte < 0x80 {
            return n;
        }
    }
}

impl<'c> Iterator for Prototypes<'c> {
    type Item = &'c [u8];

    fn next(&mut self) -> Option<&'c [u8]> {
        let len = number(&mut self.rest);
        if len == 0 {
            return None;
        }
        let mut function = &self.rest[..len];
        self.rest = &self.rest[len..];
        function = &function[4..];
        number(&mut function);
        number(&mut function);
        let count = number(&mut function);
        if !self.stripped && number(&mut function) > 0 {
            number(&mut function);
            number(&mut function);
        }
        Some(&function[..4 * count])
    }
}

/// Functions, Lua's and ours, that return any number of values.
const SEVERAL: [&[u8]; 18] = [
    b"xpcall",
    b"unpack",
    b"select",
    b"assert",
    b"next",
    b"pairs",
    b"ipairs",
    b"load",
    b"loadstring",
    b"string.find",
    b"string.match",
    b"string.gsub",
    b"string.byte",
    b"math.modf",
    b"math.frexp",
    b"cmsgpack.unpack",
    b"struct.unpack",
    b"cjson.encode_sparse_array",
];

/// Other functions that always return at most one value.
const SINGLE: [&[u8]; 10] = [
    b"error",
    b"tonumber",
    b"tostring",
    b"type",
    b"setmetatable",
    b"getmetatable",
    b"rawget",
    b"rawset",
    b"gcinfo",
    b"collectgarbage",
];

/// Libraries whose other functions return at most one value.
const SINGLE_IN: [&[u8]; 8] = [
    b"redis.", b"server.", b"cjson.", b"bit.", b"string.", b"table.", b"math.", b"struct.",
];

/// The wrapper around a call in tail position, which makes it an ordinary call.
#[derive(Clone, Copy)]
enum Wrap {
    /// Passes all values through.
    Select,
    Parenthesis,
}

impl Wrap {
    fn text(self) -> &'static [u8] {
        match self {
            Wrap::Select => b"select(1,",
            Wrap::Parenthesis => b"(",
        }
    }
}

/// The wrapper for a call of this function, if the function is known.
fn wrap_of(name: &[u8]) -> Option<Wrap> {
    let several = SEVERAL.contains(&name) || name.starts_with(b"cmsgpack.unpack");
    if several {
        return Some(Wrap::Select);
    }
    let is_single = SINGLE.contains(&name)
        || name == b"cmsgpack.pack"
        || SINGLE_IN.iter().any(|library| name.starts_with(library));
    is_single.then_some(Wrap::Parenthesis)
}

/// A change of the text at `at`: an insertion before that byte, or the deletion of that byte.
struct Edit {
    at: u32,
    what: Change,
}

#[derive(Clone, Copy)]
enum Change {
    Delete,
    Open(Wrap),
    Close,
}

fn repaired(code: &[u8]) -> Cow<'_, [u8]> {
    // Places have 32 bits: LuaJIT takes no longer text either.
    if u32::try_from(code.len()).is_err() {
        return Cow::Borrowed(code);
    }
    let mut edits = Vec::new();
    Scanner {
        code,
        at: 0,
        depth: 0,
        tails: Vec::new(),
        shadowed: Vec::new(),
        edits: &mut edits,
    }
    .scan();
    if edits.is_empty() {
        return Cow::Borrowed(code);
    }
    edits.sort_by_key(|edit| edit.at);
    let (mut out, mut from) = (Vec::with_capacity(code.len() + edits.len()), 0);
    for Edit { at, what } in edits {
        let at = at as usize;
        out.extend_from_slice(&code[from..at]);
        from = at;
        match what {
            Change::Delete => from += 1,
            Change::Open(wrap) => out.extend_from_slice(wrap.text()),
            Change::Close => out.push(b')'),
        }
    }
    out.extend_from_slice(&code[from..]);
    Cow::Owned(out)
}

struct Scanner<'c> {
    code: &'c [u8],
    at: usize,
    /// Open parentheses.
    depth: usize,
    /// Open tail calls: the place where the call begins, the depth, and the wrapper.
    tails: Vec<(usize, usize, Wrap)>,
    /// Cache: names, and whether the script declares a local of the same name.
    shadowed: Vec<(&'c [u8], bool)>,
    edits: &'c mut Vec<Edit>,
}

impl<'c> Scanner<'c> {
    fn peek(&self, ahead: usize) -> u8 {
        self.code.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn scan(&mut self) {
        while self.at < self.code.len() {
            match self.peek(0) {
                b'-' if self.peek(1) == b'-' => self.skip_comment(),
                quote @ (b'\'' | b'"') => self.string(quote),
                b'[' if self.bracket_level().is_some() => self.skip_long(),
                b'(' => {
                    self.depth += 1;
                    self.at += 1;
                }
                b')' => self.close(),
                b if is_word(b) => self.word(),
                _ => self.at += 1,
            }
        }
    }

    /// The level of the long bracket that opens here.
    fn bracket_level(&self) -> Option<usize> {
        let equals = self.code[self.at + 1..]
            .iter()
            .take_while(|b| **b == b'=')
            .count();
        (self.peek(1 + equals) == b'[').then_some(equals)
    }

    fn skip_long(&mut self) {
        let level = self.bracket_level().expect("a long bracket");
        let end = [&b"]"[..], &b"=".repeat(level), b"]"].concat();
        let from = self.at + level + 2;
        let found = memchr::memmem::find(&self.code[from..], &end);
        self.at = found.map_or(self.code.len(), |n| from + n + end.len());
    }

    fn skip_comment(&mut self) {
        self.at += 2;
        if self.peek(0) == b'[' && self.bracket_level().is_some() {
            return self.skip_long();
        }
        let rest = &self.code[self.at..];
        self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    }

    fn string(&mut self, quote: u8) {
        self.at += 1;
        while self.at < self.code.len() {
            match self.peek(0) {
                b if b == quote => {
                    self.at += 1;
                    return;
                }
                b'\n' => return,
                b'\\' => {
                    let escaped = self.peek(1);
                    let is_known = matches!(
                        escaped,
                        b'a' | b'b' | b'f' | b'n' | b'r' | b't' | b'v' | b'\\' | b'"' | b'\''
                    );
                    let is_known = is_known || matches!(escaped, b'\n' | b'\r' | b'0'..=b'9');
                    if !is_known && self.at + 1 < self.code.len() && escaped != 0 {
                        self.edit(self.at, Change::Delete);
                    }
                    self.at += 2;
                }
                _ => self.at += 1,
            }
        }
    }

    fn word(&mut self) {
        let start = self.at;
        self.at += self.code[start..]
            .iter()
            .take_while(|b| is_word(**b))
            .count();
        if &self.code[start..self.at] != b"return" {
            return;
        }
        self.skip_blanks();
        let call = self.at;
        let name_len = self.code[call..]
            .iter()
            .take_while(|b| is_word(**b) || **b == b'.')
            .count();
        let (code, name) = (self.code, &self.code[call..call + name_len]);
        if let Some(wrap) = wrap_of(name).filter(|_| !self.is_shadowed(name)) {
            let rest = &code[call + name_len..];
            let blanks = rest.iter().take_while(|b| **b == b' ').count();
            if rest.get(blanks) == Some(&b'(') {
                self.tails.push((call, self.depth, wrap));
                self.at = call + name_len + blanks;
            }
        }
    }

    fn edit(&mut self, at: usize, what: Change) {
        let at = at as u32;
        self.edits.push(Edit { at, what });
    }

    /// Whether the script declares a local of this name. The text is searched once for each of the
    /// few names that [`wrap_of`] knows.
    fn is_shadowed(&mut self, name: &'c [u8]) -> bool {
        let root = name.split(|b| *b == b'.').next().unwrap_or(name);
        let mut known = self.shadowed.iter();
        if let Some((_, is_shadowed)) = known.find(|(known, _)| *known == root) {
            return *is_shadowed;
        }
        let local = [b"local ", root].concat();
        let is_shadowed = memchr::memmem::find(self.code, &local).is_some();
        self.shadowed.push((root, is_shadowed));
        is_shadowed
    }

    fn skip_blanks(&mut self) {
        while self.peek(0).is_ascii_whitespace() {
            self.at += 1;
        }
    }

    fn close(&mut self) {
        self.at += 1;
        self.depth = self.depth.saturating_sub(1);
        let Some(&(call, depth, wrap)) = self.tails.last() else {
            return;
        };
        if depth != self.depth {
            return;
        }
        self.tails.pop();
        let end = self.at;
        loop {
            self.skip_blanks();
            if self.peek(0) == b'-' && self.peek(1) == b'-' {
                self.skip_comment();
            } else {
                break;
            }
        }
        let rest = &self.code[self.at..];
        let word = &rest[..rest.iter().take_while(|b| is_word(**b)).count()];
        let is_last = rest.is_empty()
            || rest[0] == b';'
            || [&b"end"[..], b"else", b"elseif", b"until"].contains(&word);
        if is_last {
            self.edit(call, Change::Open(wrap));
            self.edit(end, Change::Close);
        }
    }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put_right(code: &str) -> String {
        String::from_utf8(repaired(code.as_bytes()).into_owned()).expect("text")
    }

    #[test]
    fn a_backslash_before_what_is_no_escape_goes() {
        assert_eq!(put_right(r"x='\/\.\d\n\\\'\65'"), r"x='/.d\n\\\'\65'");
        assert_eq!(put_right(r"x=[[\/]] --'\/"), r"x=[[\/]] --'\/");
        assert_eq!(put_right("x=\"\\x41\\z\""), "x=\"x41z\"");
    }

    #[test]
    fn calls_of_one_value_are_no_tail_calls() {
        let same = ["return redis.call('get', k) or 0", "return f(1)", "x=1"];
        for code in same {
            assert_eq!(put_right(code), code);
        }
        assert_eq!(
            put_right("return redis.call('set', ')', (1))"),
            "return (redis.call('set', ')', (1)))"
        );
        assert_eq!(
            put_right("if x then return error('a') -- b\nend return 1"),
            "if x then return (error('a')) -- b\nend return 1"
        );
        assert_eq!(
            put_right("return redis.call('a', (function() return error('x') end)())"),
            "return (redis.call('a', (function() return (error('x')) end)()))"
        );
    }

    /// Each call used to search the whole text: a minute for this text.
    #[test]
    fn many_calls_at_ends_cost_as_much_as_they_are() {
        let code = "return bit.x(1)\n".repeat(200_000);
        let began = std::time::Instant::now();
        let right = repaired(code.as_bytes());
        // Only the last call gets parentheses.
        assert_eq!(right.len(), code.len() + 2);
        assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
    }

    #[test]
    fn calls_of_several_values_give_all_of_them() {
        assert_eq!(
            put_right("return unpack(t), 1; -- x"),
            "return unpack(t), 1; -- x"
        );
        assert_eq!(put_right("return unpack(t)"), "return select(1,unpack(t))");
        let own = "local table = {two = f} return table.two()";
        assert_eq!(put_right(own), own);
        assert_eq!(
            put_right("return string.find(a, string.sub(b))"),
            "return select(1,string.find(a, string.sub(b)))"
        );
    }

    #[test]
    fn assignments_to_globals_are_found_in_nested_functions() {
        let lua = super::super::lua::Lua::new(1 << 20);
        let stack = lua.stack();
        let assigns = |code: &str| {
            assert!(stack.load(code.as_bytes(), c"=x"));
            let found = assigns_globals(&stack.dump(), global_assignment());
            stack.pop(1);
            found
        };
        assert!(assigns("x = 1"));
        assert!(assigns(
            "local function f() return function() print = 1 end end"
        ));
        assert!(assigns("local a = 'long' function f() end"));
        assert!(!assigns(
            "local x = y; x = {a = 1}; x.b = z; return function() x = 3 end"
        ));
    }
}
