//! The lines of CLIENT LIST.
//! Real commands run in process, because a table of a few would not show it.

use crate::testbed::{AllCommands as _, Testbed};

#[test]
fn a_queue_weighs_its_arguments_and_a_pointer_to_each() {
    let mut t = Testbed::new();
    let queues = t.connect();
    t.run_as(queues, "MULTI");
    t.run_as(queues, "SET k v");
    let listed = |t: &mut Testbed| t.run(&format!("CLIENT LIST ID {}", queues.0));
    assert!(listed(&mut t).contains(" multi=1 ") && listed(&mut t).contains(" multi-mem=29 "));
    t.run_as(queues, "GET k");
    assert!(listed(&mut t).contains(" multi-mem=49 "));
    t.run_as(queues, "DISCARD");
    assert!(listed(&mut t).contains(" multi-mem=0 "));
}
