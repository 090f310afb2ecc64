use super::super::transcript::{payload, play};
use crate::testbed::{AllCommands as _, Testbed};

/// Replies of Redis Stack 7.4 to the same lines, except where Redis Stack differs.
#[test]
fn replies_are_those_of_redis() {
    play(include_str!("answers.txt"));
}

/// Random draws decide whether an addition wears cells of other items; a server that repeats the
/// additions draws the same.
#[test]
fn effects_lead_to_the_same_list() {
    let mut t = Testbed::new();
    t.take_effects();
    t.run("TOPK.RESERVE t 5 4 2 0.7");
    for at in 0..2000_u32 {
        t.run(&format!("TOPK.ADD t i{} j{}", at % 13, at * at % 37));
        t.run(&format!("TOPK.INCRBY t i{} {}", at % 7, at % 5));
    }
    let effects = t.take_effects();
    assert!(effects[0].starts_with("TOPK.RESERVE t 5 4 2 7.000"));
    let mut other = Testbed::new();
    for effect in &effects {
        other.run(effect);
    }
    assert_eq!(payload(&mut t, "t"), payload(&mut other, "t"));
    // The replica records the effects that it was given.
    assert_eq!(other.take_effects(), effects);
    // A list that was read goes on in the same way.
    let dump = payload(&mut t, "t");
    t.run_args(&[b"RESTORE", b"u", b"0", &dump]);
    for at in 0..2000_u32 {
        for key in ["t", "u"] {
            t.run(&format!("TOPK.ADD {key} k{}", at * 7 % 41));
        }
    }
    assert_eq!(payload(&mut t, "t"), payload(&mut t, "u"));
    assert_eq!(t.run("COPY t v"), ":1\r\n");
    assert_eq!(payload(&mut t, "t"), payload(&mut t, "v"));
}

/// Each list has a seed from the server's generator.
#[test]
fn lists_have_seeds_of_their_own() {
    let mut t = Testbed::new();
    t.run("TOPK.RESERVE t 5");
    t.run("TOPK.RESERVE u 5");
    assert_ne!(payload(&mut t, "t"), payload(&mut t, "u"));
}

#[test]
fn items_with_nul_bytes_survive() {
    let mut t = Testbed::new();
    t.run("TOPK.RESERVE t 3");
    t.run_args(&[b"TOPK.ADD", b"t", b"x\0y", b"", b"\0"]);
    t.run_args(&[b"TOPK.ADD", b"t", b"x\0y"]);
    let dump = payload(&mut t, "t");
    t.run_args(&[b"RESTORE", b"u", b"0", &dump]);
    let has = t.run_args(&[b"TOPK.QUERY", b"u", b"x\0y", b"", b"\0", b"x"]);
    assert_eq!(has, b"*4\r\n:1\r\n:1\r\n:1\r\n:0\r\n");
    assert_eq!(payload(&mut t, "u"), dump);
}

#[test]
fn a_wrong_increment_is_an_error_among_the_replies() {
    let mut t = Testbed::new();
    t.run("TOPK.RESERVE t 3");
    let reply = t.run("TOPK.INCRBY t a 2 b -1 c 100001 d x e 100000");
    let error = "-TopK: increment must be an integer greater or equal to 0                            and smaller or equal to 100,000\r\n";
    assert_eq!(reply, format!("*5\r\n$-1\r\n{error}{error}{error}$-1\r\n"));
    assert_eq!(
        t.run("TOPK.QUERY t a b c d e"),
        "*5\r\n:1\r\n:0\r\n:0\r\n:0\r\n:1\r\n"
    );
}
