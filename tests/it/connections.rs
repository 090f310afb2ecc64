//! Connections of a process without free descriptors, and at the end of a process.

use std::fs;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Resource, Rlimit, getrlimit, prlimit};

use crate::support::{Connection, Daemon, wait_until};

/// Processor time that the server has used.
fn cpu(server: &Daemon) -> Duration {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.pid())).expect("it runs");
    let fields: Vec<&str> = stat[stat.rfind(')').expect("a name")..]
        .split(' ')
        .collect();
    let ticks = |at: usize| fields[at].parse::<u64>().expect("a number");
    // User and system time, in hundredths of a second.
    Duration::from_millis((ticks(12) + ticks(13)) * 10)
}

/// Limits the server's open files.
fn limit_files(server: &Daemon, files: u64) {
    let pid = Pid::from_raw(i32::try_from(server.pid()).expect("a pid"));
    let limit = Rlimit {
        current: Some(files),
        ..getrlimit(Resource::Nofile)
    };
    prlimit(pid, Resource::Nofile, limit).expect("the highest limit stays");
}

#[test]
fn a_connection_that_cannot_be_accepted_waits_and_costs_nothing() {
    let server = Daemon::start(&[]);
    let open = fs::read_dir(format!("/proc/{}/fd", server.pid()))
        .expect("it runs")
        .count();
    let mut served = server.connect();
    assert_eq!(served.ask("PING"), "+PONG\r\n");
    limit_files(&server, open as u64 + 1);
    let mut waiting = Vec::new();
    let began = (Instant::now(), cpu(&server));
    // Each new connection causes an event of the listener.
    while began.0.elapsed() < Duration::from_millis(1500) {
        waiting.push(TcpStream::connect(("127.0.0.1", server.port())).expect("the queue has room"));
        assert_eq!(served.ask("PING"), "+PONG\r\n");
        std::thread::sleep(Duration::from_millis(15));
    }
    let used = cpu(&server) - began.1;
    assert!(used < Duration::from_millis(500), "{used:?}");
    let reported = server.log().matches("Accepting client connection").count();
    assert_eq!(reported, 1);
    // Descriptors are free again: the server accepts the waiting connections.
    limit_files(&server, 1000);
    wait_until("they are accepted", || {
        let list = served.ask("CLIENT LIST");
        list.lines().filter(|line| line.contains("addr=")).count() > waiting.len()
    });
}

#[test]
fn clients_are_notified_of_the_end_before_the_data_is_freed() {
    let mut server = Daemon::start(&[]);
    let mut c = server.connect();
    let populate = |c: &mut Connection| {
        let reply = c.ask("DEBUG POPULATE 500000 key 100");
        assert_eq!(reply, "+OK\r\n");
    };
    populate(&mut c);
    let began = Instant::now();
    assert_eq!(c.ask("FLUSHALL SYNC"), "+OK\r\n");
    let freeing = began.elapsed();
    populate(&mut c);
    let mut other = server.connect();
    let began = Instant::now();
    c.send(b"SHUTDOWN NOSAVE\r\n");
    assert_eq!(other.rest(), b"");
    let reported = began.elapsed();
    assert!(
        reported < freeing / 2 + Duration::from_millis(20),
        "{reported:?} {freeing:?}"
    );
    assert!(server.wait_end().success());
}
