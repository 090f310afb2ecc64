//! The section of INFO about prefixes.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};

#[test]
fn the_section_is_shown_where_it_is_asked_for() {
    let mut t = Testbed::new();
    assert!(!t.run("INFO").contains("# Prefixstats"));
    assert!(t.run("INFO prefixstats").contains("prefix_stats:0\r\n"));
    t.run("CONFIG SET prefix-stats yes");
    t.run("SET a,b:1 x");
    let line = "db0_prefix_1:keys=1,bytes=16,reads=0,writes=1,misses=0,expired=0,packed=0,\
                saved=0,prefix=a,b:";
    let info = t.run("INFO all");
    assert!(info.contains(line), "{info}");
}
