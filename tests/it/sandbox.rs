//! Known escapes from the sandbox of Redis's scripts, and scripts that exhaust resources: each
//! script gets an error, and the daemon survives.

use std::time::{Duration, Instant};

use crate::support::{Connection, Daemon, wait_until};

fn eval(c: &mut Connection, script: &str) -> String {
    String::from_utf8_lossy(&c.call(&["EVAL", script, "0"])).into_owned()
}

/// A daemon whose scripts have little memory and are killed soon.
fn small() -> Daemon {
    Daemon::start(&[
        "--script-memory-limit",
        "32mb",
        "--busy-reply-threshold",
        "50",
    ])
}

/// Runs each script, and checks after each that the same daemon still answers.
fn lives_through(scripts: &[(&str, &str)]) {
    let server = small();
    let pid = server.info("process_id");
    let mut c = server.connect();
    for (script, reported) in scripts {
        let got = eval(&mut c, script);
        assert!(got.contains(reported), "{script}\n{got}");
        assert_eq!(eval(&mut c, "return 1"), ":1\r\n", "{script}");
        assert_eq!(server.connect().ask("PING"), "+PONG\r\n", "{script}");
    }
    assert_eq!(server.info("process_id"), pid);
}

#[test]
fn byte_code_is_not_run() {
    // CVE-2015-8080 and other attacks with forged byte code.
    lives_through(&[
        (
            "return loadstring(string.dump(function() return 1 end))",
            "$-1",
        ),
        ("local f, e = loadstring('\\27LJ\\2') return e", "binary"),
        ("local f, e = loadstring('\\27Lua') return e", "binary"),
        (
            "local d = string.dump(function() return 1 end) local i = 0 \
             local f, e = load(function() i = i + 1 return d:sub(i, i) ~= '' and d:sub(i, i) or nil end) \
             return e",
            "binary",
        ),
        ("\u{1b}LJ return 1", "-ERR Error compiling script"),
    ]);
}

#[test]
fn nothing_of_the_host_is_in_reach() {
    let names = [
        "io", "require", "package", "module", "dofile", "loadfile", "debug", "ffi", "jit", "print",
        "newproxy", "getfenv", "setfenv",
    ];
    let server = small();
    let mut c = server.connect();
    for name in names {
        let reported = eval(&mut c, &format!("return type({name})"));
        assert!(
            reported.contains("nonexistent global variable"),
            "{name}: {reported}"
        );
        let reported = eval(&mut c, &format!("return rawget(_G, '{name}')"));
        assert_eq!(reported, "$-1\r\n", "{name}");
        let reported = eval(
            &mut c,
            &format!("for k in pairs(_G) do if k == '{name}' then return k end end"),
        );
        assert_eq!(reported, "$-1\r\n", "{name}");
    }
    // CVE-2022-0543: the only function of `os` is the clock.
    assert_eq!(
        eval(
            &mut c,
            "local n = 0 for k in pairs(os) do n = n + 1 end return {n, type(os.clock)}"
        ),
        "*2\r\n:1\r\n$8\r\nfunction\r\n"
    );
    assert!(eval(&mut c, "return 5LL").starts_with("-ERR Error compiling"));
}

#[test]
fn what_scripts_share_cannot_be_changed() {
    // CVE-2022-24735, CVE-2025-46818: a script changes the functions that another script uses.
    lives_through(&[
        ("string.rep = 1", "readonly"),
        ("redis.call = 1", "readonly"),
        ("_G.x = 1", "readonly"),
        ("x = 1", "readonly"),
        ("_G = {}", "readonly"),
        ("redis = {}", "readonly"),
        ("rawset(_G, 'x', 1)", "readonly"),
        ("rawset(string, 'x', 1)", "readonly"),
        ("rawset(redis, 'call', 1)", "readonly"),
        ("setmetatable(_G, {})", "readonly"),
        ("setmetatable(string, {})", "readonly"),
        ("getmetatable('').__index = function() end", "readonly"),
        (
            "getmetatable('').__add = function() return 1 end",
            "readonly",
        ),
        ("rawset(getmetatable(''), '__index', 1)", "readonly"),
        ("setmetatable(getmetatable(''), {})", "readonly"),
        ("getmetatable(_G).__index = 1", "readonly"),
        ("getmetatable(_G).__newindex = nil", "readonly"),
        ("getmetatable(redis).__index = {}", ""),
        ("table.insert(string, 1)", "readonly"),
        ("table.insert(_G, 1)", "readonly"),
        ("table.sort(_G)", "readonly"),
        ("table.remove(string)", "readonly"),
        ("for k, v in pairs(_G) do _G[k] = nil end", "readonly"),
        ("setfenv(1, {})", "nonexistent"),
        ("getfenv(0).x = 1", "nonexistent"),
        ("loadstring('x = 1')()", "readonly"),
        ("loadstring('string.rep = 1')()", "readonly"),
        ("coroutine.wrap(function() x = 1 end)()", "readonly"),
        (
            "return getmetatable(1) == nil and getmetatable(nil) == nil and getmetatable(print_not or true)",
            "",
        ),
        ("return type(debug)", "nonexistent"),
    ]);
    let server = small();
    let mut c = server.connect();
    for script in [
        "pcall(function() string.rep = 1 end)",
        "pcall(function() getmetatable('').__index = 1 end)",
        "pcall(rawset, string, 'rep', 1)",
        "pcall(setmetatable, '', {})",
        "pcall(function() cjson.null = 1 end)",
        "pcall(function() for k in pairs(math) do math[k] = 1 end end)",
        "for k, v in pairs(string) do if type(v) == 'function' then pcall(v) end end",
        "local t = {} for k, v in pairs(getmetatable('')) do t[k] = v pcall(rawset, v, 'rep', 1) end",
    ] {
        eval(&mut c, script);
        assert_eq!(
            eval(&mut c, "return ('x'):rep(3) .. string.rep('y', 2)"),
            "$5\r\nxxxyy\r\n",
            "{script}"
        );
    }
    // KEYS and ARGV are local to each script.
    eval(&mut c, "KEYS = nil ARGV[1] = 'left'");
    assert_eq!(eval(&mut c, "return {#KEYS, #ARGV}"), "*2\r\n:0\r\n:0\r\n");
}

#[test]
fn counts_do_not_overflow() {
    // CVE-2025-46817 (unpack), CVE-2018-11218 (cmsgpack), CVE-2018-11219, CVE-2020-14147
    // (struct), CVE-2024-31449 (bit.tohex), CVE-2022-24834 (cjson).
    lives_through(&[
        (
            "return {unpack({}, -2147483648, 2147483647)}",
            "too many results",
        ),
        (
            "return {unpack({}, -2147483647, 2147483647)}",
            "too many results",
        ),
        ("return {unpack({}, 0, 2147483647)}", "too many results"),
        (
            "return {unpack({}, -9007199254740992, 9007199254740992)}",
            "",
        ),
        (
            "return {string.byte(string.rep('x', 1000000), 1, -1)}",
            "too long",
        ),
        ("return #{select(-2147483648, 1)}", ""),
        ("return table.concat({}, 'x', -2147483648, 2147483647)", ""),
        (
            "return {string.char(unpack({}, 1, 8000))}",
            "too many results",
        ),
        ("return bit.tohex(1, 2147483647)", "00000001"),
        ("return bit.tohex(1, -2147483648)", "00000001"),
        ("return struct.pack('>I2147483647', 1)", "larger than limit"),
        ("return struct.pack('c4294967296', 'x')", "overflow"),
        (
            "return struct.unpack('c2147483647c2147483647', 'x')",
            "-ERR",
        ),
        ("return struct.unpack('I32', 'x')", "too short"),
        ("return struct.unpack('Bc0', '\\255x')", "too short"),
        ("return {struct.unpack('s', 'abc', 4294967295)}", "-ERR"),
        ("return {struct.unpack('c0', 'abc', -2147483648)}", "-ERR"),
        (
            "return struct.size('c2147483647c2147483647')",
            ":4294967294",
        ),
        (
            "return cmsgpack.unpack('\\221\\255\\255\\255\\255')",
            "Missing bytes",
        ),
        (
            "return cmsgpack.unpack('\\223\\255\\255\\255\\255')",
            "Missing bytes",
        ),
        (
            "return cmsgpack.unpack('\\219\\255\\255\\255\\255x')",
            "Missing bytes",
        ),
        (
            "return {cmsgpack.unpack_limit('\\1', 2147483647, 2147483647)}",
            "Start offset",
        ),
        (
            "return #cjson.encode({[1]=1,[2]=2,s=string.rep('\\0', 100000)})",
            ":",
        ),
        (
            "cjson.encode_sparse_array(true, 0, 0) return cjson.encode({[2147483647]=1})",
            "not enough memory",
        ),
        (
            "cjson.encode_sparse_array(false, 2, 10) return cjson.encode({[2147483647]=1})",
            "sparse",
        ),
        ("return table.insert({}, 2147483647, 1)", ""),
        ("return string.rep('x', 2147483647)", "not enough memory"),
        ("return string.rep('x', -2147483648)", "$0"),
        ("return string.format('%99999999d', 1)", "too long"),
        ("return ('x'):sub(-2147483648, 2147483647)", "$1"),
    ]);
}

#[test]
fn what_nests_without_end_is_refused() {
    lives_through(&[
        ("local t = {} t[1] = t return cjson.encode(t)", "nesting"),
        ("return cjson.decode(string.rep('[', 1000000))", "nested"),
        (
            "return cjson.decode(string.rep('{\"a\":', 1000000))",
            "nested",
        ),
        ("local t = {} t[1] = t return #cmsgpack.pack(t)", ":"),
        (
            "return cmsgpack.unpack(string.rep('\\145', 1000000))",
            "-ERR",
        ),
        (
            "return cmsgpack.unpack(string.rep('\\129\\1', 1000000))",
            "-ERR",
        ),
        (
            "local function f() return 1 + f() end return f()",
            "stack overflow",
        ),
        ("local function f() return f() end return pcall and 1", ":1"),
        (
            "local function f() return pcall(f) end return f() and 1 or 2",
            "",
        ),
        (
            "local function f() redis.call('PING') return 1 + f() end return f()",
            "stack overflow",
        ),
        (
            "local function f() redis.call('COMMAND', 'DOCS', 'GET') return 1 + f() end return f()",
            "stack overflow",
        ),
        (
            "local t = setmetatable({}, {}) getmetatable(t).__index = t return t.x",
            "loop",
        ),
        (
            "local t = {} t.__index = function(s, k) return s[k .. 'x'] end setmetatable(t, t) return t.a",
            "-ERR",
        ),
        (
            "local t = setmetatable({}, {__tostring = function(s) return tostring(s) end}) return tostring(t)",
            "-ERR",
        ),
        (
            "local f f = function() return coroutine.wrap(f)() end return f()",
            "-ERR",
        ),
        (
            "return loadstring(string.rep('(', 10000) .. '1' .. string.rep(')', 10000))",
            "$-1",
        ),
        (
            "return loadstring('return ' .. string.rep('{', 10000) .. string.rep('}', 10000))",
            "$-1",
        ),
        ("return loadstring(string.rep('do ', 100000))", "$-1"),
        (
            "return loadstring('local a = ' .. string.rep('not ', 1000000) .. 'true')",
            "",
        ),
        (
            "return string.gsub('x', 'x', function() return (string.gsub('x', 'x', function() return 'y' end)) end)",
            "$1",
        ),
        (
            "local function f() return (string.gsub('x', 'x', f)) end return f()",
            "-ERR",
        ),
        (
            "local function f() return table.sort({1, 2, 3}, function() f() return false end) end f()",
            "-ERR",
        ),
        (
            "return error(setmetatable({}, {__index = function() error('x') end}))",
            "-ERR",
        ),
        ("return error({err = setmetatable({}, {})})", "-ERR"),
        (
            "return xpcall(function() error('x') end, function(e) error(e) end) and 1 or 2",
            ":2",
        ),
        (
            "local s = '' for i = 1, 300 do s = s .. '(' end return string.find('x', s)",
            "-ERR",
        ),
        (
            "return string.find(string.rep('a', 300000), string.rep('.?', 220000))",
            "too complex",
        ),
        ("return string.find(string.rep('a', 3000), '.-b')", "$-1"),
    ]);
}

#[test]
fn a_reply_nests_only_so_deep() {
    let server = small();
    for script in [
        "local t = {} t[1] = t return t",
        "local t = {} for i = 1, 100000 do t = {t} end return t",
        "local t = {} t.map = {t = t} return t",
    ] {
        let mut c = server.connect();
        c.send(&crate::support::resp::command(&["EVAL", script, "0"]));
        c.finish_sending();
        let reported = String::from_utf8_lossy(&c.rest()).into_owned();
        assert!(reported.contains("reached lua stack limit"), "{script}");
        assert_eq!(server.connect().ask("PING"), "+PONG\r\n", "{script}");
    }
}

#[test]
fn a_script_that_wants_all_memory_gets_an_error() {
    let bombs = [
        "local t = {} while true do t[#t + 1] = string.rep('x', 100) .. #t end",
        "local s = 'x' while true do s = s .. s end",
        "local t = {} while true do t = {t, t} end",
        "local t = {} for i = 1, 1e9 do t[i] = i end",
        "local t = {} for i = 1, 1e9 do t['k' .. i] = i end",
        "local t = {} while true do t[#t + 1] = function() return t end end",
        "local t = {} while true do t[#t + 1] = coroutine.create(function() end) end",
        "local function f(...) return f(1, ...) end f()",
        "string.rep('x', 1e9)",
        "string.gsub(string.rep('x', 1e6), '.', string.rep('y', 1e6))",
        "string.gsub(string.rep('x', 1e6), '', function() return string.rep('y', 1e5) end)",
        "local t = {} for i = 1, 1e5 do t[i] = string.rep('x', 1000) end table.concat(t, string.rep('y', 1e5))",
        "local t = {1} for i = 1, 100 do t = {t, t, t, t, t, t, t, t} end cjson.encode(t)",
        "local t = {1} for i = 1, 15 do t = {t, t, t, t, t, t, t, t, t, t} end cmsgpack.pack(t)",
        "cjson.decode('[' .. string.rep('{},', 3000000) .. '1]')",
        "cmsgpack.unpack(string.rep('\\144', 15000000))",
        "cmsgpack.unpack('\\221\\0\\255\\255\\255' .. string.rep('\\144', 16777215))",
        "local s = string.rep('x', 1e7) local t = {} for i = 1, 100 do t[i] = s end cmsgpack.pack(t)",
        "local s = string.rep('x', 1e7) local t = {} for i = 1, 100 do t[i] = s .. i end redis.call('RPUSH', 'l', unpack(t))",
        "local t = {} for i = 1, 1e7 do t[i] = redis.sha1hex(tostring(i)) end",
        "loadstring('return {' .. string.rep('{1},', 3000000) .. '}')()",
        "string.format(string.rep('%s', 200), unpack((function() local t = {} for i = 1, 200 do t[i] = string.rep('x', 1e6) end return t end)()))",
        "while true do local ok = pcall(string.rep, 'x', 1e9) local t = {} for i = 1, 1e7 do t[i] = {} end end",
    ];
    let server = small();
    let pid = server.info("process_id");
    for bomb in bombs {
        let mut c = server.connect();
        c.send(&crate::support::resp::command(&["EVAL", bomb, "0"]));
        // SCRIPT KILL ends scripts that catch their errors or are slow.
        let began = Instant::now();
        let mut other = server.connect();
        wait_until("the bomb to be over", || {
            if began.elapsed() > Duration::from_secs(3) {
                other.ask("SCRIPT KILL");
            }
            other.ask("PING") == "+PONG\r\n"
        });
        let reported = String::from_utf8_lossy(&c.reply()).into_owned();
        let is_error = [
            "memory",
            "overflow",
            "killed",
            "error in error",
            "too ",
            "limit",
            "nesting",
            "Missing",
            "unpack",
        ]
        .iter()
        .any(|word| reported.contains(word));
        assert!(
            reported.starts_with('-') && is_error || reported == "$-1\r\n",
            "{bomb}\n{reported}"
        );
        assert_eq!(server.info("process_id"), pid, "{bomb}");
        let used: u64 = server
            .info("used_memory_vm_eval")
            .expect("INFO")
            .parse()
            .expect("a number");
        assert!(used < 40 << 20, "{bomb}: {used} bytes stay");
        assert_eq!(eval(&mut other, "return 1"), ":1\r\n", "{bomb}");
    }
}

#[test]
fn nobody_swallows_the_end_of_a_script() {
    let endless = [
        "while true do end",
        "for i = 1, 1e18 do end",
        "repeat until false",
        "while true do pcall(function() while true do end end) end",
        "while true do pcall(error, 'x') end",
        "while true do xpcall(function() while true do end end, function() while true do end end) end",
        "xpcall(error, function() while true do end end)",
        "while true do pcall(redis.call, 'PING') end",
        "while true do redis.pcall('PING') end",
        "local f f = function() return f() end f()",
        "coroutine.wrap(function() while true do end end)()",
        "while true do coroutine.resume(coroutine.create(function() while true do end end)) end",
        "while true do load(function() while true do end end) end",
        "load(function() while true do end end)",
        "while true do loadstring('return 1') end",
        "table.sort({3, 2, 1}, function() while true do end end)",
        "string.gsub('x', 'x', function() while true do end end)",
        "while true do pcall(string.gsub, 'x', 'x', function() error('x') end) end",
        "string.find(string.rep('a', 60), string.rep('a?', 60) .. string.rep('a', 60) .. 'b')",
        "string.match(string.rep('a', 100), string.rep('a*', 100) .. 'b')",
        "string.gsub(string.rep('a', 100), string.rep('a-', 100) .. 'b', '')",
        "for x in string.gmatch(string.rep('a', 100), string.rep('.*', 50) .. 'b') do end",
        "while true do pcall(string.find, string.rep('a', 60), string.rep('a?', 60) .. 'b') end",
        "setmetatable({}, {__index = function() while true do end end}).x()",
        "local t = setmetatable({}, {__gc = function() while true do end end}) t = nil collectgarbage() while true do end",
        "local t = {1} for i = 1, 60 do t = {t, t} end while true do pcall(cjson.encode, t) end",
    ];
    let server = small();
    let pid = server.info("process_id");
    for script in endless {
        let mut c = server.connect();
        c.send(&crate::support::resp::command(&["EVAL", script, "0"]));
        let mut other = server.connect();
        wait_until(script, || {
            other.ask("SCRIPT KILL") == "+OK\r\n" || other.ask("PING") == "+PONG\r\n"
        });
        wait_until(script, || other.ask("PING") == "+PONG\r\n");
        let reported = String::from_utf8_lossy(&c.reply()).into_owned();
        let ends = ["killed", "overflow", "memory"]
            .iter()
            .any(|word| reported.contains(word));
        assert!(reported.starts_with('-') && ends, "{script}\n{reported}");
        assert_eq!(eval(&mut other, "return 1"), ":1\r\n", "{script}");
    }
    assert_eq!(server.info("process_id"), pid);
}

#[test]
fn the_collector_meets_no_freed_text() {
    // CVE-2024-46981, CVE-2025-49844: garbage collection while Lua parses a chunk, in error
    // handlers, and in callbacks.
    lives_through(&[
        (
            "for i = 1, 200 do local t = {} local f = load(function() collectgarbage() for j = 1, 100 do \
             t[j] = string.rep('y', j) end if #t > 50 and not t.done then t.done = true return 'return ' .. i end end) \
             if f then f() end end return 1",
            ":1",
        ),
        (
            "for i = 1, 200 do loadstring('return ' .. string.rep('a', i), 'name' .. i) collectgarbage() end return 1",
            ":1",
        ),
        (
            "for i = 1, 200 do xpcall(function() error({string.rep('x', i)}) end, \
             function(e) collectgarbage() return e end) end return 1",
            ":1",
        ),
        (
            "for i = 1, 100 do string.gsub(string.rep('ab', 100), 'a', function(x) collectgarbage('step') \
             return x .. i end) end return 1",
            ":1",
        ),
        (
            "local t = {} for i = 1, 1000 do t[i] = string.rep('k', i % 50) .. i end \
             table.sort(t, function(a, b) if #a % 7 == 0 then collectgarbage('step') end return a < b end) return #t",
            ":1000",
        ),
        (
            "for i = 1, 300 do local s = cjson.encode({a = {i, string.rep('x', i)}}) collectgarbage('step') \
             assert(cjson.decode(s).a[1] == i) end return 1",
            ":1",
        ),
        (
            "for i = 1, 300 do local s = cmsgpack.pack({a = {i, string.rep('x', i)}}) collectgarbage('step') \
             assert(cmsgpack.unpack(s).a[1] == i) end return 1",
            ":1",
        ),
        (
            "collectgarbage('stop') collectgarbage('setpause', 1000000) return collectgarbage('count') > 0",
            ":1",
        ),
    ]);
}

/// Regression: nested coroutines overflowed the thread's stack, because each uses a part of it.
#[test]
fn no_way_down_fills_the_stack() {
    const DEEP: &str = "C stack overflow";
    lives_through(&[
        (
            "local function f(n) return coroutine.wrap(f)(n + 1) end return f(0)",
            DEEP,
        ),
        (
            "local function f(n) local ok, e = coroutine.resume(coroutine.create(f), n + 1) \
             return ok and e or e end return f(0)",
            DEEP,
        ),
        (
            "local function f() return (string.gsub('a', 'a', f)) end return f()",
            DEEP,
        ),
        ("local function f() table.sort({1, 2}, f) end f()", DEEP),
        (
            "local function f() local ok, e = pcall(f) return e end return f()",
            DEEP,
        ),
        (
            "local function f() local f, e = load(f) return error(e) end return f()",
            "",
        ),
        (
            "local f f = function(n) local ways = { \
             function() return coroutine.wrap(f)(n + 1) end, \
             function() return (string.gsub('a', 'a', function() f(n + 1) end)) end, \
             function() table.sort({1, 2}, function() f(n + 1) end) end, \
             function() return xpcall(function() return f(n + 1) end, tostring) end, \
             function() return setmetatable({}, {__index = function() return f(n + 1) end}).x end, \
             function() return {} .. setmetatable({}, {__concat = function() return f(n + 1) end}) end, \
             function() return tostring(setmetatable({}, {__tostring = function() return f(n + 1) end})) end, \
             function() return load(function() f(n + 1) end) end \
             } return ways[n % #ways + 1]() end pcall(f, 0) return 'over'",
            "over",
        ),
        (
            "local t = setmetatable({}, {}) getmetatable(t).__index = function(t, k) return t[k + 1] end \
             return t[1]",
            "stack overflow",
        ),
    ]);
}

#[test]
fn coroutines_are_those_of_lua() {
    lives_through(&[
        (
            "local co = coroutine.wrap(function(a, b) local c = coroutine.yield(a + b) \
             local d, e = coroutine.yield(c * 2) return d + e end) return {co(1, 2), co(10), co(3, 4)}",
            "*3\r\n:3\r\n:20\r\n:7\r\n",
        ),
        (
            "local co = coroutine.create(function() error({err = 'ERR mine'}) end) \
             local ok, e = coroutine.resume(co) return {tostring(ok), e.err, coroutine.status(co), \
             select(2, coroutine.resume(co))}",
            "*4\r\n$5\r\nfalse\r\n$8\r\nERR mine\r\n$4\r\ndead\r\n$28\r\ncannot resume dead coroutine\r\n",
        ),
        (
            "local co co = coroutine.create(function() return coroutine.resume(co) end) \
             return select(3, coroutine.resume(co))",
            "cannot resume running coroutine",
        ),
        (
            "local one one = coroutine.create(function() \
             return coroutine.wrap(function() return coroutine.resume(one) end)() end) \
             return select(3, coroutine.resume(one))",
            "cannot resume normal coroutine",
        ),
        (
            "local co = coroutine.wrap(function() error('x') end) return select(2, pcall(co))",
            "user_script:1: x",
        ),
        (
            "coroutine.wrap(1)",
            "bad argument #1 to 'wrap' (Lua function expected)",
        ),
        (
            "coroutine.resume(1)",
            "bad argument #1 to 'resume' (coroutine expected)",
        ),
        (
            "local n = 0 for i = 1, 300 do local co = coroutine.wrap(function() \
             for j = 1, 3 do coroutine.yield(j) end end) n = n + co() + co() + co() end return n",
            ":1800\r\n",
        ),
        (
            "return (string.rep('a', 10000):gsub('(a)', string.rep('%1', 2000000)))",
            "not enough memory",
        ),
    ]);
}
