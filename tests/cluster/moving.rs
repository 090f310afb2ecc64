//! Slots move between nodes while clients write.

use crate::group::{Group, Kind};

#[test]
fn slots_move_while_clients_write() {
    let Some(group) = Group::create("resharding", &[Kind::Russet; 3], 0) else {
        return;
    };
    group.write("old", 1000);
    let (from, to) = (group.nodes[0].id(), group.nodes[1].id());
    let any = group.nodes[2].address();
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| group.write("new", 5000));
        group.order(&[
            "reshard",
            &any,
            "--cluster-from",
            &from,
            "--cluster-to",
            &to,
            "--cluster-slots",
            "500",
        ]);
        writer.join().expect("all writes");
    });
    group.wait_until_well();
    group.check();
    group.assert_written("old", 1000);
    group.assert_written("new", 5000);
    let moved = group.nodes[1].state("cluster_slots_ok");
    assert_eq!(moved, "16384");
}
