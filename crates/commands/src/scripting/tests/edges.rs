//! Every library function with numbers at the limits of a double, 64 bits and 32 bits, in every
//! position: each call must return soon, with any result.

use std::time::{Duration, Instant};

use super::eval;
use crate::testbed::{AllCommands as _, Testbed};

const EDGES: [&str; 25] = [
    "0",
    "-1",
    "1",
    "0.5",
    "-1.5",
    "2^31-1",
    "2^31",
    "-2^31",
    "-2^31-1",
    "2^32",
    "2^32+1",
    "2^53",
    "-2^53",
    "2^63-1024",
    "2^63",
    "-2^63",
    "2^64",
    "1e300",
    "-1e300",
    "1/0",
    "-1/0",
    "0/0",
    "1e-300",
    "7999",
    "8000",
];

/// Calls; each `#` is replaced by a number.
const CALLS: &str = "
string.byte('abc',#,#) string.sub('abc',#,#) string.char(#,#) string.rep('',#) string.rep('abc',#)
string.find('abcabc','b',#) string.find('abcabc','b',#,true) string.match('abcabc','b()',#)
string.gsub('aaaa','a','b',#) string.format('%d',#) string.format('%u',#) string.format('%c',#)
string.format('%x',#) string.format('%.99f',#) string.format('%99.99e',#) string.format('%s',#)
string.format('%g',#) string.len(#) string.upper(#) string.lower(#) string.reverse(#)
table.concat({'a','b','c'},',',#,#) table.insert({'a','b','c'},#,1) table.insert({},#,1)
table.insert({},#) table.remove({'a','b','c'},#) table.remove({},#) table.maxn({[#]=1})
table.getn({#}) table.setn({},#) table.sort({#,#,1,2,3}) table.foreach({#},type)
table.foreachi({#},type) unpack({1,2,3},#,#) select(#,1,2,3) tonumber(#) tonumber('11',#)
tostring(#) next({},#) next({1,2,3},#) rawget({1,2,3},#) rawset({1,2,3},#,#) rawequal(#,#)
setmetatable({},#) error('x',#) error(#) collectgarbage('step',#) collectgarbage('setpause',#)
math.abs(#) math.ceil(#) math.floor(#) math.sqrt(#) math.exp(#) math.log(#) math.log10(#)
math.sin(#) math.tan(#) math.asin(#) math.sinh(#) math.fmod(#,#) math.mod(#,#) math.modf(#)
math.frexp(#) math.ldexp(#,#) math.pow(#,#) math.max(#,#) math.min(#,#) math.random(#)
math.random(#,#) math.randomseed(#) math.atan2(#,#) math.deg(#)
bit.tobit(#) bit.bnot(#) bit.band(#,#) bit.bor(#,#) bit.bxor(#,#) bit.lshift(#,#) bit.rshift(#,#)
bit.arshift(#,#) bit.rol(#,#) bit.ror(#,#) bit.bswap(#) bit.tohex(#,#)
struct.pack('bBhHilLTfd',#,#,#,#,#,#,#,#,#,#) struct.pack('>I3i8I32',#,#,#)
struct.unpack('>I2','abcdef',#) struct.unpack('bc0','\\3abcdef',#)
struct.size('i'..#) struct.size('c'..#) struct.size('!'..#) struct.pack('c'..#,'abc')
struct.pack('i'..#,1) struct.unpack('c'..#,'abc') struct.unpack('i'..#,'abc')
cjson.encode(#) cjson.encode({[#]=1}) cjson.encode_max_depth(#) cjson.decode_max_depth(#)
cjson.encode_number_precision(#) cjson.encode_sparse_array(true,#,#) cmsgpack.pack(#)
cmsgpack.pack({[#]=1}) cmsgpack.unpack_one('\\1\\2\\3',#) cmsgpack.unpack_limit('\\1\\2\\3',#,#)
coroutine.resume(coroutine.create(function(...)return...end),#) coroutine.wrap(#)
redis.call('echo',#) redis.setresp(#) redis.set_repl(#) redis.log(#,'x') redis.sha1hex(#)
";

/// `table.insert({}, -1e300, 1)` never ended, and similar calls stopped the server.
#[test]
fn every_function_ends_soon_with_numbers_at_the_edges() {
    const LIMIT: Duration = Duration::from_secs(5);
    let mut t = Testbed::unheard();
    t.run("CONFIG SET script-memory-limit 32mb");
    for call in CALLS.split_whitespace() {
        let places = call.matches('#').count();
        for (at, &edge) in EDGES.iter().enumerate() {
            // Each edge in each position: beside 1, beside itself, and beside another edge.
            let mut lines: Vec<Vec<&str>> = vec![vec![edge; places]];
            for place in 0..places {
                let mut line = vec!["1"; places];
                line[place] = edge;
                lines.push(line.clone());
                line[(place + 1) % places] = EDGES[(at * 7 + 3) % EDGES.len()];
                lines.push(line);
            }
            for numbers in lines {
                let mut numbers = numbers.into_iter();
                let mut shown = String::new();
                for part in call.split('#') {
                    shown.push_str(part);
                    shown.extend(numbers.next().map(|n| format!("({n})")));
                }
                let began = Instant::now();
                let script = format!("return tostring(pcall(function() return {shown} end))");
                let reported = eval(&mut t, &script, &[], &[]);
                assert!(
                    reported.contains("true") || reported.contains("false"),
                    "{shown}: {reported}"
                );
                assert!(began.elapsed() < LIMIT, "{shown}: {:?}", began.elapsed());
            }
        }
    }
}

#[test]
fn numbers_too_wide_for_an_int_are_cut_as_lua_cuts_them() {
    let mut t = Testbed::unheard();
    let show =
        "local o = {} for i = -2, 6 do o[#o + 1] = tostring(t[i]) end return table.concat(o, ' ')";
    for (call, reported) in [
        ("table.insert(t, 1e300, 'x')", "nil nil x nil a b c nil nil"),
        (
            "table.insert(t, -1e300, 'x')",
            "nil nil x nil a b c nil nil",
        ),
        ("table.insert(t, 0/0, 'x')", "nil nil x nil a b c nil nil"),
        (
            "table.insert(t, 2^32 + 2, 'x')",
            "nil nil nil a x b c nil nil",
        ),
        (
            "table.remove(t, 2^32 + 2)",
            "nil nil nil a c nil nil nil nil",
        ),
        (
            "t = {bit.tohex(1, 1.5), bit.tohex(1, 2^32)}",
            "nil nil nil 01  nil nil nil nil",
        ),
    ] {
        let script = format!("local t = {{'a', 'b', 'c'}} {call} {show}");
        let wanted = format!("${}\r\n{reported}\r\n", reported.len());
        assert_eq!(eval(&mut t, &script, &[], &[]), wanted, "{call}");
    }
}

/// Scripts see the order of `sort`'s comparisons, so the order is Lua 5.1's.
#[test]
fn sort_compares_in_the_order_of_lua() {
    let mut t = Testbed::unheard();
    for (script, reported) in [
        (
            "local t = {} for i = 1, 12 do t[i] = {i * 7 % 5, i} end \
             table.sort(t, function(a, b) return a[1] < b[1] end) \
             local o = {} for i, v in ipairs(t) do o[i] = v[1] .. v[2] end return table.concat(o, ' ')",
            "010 05 13 18 21 211 26 34 39 47 42 412",
        ),
        (
            "local n, o = 0, {} table.sort({5, 3, 9, 1, 7, 2}, function(a, b) o[#o + 1] = a .. b \
             return a < b end) return table.concat(o, ' ')",
            "25 92 59 35 75 51 75 51 97 12 31 23",
        ),
        (
            "return select(2, pcall(table.sort, {1, 2, 3, 4, 5}, function() return true end))",
            "invalid order function for sorting",
        ),
        (
            "return select(2, pcall(table.sort, {1, 'x'}))",
            "attempt to compare string with number",
        ),
        (
            "return select(2, pcall(table.sort, {{}, {}}))",
            "attempt to compare two table values",
        ),
        (
            "local m = {__lt = function(a, b) return a.n < b.n end} local t = {} \
             for i = 1, 5 do t[i] = setmetatable({n = i * 3 % 5}, m) end table.sort(t) \
             local o = '' for _, v in ipairs(t) do o = o .. v.n end return o",
            "01234",
        ),
        (
            "local x = string.rep('x', 200000) local t = {x .. 'b', x, 'w', x .. 'a'} table.sort(t) \
             return #t[1] .. t[2]:sub(-1) .. t[3]:sub(-1) .. t[4]:sub(-1)",
            "1xab",
        ),
    ] {
        let wanted = format!("${}\r\n{reported}\r\n", reported.len());
        assert_eq!(eval(&mut t, script, &[], &[]), wanted, "{script}");
    }
}

/// The limit was that of the moment when the first script ran.
#[test]
fn the_memory_limit_of_scripts_changes_while_they_have_a_state() {
    let mut t = Testbed::unheard();
    let script: [&[u8]; 3] = [b"EVAL", b"return #string.rep('x', 16000000)", b"0"];
    assert_eq!(t.run_args(&script), b":16000000\r\n");
    t.run("CONFIG SET script-memory-limit 8mb");
    assert!(t.run_args(&script).starts_with(b"-ERR"));
    t.run("CONFIG SET script-memory-limit 64mb");
    assert_eq!(t.run_args(&script), b":16000000\r\n");
}
