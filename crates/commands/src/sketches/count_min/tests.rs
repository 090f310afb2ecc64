use super::super::transcript::{check_payload, converse, play};
use crate::testbed::{AllCommands as _, Testbed};

/// Replies of Redis Stack 7.4 to the same lines.
#[test]
fn replies_are_those_of_redis() {
    play(include_str!("answers.txt"));
}

#[test]
fn payloads_are_those_of_redis() {
    check_payload(
        &["CMS.INITBYDIM m 5 2", "CMS.INCRBY m foo 3 bar 70000"],
        "m",
        "078108c4a4f9360f10000205020202800001117305280000000070110100000000000300000000000000\
         0000000003000000000000007011010000000000000c005f83283946d68750",
    );
}

#[test]
fn changes_are_repeated_and_reported() {
    let mut t = Testbed::new();
    t.take_effects();
    t.take_events();
    converse(
        &mut t,
        &[
            ("CMS.INITBYDIM a 5 2", "+OK"),
            ("CMS.INCRBY a x 1", "*1 :1"),
            ("CMS.INCRBY a x 0", "*1 :1"),
            ("CMS.MERGE a 2 a a", "+OK"),
            ("CMS.QUERY a x", "*1 :2"),
            ("COPY a b", ":1"),
            ("CMS.QUERY b x", "*1 :2"),
        ],
    );
    let expected = [
        "CMS.INITBYDIM a 5 2",
        "CMS.INCRBY a x 1",
        "CMS.MERGE a 2 a a",
    ];
    let effects = t.take_effects();
    assert_eq!(effects[..3], expected);
    assert!(effects[3].starts_with("RESTORE b 0 "), "{effects:?}");
}
