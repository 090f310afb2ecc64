//! Hellos and requests for votes of Sentinels that do not exist: n and 4n of them cost the same,
//! and change nothing.

use std::time::Duration;

use crate::process::{Kind, NAME, Sentinel};
use crate::support::resp::command;
use crate::support::strangers::{Bounds, Cost, Pinger};
use crate::support::wait_until;

const LATE: Duration = Duration::from_secs(2);

fn cost(sentinel: &Sentinel) -> Cost {
    Cost::of(sentinel.pid(), sentinel.folder(), sentinel.log().len())
}

#[test]
fn strangers_hellos_cost_little_and_are_not_believed() {
    let sentinel = Sentinel::start(Kind::Russet, 1, 1, "");
    let bounds = Bounds {
        descriptors: 40,
        resident_bytes: 24 << 20,
        // Changes of epochs are events, at most 10 at once and 10 a second.
        log_bytes: 16 * 1024,
    };
    // Warms up, so that the first memory of each kind does not count.
    let mut c = sentinel.connect();
    let before = cost(&sentinel);
    for n in [500, 2000] {
        let pinger = Pinger::start(sentinel.connect());
        let mut bytes = Vec::new();
        for i in 0..n {
            let epoch = [u64::MAX, i][(i % 2) as usize];
            let hello = format!(
                "127.0.0.1,{},{i:040},{epoch},{NAME},127.0.0.1,1,{epoch}",
                i % 60_000 + 1
            );
            bytes.extend(command(&["PUBLISH", "__sentinel__:hello", &hello]));
        }
        let long = "x".repeat(100_000);
        let hello = format!("127.0.0.1,3,{long},0,{NAME},127.0.0.1,1,0");
        bytes.extend(command(&["PUBLISH", "__sentinel__:hello", &hello]));
        c.send(&bytes);
        for _ in 0..=n {
            assert_eq!(c.reply(), b":1\r\n");
        }
        let what = format!("{n} hellos");
        bounds.check(&what, before, cost(&sentinel));
        pinger.check(&what, LATE);
        let info = c.ask(&format!("SENTINEL MASTER {NAME}"));
        assert!(
            info.contains("num-other-sentinels\r\n$1\r\n0\r\n"),
            "{info}"
        );
        assert!(
            sentinel.file().contains("sentinel current-epoch 0"),
            "{}",
            sentinel.file()
        );
    }
    for n in [500, 2000] {
        let pinger = Pinger::start(sentinel.connect());
        let ask = |i: u64| {
            let epoch = i.to_string();
            let words = [
                "SENTINEL",
                "IS-MASTER-DOWN-BY-ADDR",
                "127.0.0.1",
                "1",
                &epoch,
                "abc",
            ];
            command(&words)
        };
        let bytes: Vec<u8> = (1..=n).flat_map(ask).collect();
        c.send(&bytes);
        // The requests do not use up votes either, because no Sentinel has that run id.
        for _ in 0..n {
            let reply = String::from_utf8(c.reply()).expect("text");
            assert!(reply.ends_with("$1\r\n*\r\n:0\r\n"), "{reply:?}");
        }
        let file = sentinel.file();
        assert!(file.contains("sentinel current-epoch 0"), "{file}");
        let what = format!("{n} requests for votes");
        bounds.check(
            &what,
            before,
            Cost {
                log_bytes: before.log_bytes,
                ..cost(&sentinel)
            },
        );
        pinger.check(&what, LATE);
    }
    wait_until("the candidates to be forgotten", || {
        cost(&sentinel).descriptors <= before.descriptors + 4
    });
}
