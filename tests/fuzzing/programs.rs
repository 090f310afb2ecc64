//! Small hostile Lua programs: every function of every library, with extreme numbers, with shared,
//! cyclic or deep tables, with doubling texts and coroutines.
//!
//! A program is a list of statements over a few values. Each statement catches its own errors, so
//! the statements after an error run as well, and any statement can be left out.

use std::cell::RefCell;
use std::sync::atomic::Ordering;

use super::input::Input;
use russet_commands::testbed::{AllCommands as _, Testbed};

/// Values that statements share: `v[1]` to `v[VALUES]`.
const VALUES: usize = 6;
const STATEMENTS_MAX: usize = 7;

/// The text before the statements.
pub const PROLOGUE: &str = "local v, _ = {1, 'a', {}, 0/0, string.rep, {1, 2, 3}}";

const NUMBERS: [&str; 34] = [
    "0",
    "1",
    "-1",
    "2",
    "3",
    "7",
    "8",
    "16",
    "31",
    "32",
    "33",
    "64",
    "255",
    "1000",
    "-0",
    "0/0",
    "1/0",
    "-1/0",
    "0.5",
    "-1.5",
    "1e300",
    "-1e300",
    "5e-324",
    "2147483647",
    "2147483648",
    "-2147483648",
    "-2147483649",
    "4294967295",
    "4294967296",
    "9007199254740992",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "65536",
];

/// Texts: short texts, formats, patterns, input of the libraries, names of keys.
const TEXTS: [&str; 36] = [
    "''",
    "'a'",
    "'abc'",
    "'\\0'",
    "'\\255\\0\\1'",
    "'10'",
    "'0x7fffffffffffffff'",
    "'1e309'",
    "'%s'",
    "'%d'",
    "'%q'",
    "'%5.3f'",
    "'%99.99s'",
    "'%c%c'",
    "'.-b'",
    "'(.-)%1'",
    "'[^%w]*'",
    "'%b()'",
    "'%f[%a]'",
    "'(a?)(b*)()'",
    "'[a-z%d'",
    "'i4i8f'",
    "'>!8b'",
    "'c0s'",
    "'c2147483647'",
    "'[1,2,{\"a\":null}]'",
    "'{\"a\":[[[[]]]]}'",
    "'\\221\\255\\255\\255\\255'",
    "'\\129\\1\\2'",
    "'return 1'",
    "'return function() return 1 end'",
    "'local a = {} a.x = a return a'",
    "'text'",
    "'number'",
    "'list'",
    "'hash'",
];

const FUNCTIONS: [&str; 89] = [
    "string.byte",
    "string.char",
    "string.find",
    "string.format",
    "string.gmatch",
    "string.gsub",
    "string.len",
    "string.lower",
    "string.match",
    "string.rep",
    "string.reverse",
    "string.sub",
    "string.upper",
    "string.dump",
    "string.gfind",
    "table.concat",
    "table.insert",
    "table.maxn",
    "table.remove",
    "table.sort",
    "table.foreach",
    "table.foreachi",
    "table.getn",
    "math.abs",
    "math.ceil",
    "math.deg",
    "math.exp",
    "math.floor",
    "math.fmod",
    "math.frexp",
    "math.huge",
    "math.ldexp",
    "math.log",
    "math.log10",
    "math.max",
    "math.min",
    "math.modf",
    "math.pow",
    "math.random",
    "math.randomseed",
    "math.sqrt",
    "math.tan",
    "bit.arshift",
    "bit.band",
    "bit.bnot",
    "bit.bor",
    "bit.bswap",
    "bit.bxor",
    "bit.lshift",
    "bit.rol",
    "bit.ror",
    "bit.rshift",
    "bit.tobit",
    "bit.tohex",
    "struct.pack",
    "struct.unpack",
    "struct.size",
    "cjson.encode",
    "cjson.decode",
    "cjson.encode_sparse_array",
    "cjson.encode_max_depth",
    "cjson.decode_max_depth",
    "cjson.encode_number_precision",
    "cjson.encode_invalid_numbers",
    "cmsgpack.pack",
    "cmsgpack.unpack",
    "cmsgpack.unpack_one",
    "cmsgpack.unpack_limit",
    "redis.sha1hex",
    "redis.error_reply",
    "redis.status_reply",
    "redis.setresp",
    "redis.log",
    "redis.acl_check_cmd",
    "coroutine.create",
    "coroutine.resume",
    "coroutine.status",
    "coroutine.wrap",
    "tostring",
    "tonumber",
    "type",
    "next",
    "pairs",
    "ipairs",
    "rawget",
    "rawset",
    "rawequal",
    "select",
    "unpack",
];

/// Functions that compile, call back or change the behaviour of values.
const DEEPER: [&str; 12] = [
    "pcall",
    "xpcall",
    "loadstring",
    "load",
    "setmetatable",
    "getmetatable",
    "assert",
    "error",
    "collectgarbage",
    "os.clock",
    "getfenv",
    "setfenv",
];

/// Commands that read, or write little.
const COMMANDS: [&str; 16] = [
    "'GET','text'",
    "'MGET','text','text','text','text','text','text','text','text'",
    "'LRANGE','list',0,-1",
    "'HGETALL','hash'",
    "'SMEMBERS','set'",
    "'ZRANGE','zset',0,-1,'WITHSCORES'",
    "'SORT','list','BY','nosort','GET','text'",
    "'ECHO',%",
    "'GETRANGE','text',%,%",
    "'SET','small',1",
    "'INCRBY','number',%",
    "'COMMAND','DOCS','GET'",
    "'LRANGE','list',%,%",
    "'SCAN',%",
    "'HRANDFIELD','hash',%",
    "'SRANDMEMBER','set',%",
];

/// Whether programs may run without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Length {
    /// They end within a second.
    Short,
    Any,
}

/// The statements of the program that these bytes encode.
pub fn statements(bytes: &[u8], length: Length) -> Vec<String> {
    let mut writer = ProgramWriter {
        input: Input::new(bytes),
        length,
    };
    let count = 1 + writer.input.below(STATEMENTS_MAX);
    let mut all: Vec<String> = (1..count).map(|_| writer.statement()).collect();
    all.push(writer.end());
    all
}

/// The text of a program.
pub fn text(statements: &[String]) -> String {
    let mut text = PROLOGUE.to_owned();
    for statement in statements {
        text.push('\n');
        text.push_str(statement);
    }
    text
}

struct ProgramWriter<'b> {
    input: Input<'b>,
    length: Length,
}

impl ProgramWriter<'_> {
    fn chance(&mut self, percent: usize) -> bool {
        self.input.below(100) < percent
    }

    fn place(&mut self) -> String {
        format!("v[{}]", 1 + self.input.below(VALUES))
    }

    fn number(&mut self) -> String {
        self.input.pick(&NUMBERS).to_owned()
    }

    fn value(&mut self) -> String {
        match self.input.below(16) {
            0..=5 => self.place(),
            6..=8 => self.number(),
            9..=11 => self.input.pick(&TEXTS).to_owned(),
            12 => "{}".to_owned(),
            13 => ["nil", "true", "false", "cjson.null"][self.input.below(4)].to_owned(),
            14 => self.function(),
            _ => format!(
                "{{{}, {}, a = {}}}",
                self.place(),
                self.number(),
                self.place()
            ),
        }
    }

    fn function(&mut self) -> String {
        let inner = self.input.below(6);
        match inner {
            0 => self.input.pick(&FUNCTIONS).to_owned(),
            1 => format!("function(...) return {} end", self.place()),
            2 => "function(...) return ... end".to_owned(),
            3 => format!("function(...) error({}) end", self.place()),
            4 => "function(...) return coroutine.yield(...) end".to_owned(),
            _ => format!(
                "function(a, b) return a {} b end",
                ["<", "..", "+", "=="][self.input.below(4)]
            ),
        }
    }

    fn arguments(&mut self) -> String {
        let count = self.input.below(5);
        let all: Vec<String> = (0..count).map(|_| self.value()).collect();
        all.join(", ")
    }

    fn call(&mut self) -> String {
        let function = if self.chance(15) {
            self.input.pick(&DEEPER)
        } else {
            self.input.pick(&FUNCTIONS)
        };
        let arguments = self.arguments();
        if arguments.is_empty() {
            format!("_, {} = pcall({function})", self.place())
        } else {
            format!("_, {} = pcall({function}, {arguments})", self.place())
        }
    }

    fn command(&mut self) -> String {
        let pattern = self.input.pick(&COMMANDS);
        let mut words = String::new();
        for part in pattern.split_inclusive('%') {
            match part.strip_suffix('%') {
                Some(part) => {
                    words.push_str(part);
                    words.push_str(&self.value());
                }
                None => words.push_str(part),
            }
        }
        format!("{} = redis.pcall({words})", self.place())
    }

    /// A number of repetitions.
    fn times(&mut self) -> &'static str {
        let all = match self.length {
            Length::Short => &["3", "10", "100"][..],
            Length::Any => &["3", "10", "100", "10000", "1e6", "1e18"],
        };
        self.input.pick(all)
    }

    /// A number of doublings.
    fn doublings(&mut self) -> usize {
        match self.length {
            Length::Short => 3 + self.input.below(7),
            Length::Any => self.input.pick(&[3, 6, 10, 14, 20, 24, 40]),
        }
    }

    fn statement(&mut self) -> String {
        let place = self.place();
        match self.input.below(24) {
            0..=9 => self.call(),
            10 | 11 => self.command(),
            12 => format!("{place} = {}", self.value()),
            // A table that contains itself, or contains the same table many times.
            13 => format!(
                "if type({place}) == 'table' then pcall(rawset, {place}, {}, {place}) end",
                self.number()
            ),
            14 => format!(
                "for _ = 1, {} do {place} = {{{place}, {place}}} end",
                self.doublings()
            ),
            15 => format!(
                "for _ = 1, {} do {place} = {{[{}] = {place}}} end",
                self.times(),
                self.input
                    .pick(&["1", "'map'", "'set'", "'err'", "'ok'", "'a'"])
            ),
            16 => format!(
                "_ = pcall(function() local s = {place} for _ = 1, {} do s = s .. s end {place} = s end)",
                self.doublings()
            ),
            17 => {
                let inner = self.inner();
                format!("for _ = 1, {} do {inner} end", self.times())
            }
            18 if self.length == Length::Any => {
                let inner = self.inner();
                format!("while true do {inner} end")
            }
            18 | 19 => {
                let (body, again) = (self.inner(), self.place());
                format!(
                    "_, {place} = pcall(coroutine.wrap(function(...) {body} coroutine.yield({again}) return ... end), {})",
                    self.value()
                )
            }
            20 => format!(
                "_, {place} = pcall(setmetatable, {{}}, {{{} = {}}})",
                self.input.pick(&[
                    "__index",
                    "__newindex",
                    "__call",
                    "__tostring",
                    "__concat",
                    "__len",
                    "__eq",
                    "__lt",
                    "__add",
                    "__unm",
                    "__gc",
                    "__mode",
                    "__metatable"
                ]),
                self.value()
            ),
            21 => format!(
                "_, {place} = pcall(function(a, b) return a {} b end, {}, {})",
                self.input
                    .pick(&["+", "-", "*", "/", "%", "^", "..", "<", "<=", "=="]),
                self.value(),
                self.value()
            ),
            22 => format!(
                "_, {place} = pcall(function(a) return {} end, {})",
                self.input.pick(&[
                    "-a",
                    "#a",
                    "a.x",
                    "a[1]",
                    "a()",
                    "a:len()",
                    "{unpack(a)}",
                    "tostring(a)"
                ]),
                self.value()
            ),
            _ => {
                let body = self.inner();
                format!(
                    "local function f(n) {body} if n > 0 then return f(n - 1) end end pcall(f, {})",
                    self.times()
                )
            }
        }
    }

    /// A statement inside another statement.
    fn inner(&mut self) -> String {
        if self.chance(80) {
            self.call()
        } else {
            self.command()
        }
    }

    fn end(&mut self) -> String {
        match self.input.below(6) {
            0 => format!("error({})", self.place()),
            1 => "return v".to_owned(),
            2 => format!("return redis.call('ECHO', {})", self.place()),
            _ => format!("return {}", self.place()),
        }
    }
}

thread_local! {
    static BED: RefCell<Testbed> = RefCell::new(bed());
}

/// A server that stops slow scripts by the watcher's signal, and rolls them back.
fn bed() -> Testbed {
    let mut bed = Testbed::unheard();
    let server = &mut bed.engine.server;
    server.config.script_memory_limit = 16 << 20;
    server.config.script_rollback = true;
    server.shutdown.signals.stop.store(1, Ordering::Release);
    bed
}

/// Runs a program: the reply is complete, and the Lua state still works.
pub fn programs(bytes: &[u8]) {
    // Tests share the thread that watches for slow scripts, so their programs must end by
    // themselves.
    let length = if cfg!(test) {
        Length::Short
    } else {
        Length::Any
    };
    let program = text(&statements(bytes, length));
    BED.with_borrow_mut(|bed| {
        let reply = bed.run_args(&[b"EVAL", program.as_bytes(), b"0"]);
        assert!(reply.ends_with(b"\r\n"), "a whole reply");
        let alive = bed.run_args(&[b"EVAL", b"return 1", b"0"]);
        assert_eq!(alive, b":1\r\n", "{program}");
    });
}
