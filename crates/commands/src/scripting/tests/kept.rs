//! Cached scripts and libraries, and their memory accounting.

use super::eval;
use crate::testbed::{AllCommands as _, Testbed};
use russet_scripting::EVAL_SCRIPTS_MAX;

fn info(t: &mut Testbed, section: &str, field: &str) -> u64 {
    let text = t.run(&format!("INFO {section}"));
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.expect("a field").parse().expect("a number")
}

#[test]
fn a_hundred_thousand_scripts_are_kept_as_five_hundred() {
    let mut t = Testbed::unheard();
    let mut most = 0;
    for n in 0..100_000 {
        assert_eq!(
            eval(&mut t, &format!("return {n}"), &[], &[]),
            format!(":{n}\r\n")
        );
        if n % 5_000 == 1_000 {
            most = most.max(info(&mut t, "memory", "used_memory_vm_eval"));
        }
    }
    let kept = EVAL_SCRIPTS_MAX as u64;
    assert_eq!(info(&mut t, "memory", "number_of_cached_scripts"), kept);
    assert_eq!(info(&mut t, "stats", "evicted_scripts"), 100_000 - kept);
    assert!(most < 2 << 20, "{most} bytes of Lua for 500 small scripts");
    assert!(info(&mut t, "memory", "used_memory_scripts_eval") > kept * 8);
    let stats = t.run("MEMORY STATS");
    let figure = |name: &str| {
        let mut lines = stats.lines().skip_while(|line| *line != name);
        let number = lines.nth(1).and_then(|line| line.strip_prefix(':'));
        number.expect("a figure").parse::<u64>().expect("a number")
    };
    assert!(figure("lua.caches") > kept * 8 && figure("script.VMs") > kept * 50);
    assert_eq!(t.run("SCRIPT FLUSH"), "+OK\r\n");
    assert_eq!(info(&mut t, "memory", "number_of_cached_scripts"), 0);
    assert_eq!(info(&mut t, "memory", "used_memory_vm_eval"), 0);
}

#[test]
fn libraries_are_counted_and_their_functions_found_in_any_case() {
    let mut t = Testbed::unheard();
    let code = b"#!lua name=lib\nredis.register_function('One', function(k, a) return #k end)\n\
                 redis.register_function{function_name='two', callback=function() return 2 end, \
                 flags={'no-writes'}}";
    assert_eq!(t.run_args(&[b"FUNCTION", b"LOAD", code]), b"$3\r\nlib\r\n");
    for (line, reply) in [
        ("FCALL one 2 a b", ":2\r\n"),
        ("FCALL ONE 0", ":0\r\n"),
        ("FCALL_RO Two 0", ":2\r\n"),
        ("FCALL three 0", "-ERR Function not found\r\n"),
    ] {
        assert_eq!(t.run(line), reply, "{line}");
    }
    assert_eq!(info(&mut t, "memory", "number_of_functions"), 2);
    assert_eq!(info(&mut t, "memory", "number_of_libraries"), 1);
    assert!(info(&mut t, "memory", "used_memory_vm_functions") > 10_000);
    let same = b"#!lua name=other\nredis.register_function('ONE', function() end)";
    let reported = t.run_args(&[b"FUNCTION", b"LOAD", same]);
    assert_eq!(reported, b"-ERR Function ONE already exists\r\n");
    assert_eq!(t.run("FUNCTION FLUSH ASYNC"), "+OK\r\n");
    assert_eq!(t.run("FCALL one 0"), "-ERR Function not found\r\n");
}

#[test]
fn a_library_that_fails_leaves_those_that_are_there() {
    let mut t = Testbed::unheard();
    let load = |t: &mut Testbed, code: &str| {
        let reply = t.run_args(&[b"FUNCTION", b"LOAD", b"REPLACE", code.as_bytes()]);
        String::from_utf8_lossy(&reply).into_owned()
    };
    let good = "#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    assert_eq!(load(&mut t, good), "$3\r\nlib\r\n");
    for bad in [
        "#!lua name=lib\nredis.register_function('f', function() return 2 end) error('no')",
        "#!lua name=lib\nredis.register_function('f', function() return 2 end) syntax error",
        "#!lua name=lib\nreturn 1",
        "#!lua name=lib\nredis.register_function('f', function() end, 1)",
        "#!lua name=lib\nredis.call('set', 'a', 1)",
        "#!lua name=lib nosuch=1\nreturn 1",
        "#!lua\nreturn 1",
        "#!nosuch name=lib\nreturn 1",
        "return 1",
    ] {
        assert!(load(&mut t, bad).starts_with("-ERR "), "{bad}");
        assert_eq!(t.run("FCALL f 0"), ":1\r\n", "{bad}");
    }
}

/// RESTORE once dropped the old library before it knew that the new library loads: the new library
/// does not fit beside the old library's memory that the VM still holds.
#[test]
fn a_payload_that_cannot_be_loaded_changes_nothing() {
    let mut t = Testbed::unheard();
    t.run("CONFIG SET script-memory-limit 8mb");
    let code = b"#!lua name=lib\nlocal text = ('x'):rep(3000000) \
                 redis.register_function('f', function() return #text end)";
    assert_eq!(t.run_args(&[b"FUNCTION", b"LOAD", code]), b"$3\r\nlib\r\n");
    let big = t.run_args(&[b"FUNCTION", b"DUMP"]);
    t.run("FUNCTION FLUSH");
    let small = b"#!lua name=lib\nredis.register_function('f', function() return 1 end)";
    t.run_args(&[b"FUNCTION", b"LOAD", small]);
    let small = t.run_args(&[b"FUNCTION", b"DUMP"]);
    let payload = |reply: &[u8]| {
        let start = reply.iter().position(|b| *b == b'\n').expect("a length") + 1;
        reply[start..reply.len() - 2].to_vec()
    };
    let (big, small) = (payload(&big), payload(&small));
    let restore = |t: &mut Testbed, payload: &[u8], policy: &[u8]| {
        let reply = t.run_args(&[b"FUNCTION", b"RESTORE", payload, policy]);
        String::from_utf8_lossy(&reply).into_owned()
    };
    assert_eq!(restore(&mut t, &big, b"FLUSH"), "+OK\r\n");
    assert_eq!(t.run("FCALL f 0"), ":3000000\r\n");
    let refused = restore(&mut t, &big, b"REPLACE");
    assert!(refused.contains("not enough memory"), "{refused}");
    assert_eq!(t.run("FCALL f 0"), ":3000000\r\n");
    let there = restore(&mut t, &small, b"APPEND");
    assert_eq!(there, "-ERR Library lib already exists\r\n");
    assert_eq!(t.run("FCALL f 0"), ":3000000\r\n");
    assert_eq!(restore(&mut t, &small, b"REPLACE"), "+OK\r\n");
    assert_eq!(t.run("FCALL f 0"), ":1\r\n");
    assert_eq!(
        t.run("FUNCTION STATS").matches("libraries_count").count(),
        1
    );
}
