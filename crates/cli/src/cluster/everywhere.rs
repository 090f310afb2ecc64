//! `call` and `set-timeout`: a command at each node.

use super::members::{Members, ask};
use super::options::ClusterOptions;
use super::screen::{Outcome, error, fail_plainly, info, print, warn};
use crate::link::reason_of;
use crate::print::{self as replies, Form};

/// Less is taken for a mistake.
const TIMEOUT_MS_MIN: u64 = 100;

/// Runs a command at each node, and prints each reply.
pub(super) fn call(members: &mut Members, options: &ClusterOptions, form: Form) -> Outcome {
    let words = &options.arguments[1..];
    info(">>> Calling");
    print(&format!(" {}\n", words.join(" ")));
    for member in &mut members.list {
        let is_replica = member.node.is_replica();
        if (options.only_primaries && is_replica) || (options.only_replicas && !is_replica) {
            continue;
        }
        let address = member.node.address();
        match member.link.ask(words) {
            Err(why) => print(&format!("{address}: Failed!\n{}\n", reason_of(&why))),
            Ok(reply) => {
                let mut text = Vec::new();
                replies::reply(&mut text, form, &reply, b"\n");
                let text = String::from_utf8_lossy(&text);
                let end = if form == Form::Terminal { "" } else { "\n" };
                print(&format!("{address}: {text}{end}"));
            }
        }
    }
    Ok(())
}

/// Sets the node timeout of each node, now and in its file.
pub(super) fn set_timeout(members: &mut Members, timeout: &str) -> Outcome {
    info(">>> Reconfiguring node timeout in every cluster node...\n");
    let (mut well, mut wrong) = (0, 0);
    for member in &mut members.list {
        let set = ["CONFIG", "SET", "cluster-node-timeout", timeout];
        let done = ask(&mut member.link, &set);
        let done = done.and_then(|_| ask(&mut member.link, &["CONFIG", "REWRITE"]));
        let address = member.node.address();
        match done {
            Ok(_) => {
                warn(&format!("*** New timeout set for {address}\n"));
                well += 1;
            }
            Err(why) => {
                error(&format!("ERR setting node-timeout for {address}: {why}\n"));
                wrong += 1;
            }
        }
    }
    info(&format!(
        ">>> New node timeout set. {well} OK, {wrong} ERR.\n"
    ));
    Ok(())
}

/// Refuses a timeout that is no number, or too short.
pub(super) fn check_timeout(timeout: &str) -> Outcome {
    match timeout.parse() {
        Ok(TIMEOUT_MS_MIN..) => Ok(()),
        _ => fail_plainly("Setting a node timeout of less than 100 milliseconds is a bad idea."),
    }
}
