//! Every command on data that may touch several elements counts its work, or is in a list with the
//! reason.

use super::super::{docs_for, table};
use crate::testbed::{AllCommands as _, Testbed};
use russet_command::{Arity, Flags};
use russet_server::Spec;

/// Commands that touch at most one element, at a cost that grows with something else.
const ELSEWHERE: &[&str] = &[
    // Bytes of strings, which are no elements.
    "bitconvert",
    "bitcount",
    "bitfield",
    "bitfield_ro",
    "bitroarop",
    "bitop",
    "bitpos",
    "delex",
    "digest",
    "getrange",
    "lcs",
    "setrange",
    "substr",
    // One element, wherever it is.
    "FT.DEL",
    "arinfo",
    "bf.add",
    "bf.exists",
    "blpop",
    "brpop",
    "bzpopmax",
    "bzpopmin",
    "cf.add",
    "cf.addnx",
    "cf.count",
    "cf.del",
    "cf.exists",
    "FT.SUGADD",
    "geodist",
    "lindex",
    "lset",
    "memory|usage",
    "zrank",
    "zrevrank",
    "VEMB",
    "VGETATTR",
    "VISMEMBER",
    "VLINKS",
    "VREM",
    "VSETATTR",
    // Nothing at all.
    "timeseries.REFRESHCLUSTER",
    // As long as their own arguments.
    "FT.ADD",
    "FT.SAFEADD",
    "bf.load",
    "bf.loadchunk",
    "cf.loadchunk",
    // As long as a chunk.
    "bf.scandump",
    "cf.scandump",
    "himport|set",
    "phexists",
    "restore",
    "restore-asking",
    // A thread or slices free the memory.
    "cluster|flushslot",
    "flushall",
    "flushdb",
    "xgroup|destroy",
];

/// Commands on a whole key, with options.
const ONE_VALUE: &[&str] = &[
    "bf.debug",
    "bf.info",
    "bf.reserve",
    "bf.rotate",
    "cf.reserve",
    "cms.initbydim",
    "cms.initbyprob",
    "tdigest.create",
    "ts.add",
    "ts.alter",
    "ts.create",
    "ts.createrule",
    "ts.decrby",
    "ts.get",
    "ts.incrby",
    "ts.info",
    "tdigest.trimmed_mean",
    "topk.reserve",
    "expire",
    "expireat",
    "getex",
    "increx",
    "pexpire",
    "pexpireat",
    "set",
    "xcfgset",
    "xgroup|create",
    "xgroup|setid",
    "xsetid",
    "VCARD",
    "VDIM",
    "VINFO",
];

/// Commands whose work shows only as they run: `reply=` bounds their replies.
const UNKNOWN_BEFORE: &[&str] = &[
    "bitrangeintarray",
    "changes|read",
    "FT.GET",
    "FT.MGET",
    "georadius",
    "georadius_ro",
    "georadiusbymember",
    "georadiusbymember_ro",
    "geosearch",
    "geosearchstore",
    "ts.querylabels",
];

/// Scripts: their calls count.
const BY_CALLS: &[&str] = &["eval_ro", "evalsha_ro", "fcall_ro"];

/// Commands on other things than the data of clients.
const NO_DATA: &[&str] = &[
    "FT.ALTER",
    "FT.CONFIG",
    "FT.DEBUG",
    "_FT.DEBUG",
    "FT.SYNADD",
    "FT.CREATE",
    "FT.DICTADD",
    "FT.DICTDEL",
    "FT.ERRORS",
    "FT.SYNUPDATE",
    "FT._ALTERIFNX",
    "FT._CREATEIFNX",
    "flush|pending",
    "flush|undo",
    "function|flush",
    "function|load",
    "function|restore",
    "lolwut",
    "prefixstats",
    "swapdb",
    "trimslots",
];

/// Every row with the full name.
fn rows() -> Vec<(String, &'static Spec)> {
    let mut rows = Vec::new();
    for spec in table().into_iter().flatten() {
        rows.push((spec.name.to_owned(), spec));
        let subs = spec.subcommands.iter();
        rows.extend(subs.map(|sub| (format!("{}|{}", spec.name, sub.name), sub)));
    }
    rows
}

/// Whether the row's command may touch several elements: the arguments may be many, or the
/// documented cost has a term that grows by more than a logarithm, or there is no documented cost.
fn may_touch_many(full_name: &str, spec: &Spec) -> bool {
    let cost = docs_for(full_name).map_or("", |doc| doc.complexity);
    let mut terms = cost.split("O(").skip(1);
    let is_small = |term: &str| {
        ["1)", "log(N))", "log N)"]
            .iter()
            .any(|t| term.starts_with(t))
    };
    cost.is_empty() || matches!(spec.arity, Arity::AtLeast(_)) || terms.any(|term| !is_small(term))
}

#[test]
fn every_command_that_may_touch_many_elements_counts_them() {
    let on_data = Flags::READONLY | Flags::WRITE;
    let excused = |name: &str| {
        let lists = [ELSEWHERE, ONE_VALUE, UNKNOWN_BEFORE, BY_CALLS, NO_DATA];
        lists.iter().filter(|list| list.contains(&name)).count()
    };
    let (mut silent, mut needless) = (Vec::new(), Vec::new());
    for (name, spec) in rows() {
        let is_asked = spec.flags.intersects(on_data) && may_touch_many(&name, spec);
        match excused(&name) + usize::from(spec.work.is_some()) {
            0 if is_asked => silent.push(name),
            0 => {}
            // A row without need may count work, too.
            1 if is_asked || spec.work.is_some() => {}
            _ => needless.push(name),
        }
    }
    assert_eq!((silent, needless), (Vec::new(), Vec::new()));
}

#[test]
fn work_is_what_the_arguments_and_the_lengths_say() {
    let mut t = Testbed::new();
    t.run("RPUSH l a b c d e f g h i j");
    t.run("SADD s a b c d e f");
    t.run("SADD s2 a b");
    t.run("HSET h a 1 b 2 c 3 d 4");
    t.run("ZADD z 1 a 2 b 3 c 4 d 5 e");
    t.run("ZADD same 0 a 0 b 0 c");
    for id in 1..=7 {
        t.run(&format!("XADD x {id}-0 f v"));
    }
    t.run("SET k v");
    for (line, work) in [
        ("KEYS *", 8),
        ("SCAN 0", 8),
        ("SCAN 0 COUNT 3", 3),
        ("HGETALL h", 4),
        ("HGETALL nosuch", 0),
        ("HGETALL l", 10),
        ("HKEYS h", 4),
        ("HSCAN h 0 COUNT 1000", 4),
        ("HSCAN h 0 COUNT 2", 2),
        ("HRANDFIELD h", 1),
        ("HRANDFIELD h 3", 3),
        ("HRANDFIELD h 30", 4),
        ("HRANDFIELD h -30", 30),
        ("HMGET h a b c", 3),
        ("HSET h a 1 b 2", 2),
        ("SMEMBERS s", 6),
        ("SUNION s s2 nosuch", 8),
        ("SUNIONSTORE l s s2", 8),
        ("SINTER s s2", 4),
        ("SINTERSTORE l s s2", 4),
        ("SINTERCARD 2 s s2", 4),
        ("SDIFF s s2", 8),
        ("SPOP s 4", 4),
        ("SRANDMEMBER s -7", 7),
        ("LRANGE l 0 -1", 10),
        ("LRANGE l 2 4", 3),
        ("LRANGE l -2 100", 2),
        ("LRANGE l 5 1", 0),
        ("LRANGE l 9223372036854775807 -9223372036854775808", 0),
        ("LRANGE l x y", 0),
        ("LTRIM l 0 6", 3),
        ("LREM l 0 a", 10),
        ("LPOS l a", 10),
        ("LPOS l a MAXLEN 4", 4),
        ("LPOP l 3", 3),
        ("LPOP l", 1),
        ("LMPOP 2 nosuch l LEFT COUNT 4", 4),
        ("ZRANGE z 0 -1", 5),
        ("ZRANGE z 1 2 REV", 2),
        ("ZRANGE z 2 4 BYSCORE", 3),
        ("ZRANGE z -inf +inf BYSCORE LIMIT 1 2", 2),
        ("ZRANGEBYSCORE z (2 5", 3),
        ("ZREVRANGEBYSCORE z 4 2", 3),
        ("ZREVRANGE z 0 1", 2),
        ("ZRANGEBYLEX same - [b", 2),
        ("ZREVRANGEBYLEX same + -", 3),
        ("ZRANGESTORE l z 0 -1", 5),
        ("ZREMRANGEBYRANK z 0 2", 3),
        ("ZREMRANGEBYSCORE z 2 3", 2),
        ("ZREMRANGEBYLEX same - (b", 1),
        ("ZUNION 2 z same", 8),
        ("ZINTERSTORE l 2 z same", 6),
        ("ZDIFF 2 z same", 8),
        ("ZPOPMIN z 100", 5),
        ("SORT l BY nosort", 10),
        ("COPY l k", 10),
        ("DUMP z", 5),
        ("XRANGE x - +", 7),
        ("XRANGE x - + COUNT 2", 2),
        ("XREVRANGE x + - COUNT 3", 3),
        ("XREAD COUNT 5 STREAMS x 0", 5),
        ("XREAD STREAMS x $", 0),
        ("XTRIM x MAXLEN 4", 3),
        ("XTRIM x MAXLEN ~ 0 LIMIT 5", 5),
        ("MGET k k k", 3),
        ("DEL l s", 2),
        ("MSET a 1 b 2", 2),
        ("GET k", 0),
        ("ZSCORE z a", 0),
    ] {
        assert_eq!(t.work_of(line), work, "{line}");
    }
}

#[test]
fn options_are_understood_as_their_handlers_understand_them() {
    let mut t = Testbed::new();
    t.run("RPUSH l a b c d e f g h i j");
    t.run("RPUSH COUNT a");
    t.run("ZADD z 1 a 2 b 3 c 4 d 5 e");
    t.run("HSET h a 1 b 2 c 3 d 4");
    t.run("ARSET a 0 a b c d e");
    for id in 1..=7 {
        t.run(&format!("XADD x {id}-0 f v"));
    }
    t.run("XGROUP CREATE x g 0");
    t.run("XREADGROUP GROUP g c COUNT 4 STREAMS x >");
    for n in 1..=3 {
        assert_eq!(t.run(&format!("VADD v VALUES 2 1 {n} e{n}")), ":1\r\n");
    }
    for (line, work) in [
        ("SCAN 0 COUNT 1 COUNT 1000000", 7),
        ("HSCAN h 0 COUNT 1 MATCH COUNT COUNT 3", 3),
        ("KEYS l", 1),
        ("KEYS l*", 7),
        ("LPOS l a MAXLEN 1 MAXLEN 0", 10),
        ("LPOS l a RANK 1 MAXLEN 3", 3),
        ("LMPOP 2 l COUNT LEFT COUNT 4", 4),
        ("LMPOP 2 l COUNT LEFT", 1),
        ("ZMPOP 2 z COUNT MIN COUNT 4", 4),
        ("BZMPOP 1 2 nosuch z MIN COUNT 4", 4),
        ("LMOVEM l m LEFT LEFT COUNT 6 BULK", 6),
        ("LMOVEM l m LEFT LEFT", 1),
        ("ZMOVE z m MAX", 1),
        ("ZMOVE z m BYSCORE (1 4 COUNT 2", 2),
        ("ZMOVE z m BYSCORE (1 4", 3),
        ("BZMOVE z m MIN 0 COUNT 9", 5),
        ("ZMOVEMEMBER z m NX MEMBERS 3 a b x", 3),
        ("ARGETRANGE a 00 0999999", 1_000_000),
        ("ARGETRANGE a 3 1", 3),
        ("ARSCAN a 0 +100", 5),
        ("ARSCAN a 0 100 LIMIT 2", 2),
        ("ARGREP a - + GLOB *", 5),
        ("AROP a 0 1 SUM", 2),
        ("ARDELRANGE a 0 0 2 3", 3),
        ("ARLASTITEMS a -5", 0),
        ("ARRING a 3 f", 6),
        ("ARSET a 7 f g", 2),
        ("XRANGE x - + COUNT 1 COUNT 1000000", 7),
        ("XRANGE x 5-0 5-0", 1),
        ("XRANGE x (5-0 +", 2),
        ("XREVRANGE x 3-0 -", 3),
        ("XRANGE x - + COUNT 0", 0),
        ("XREAD STREAMS x 3-0", 4),
        ("XREAD COUNT 2 COUNT 5 STREAMS x 0", 5),
        ("XREAD MAXCOUNT 3 STREAMS x 0", 3),
        ("XREAD STREAMS x +", 1),
        ("XREADGROUP GROUP g c STREAMS x >", 3),
        ("XREADGROUP GROUP g c CLAIM 0 STREAMS x >", 7),
        ("XREADGROUP GROUP g c STREAMS x 0", 4),
        ("XTRIM x MINID 4", 3),
        ("XTRIM x MAXLEN = 2", 5),
        ("XADD x MAXLEN 0 * f v g w", 8),
        ("XADD x * f v g w", 1),
        ("XPENDING x g", 1),
        ("XPENDING x g - + 1000", 4),
        ("XPENDING x g - + 2", 2),
        ("XPENDING x g IDLE 5 - + 2", 4),
        ("XCLAIM x g d 0 1-0 JUSTID FORCE", 1),
        ("XAUTOCLAIM x g d 0 0 COUNT 1", 4),
        ("XAUTOCLAIM x g d 0 0", 4),
        ("XACK x g 1-0 2-0", 2),
        ("XDELEX x KEEPREF IDS 2 1-0 2-0", 2),
        ("XINFO STREAM x FULL COUNT 0", 17),
        ("XINFO STREAM x FULL COUNT 2", 8),
        ("XINFO STREAM x", 2),
        ("XGROUP DELCONSUMER x g c", 4),
        ("VRANDMEMBER v -100000000", 100_000_000),
        ("VRANDMEMBER v 2", 2),
        ("VRANGE v - + 1", 3),
        ("VSIM v ELE e1 COUNT 1000000", 3),
        ("VSIM v VALUES 2 1 0 EF 2 COUNT 1", 2),
        ("VSIM v ELE e1 EF 1 COUNT 1 TRUTH", 3),
        ("VADD v VALUES 2 1 0 e", 1),
        ("VADD v VALUES 2 1 0 e EF 1000000", 3),
        ("GEOADD z 1 1 f 2 2 g", 2),
        ("HTTL h FIELDS 2 a b", 2),
        ("HSETEX h FIELDS 2 a 1 b 2", 2),
        ("SCAN 0 COUNT x", 0),
    ] {
        assert_eq!(t.work_of(line), work, "{line}");
    }
}

#[test]
fn documents_of_a_dropped_index_and_suggestions_count() {
    let mut t = Testbed::new();
    t.run("FT.CREATE i SCHEMA n NUMERIC");
    for n in 0..7 {
        t.run(&format!("HSET k{n} n {n}"));
        t.run(&format!("FT.SUGADD s word{n} 1"));
    }
    t.run("FT.SYNUPDATE i g a b c");
    t.run("FT.DICTADD d a b");
    for (line, work) in [
        ("FT.DROPINDEX i", 0),
        ("FT.DROPINDEX i DD", 7),
        ("FT._DROPINDEXIFX i DD", 7),
        ("FT.DROP i", 7),
        ("FT.DROP i KEEPDOCS", 0),
        ("FT._DROPIFX nosuch", 0),
        ("FT.SUGGET s w", 5),
        ("FT.SUGGET s w MAX 1000000", 7),
        ("FT.SUGGET s w MAX 2", 2),
        ("FT.SUGGET s w FUZZY MAX 2", 7),
        ("FT.SUGGET nosuch w", 0),
        ("FT.SYNDUMP i", 3),
        ("FT.DICTDUMP d", 2),
        ("FT.DICTDUMP nosuch", 0),
    ] {
        assert_eq!(t.work_of(line), work, "{line}");
    }
}

/// Items, samples and series count by their cost, not by the words that ask for them.
#[test]
fn sketches_and_series_count_what_they_touch() {
    let mut t = Testbed::new();
    for line in [
        "CMS.INITBYDIM cms 100 50",
        "TOPK.RESERVE top 20 8 30 0.9",
        "TS.CREATE s LABELS a b",
        "TS.CREATE empty LABELS a b c d",
    ] {
        assert_eq!(t.run(line), "+OK\r\n", "{line}");
    }
    for at in 1..=200 {
        t.run(&format!("TS.ADD s {at} {at}"));
    }
    for (line, work) in [
        ("CMS.INCRBY cms a 1 b 2", 100),
        ("CMS.QUERY cms a b c", 150),
        ("TOPK.ADD top a b", 100),
        ("TOPK.INCRBY top a 100000 b 100000", 100),
        ("TOPK.QUERY top a", 20),
        ("TOPK.COUNT top a", 50),
        ("TOPK.LIST top", 20),
        ("BF.MADD f a b c", 3),
        ("TS.RANGE s - +", 200),
        ("TS.RANGE s - + COUNT 3", 3),
        ("TS.REVRANGE s - + AGGREGATION avg,min,max 10", 600),
        ("TS.RANGE nosuch - +", 0),
        ("TS.NRANGE 3 s s s - +", 600),
        ("TS.READ s -", 200),
        ("TS.READ s - MAX_COUNT 7", 7),
        ("TS.READ s $ BLOCK 0 1", 1),
        ("TS.DEL s - +", 200),
        ("TS.MRANGE - + FILTER a=b", 202),
        ("TS.MREVRANGE - + COUNT 2 FILTER a=b", 4),
        ("TS.MGET FILTER a=b", 2),
        ("TS.QUERYINDEX a=b c=d", 1),
    ] {
        assert_eq!(t.work_of(line), work, "{line}");
    }
}

/// A value counts as sixteen bytes.
#[test]
fn paths_into_documents_count_what_they_may_visit() {
    let mut t = Testbed::new();
    let many = "1234567,".repeat(1000);
    let text = format!("{{\"a\":[{many}1],\"o\":{{\"x\":1,\"y\":\"z\"}},\"s\":\"t\"}}");
    t.run(&format!("JSON.SET d $ {text}"));
    for (line, work) in [
        ("JSON.TYPE d $.a", 1),
        ("JSON.TYPE d a", 1),
        ("JSON.ARRLEN d $.a", 1),
        ("JSON.ARRLEN nosuch $.a", 0),
        ("JSON.OBJKEYS d $", 3),
        ("JSON.OBJKEYS d $.o", 2),
        ("JSON.GET d $.s", 1),
        ("JSON.GET d $.s $.s", 2),
        ("JSON.MGET d d nosuch $.s", 3),
        ("JSON.NUMINCRBY d $.o.x 1", 1),
        ("JSON.SET d $.s 1", 2),
        ("JSON.SET nosuch $ 1", 1),
        ("JSON.MSET d $.s 1 nosuch $ 1", 3),
        ("JSON.ARRAPPEND d $.a 1 2 3", 4),
        ("JSON.ARRINSERT d $.a 0 1 2 3", 4),
        ("JSON.ARRPOP d FORMAT STRING $.a", 1),
        ("JSON.STRAPPEND d $.s \"u\"", 2),
        ("JSON.DEL d $.s", 1),
        ("JSON.GET d $[", 0),
    ] {
        assert_eq!(t.work_of(line), work, "{line}");
    }
    for line in [
        "JSON.GET d",
        "JSON.GET d $.a",
        "JSON.GET d $..x",
        "JSON.RESP d $.a",
        "JSON.TYPE d $.*",
        "JSON.ARRINDEX d $.a 1",
        "JSON.ARRTRIM d $.a 0 1",
        "JSON.CLEAR d $.a",
        "JSON.DEBUG MEMORY d $.a",
        "JSON.NUMINCRBY d $..x 1",
        &format!("JSON.SET nosuch $ {text}"),
    ] {
        let work = t.work_of(line);
        assert!((150..2000).contains(&work), "{line}: {work}");
    }
}

#[test]
fn entries_between_two_ids_are_counted_exactly_while_they_are_few() {
    let mut t = Testbed::new();
    for id in 1..=1000 {
        t.run(&format!("XADD x {id}-0 f v"));
    }
    t.run("XDEL x 50-0");
    assert_eq!(t.work_of("XRANGE x 40-0 60-0"), 20);
    assert_eq!(t.work_of("XRANGE x - + COUNT 999"), 999);
    let many = t.work_of("XRANGE x 150-0 850-0");
    assert!((701..=901).contains(&many), "{many}");
}
