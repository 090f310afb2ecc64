//! The cluster bus over IPv6, with announced addresses.

use crate::group::{Kind, start_node};
use crate::shards::{Member, fails_over};
use crate::support::peers;

#[test]
fn a_replica_takes_over_by_ipv6() {
    if std::net::TcpListener::bind("[::1]:0").is_err() {
        return peers::left_out("a bus over IPv6: no address ::1");
    }
    let members = [(); 4].map(|()| {
        let node = start_node(
            Kind::Russet,
            &["--bind", "127.0.0.1", "::1", "--cluster-announce-ip", "::1"],
        );
        let nodes = node.text("CLUSTER NODES");
        let address = nodes.split(' ').nth(1).expect("an address").to_owned();
        let (client, bus) = address.split_once('@').expect("two ports");
        assert!(client.starts_with("::1:"), "{address}");
        let bus = bus.split(',').next().unwrap_or_default();
        Member {
            meet: format!("::1 {} {bus}", node.port()),
            node,
        }
    });
    let members = fails_over(members);
    for member in members {
        let nodes = member.node.text("CLUSTER NODES");
        assert!(nodes.lines().all(|line| line.contains(" ::1:")), "{nodes}");
        let redirected = member.node.text("GET a");
        let is_here = redirected == "1";
        assert!(
            is_here || redirected.starts_with("MOVED 15495 ::1:"),
            "{redirected}"
        );
    }
}
