//! A slow disk: only writers wait for it, no acknowledged write is lost, and the amount of waiting
//! data has a bound.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::support::resp::command;
use crate::support::wait::SetOnDrop;
use crate::support::{Daemon, wait_until};

const MIB: u64 = 1 << 20;

fn start() -> Daemon {
    Daemon::start(&["--appendonly", "yes", "--appendfsync", "everysec"])
}

/// Makes each write to the log `micros` longer, from the second write on, and the server notices.
fn slow_down(server: &Daemon, micros: u32) {
    let mut c = server.connect();
    assert_eq!(c.ask(&format!("DEBUG AOF-FLUSH-SLEEP {micros}")), "+OK\r\n");
    assert_eq!(c.ask("SET slow 1"), "+OK\r\n");
}

/// The times of PING, sorted, while `others` runs.
fn ping_while(server: &Daemon, others: impl FnOnce() + Send) -> Vec<Duration> {
    let stop = AtomicBool::new(false);
    let mut times = Vec::new();
    std::thread::scope(|scope| {
        let ended = &stop;
        scope.spawn(move || {
            let _ended = SetOnDrop(ended);
            others();
        });
        let mut c = server.connect();
        while !stop.load(Ordering::Relaxed) {
            let began = Instant::now();
            assert_eq!(c.ask("GET slow"), "$1\r\n1\r\n");
            times.push(began.elapsed());
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    times.sort();
    times
}

#[test]
fn readers_do_not_wait_for_a_slow_disk_and_what_was_acknowledged_survives() {
    let mut server = start();
    slow_down(&server, 100_000);
    let (port, mut acknowledged) = (&server, 0u64);
    let counted = &mut acknowledged;
    let times = ping_while(&server, move || {
        let mut c = port.connect();
        let until = Instant::now() + Duration::from_secs(4);
        while Instant::now() < until {
            let batch = 20;
            let rpush = command(&[&b"RPUSH"[..], b"list", &[b'v'; 2000]]);
            c.send(&rpush.repeat(batch));
            for _ in 0..batch {
                *counted += 1;
                assert_eq!(c.reply(), format!(":{counted}\r\n").into_bytes());
            }
        }
    });
    // Each write to the disk takes longer than 80 ms.
    let slow = times.iter().filter(|time| time.as_millis() >= 80).count();
    assert!(slow * 50 < times.len(), "{slow} of {} waited", times.len());
    assert!(acknowledged >= 100, "{acknowledged}");
    server.kill();
    server.restart();
    let length = server.connect().ask("LLEN list");
    let length: u64 = length
        .trim_start_matches(':')
        .trim()
        .parse()
        .expect("a number");
    assert!(length >= acknowledged, "{length} of {acknowledged}");
}

#[test]
fn what_waits_for_a_slow_disk_has_a_bound_and_all_of_it_is_written() {
    let server = start();
    slow_down(&server, 500_000);
    let waiting = || {
        let bytes = server.info("aof_buffer_length").expect("it is reported");
        bytes.parse::<u64>().expect("a number")
    };
    let (mut c, mut reader) = (server.connect(), server.connect());
    let writes = 600;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let set = command(&[&b"APPEND"[..], b"text", &[b'v'; 100_000]]);
            for _ in 0..writes {
                c.send(&set);
            }
        });
        let mut most = 0;
        wait_until("the buffer to be full", || {
            most = most.max(waiting());
            most >= 2 * MIB
        });
        let until = Instant::now() + Duration::from_secs(2);
        while Instant::now() < until {
            most = most.max(waiting());
            assert_eq!(reader.ask("GET slow"), "$1\r\n1\r\n");
        }
        assert!(most < 8 * MIB, "{most}");
        assert_eq!(reader.ask("DEBUG AOF-FLUSH-SLEEP 0"), "+OK\r\n");
    });
    for n in 1..=writes {
        assert_eq!(c.reply(), format!(":{}\r\n", n * 100_000).into_bytes());
    }
    wait_until("everything to be written", || waiting() == 0);
}

/// Regression: the start of a rewrite or a backup waited for the running write, and for another
/// write.
#[test]
fn a_rewrite_and_a_backup_begin_beside_a_slow_disk_and_hold_no_reader() {
    let mut server = start();
    slow_down(&server, 1_000_000);
    let writes = 20;
    let times = ping_while(&server, || {
        for order in ["BGREWRITEAOF", "BACKUP CREATE set"] {
            let (mut c, mut other) = (server.connect(), server.connect());
            for _ in 0..writes {
                c.send(&command(&[&b"INCR"[..], b"n"]));
                // A turn for each write.
                assert_eq!(other.ask("PING"), "+PONG\r\n");
            }
            assert!(!other.ask(order).starts_with('-'), "{order}");
            (0..writes).for_each(|_| _ = c.reply());
            wait_until("the end of it", || {
                server.info("aof_rewrite_in_progress").as_deref() == Some("0")
            });
        }
    });
    // Each write takes longer than 800 ms.
    let longest = times.last().expect("many");
    assert!(longest.as_millis() < 800, "{longest:?}");
    let mut c = server.connect();
    assert_eq!(c.ask("DEBUG AOF-FLUSH-SLEEP 0"), "+OK\r\n");
    assert_eq!(c.ask("GET n"), "$2\r\n40\r\n");
    server.kill();
    server.restart();
    assert_eq!(server.connect().ask("GET n"), "$2\r\n40\r\n");
}
