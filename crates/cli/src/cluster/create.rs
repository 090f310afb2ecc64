//! `create`: empty nodes become a cluster.

use std::thread;
use std::time::Duration;

use super::check::{self, Kind};
use super::members::{Member, Members, ask};
use super::options::{ClusterOptions, place_of};
use super::plan::{self, CreationPlan, WITH_PRIMARY};
use super::screen::{Outcome, error, fail, fail_plainly, info, is_confirmed, print, success, warn};
use crate::options::Options;
use russet_base::numbers::ranges;

/// Until the nodes have begun to meet.
const BEGIN: Duration = Duration::from_secs(1);

/// Attempts at a replica's REPLICATE, a second each: it must know its primary.
const REPLICATE_TRIES: usize = 30;

pub(super) fn create(login: &Options, options: &ClusterOptions) -> Outcome {
    let mut list = Vec::new();
    for argument in &options.arguments {
        let Some((host, port)) = place_of(argument) else {
            return fail_plainly(&format!("Invalid address format: {argument}"));
        };
        let mut member = Member::single(login, &host, port)?;
        member.must_be_empty()?;
        list.push(member);
    }
    let hosts: Vec<String> = list.iter().map(|member| member.node.host.clone()).collect();
    let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
    let Some(mut made) = plan::plan(&hosts, options.replicas) else {
        let (count, replicas) = (list.len(), options.replicas);
        return fail(&format!(
            "*** ERROR: Invalid configuration for cluster creation.\n*** Redis Cluster requires \
             at least 3 master nodes.\n*** This is not possible with {count} nodes and {replicas} \
             replicas per node.\n*** At least {} nodes are required.\n",
            3 * (replicas + 1)
        ));
    };
    let mut members = Members {
        list,
        unreachable: 0,
    };
    show(&members, &mut made, &hosts);
    for &(at, first, last) in &made.primaries {
        members.list[at].node.slots = (first..=last).collect();
    }
    for &(at, primary) in &made.replicas {
        let id = members.list[primary].node.id.clone();
        members.list[at].node.replicates = Some(id);
    }
    for member in &members.list {
        print(&member.node.description(0, true));
    }
    if !is_confirmed("Can I set the above configuration?", options.is_yes) {
        return Ok(());
    }
    join(&mut members, &made)?;
    let first = &members.list[0].node;
    let place = (first.host.clone(), first.port);
    drop(members);
    let mut members = Members::load(login, &place)?;
    check::check(&mut members, (login, options), Kind::Full)
}

/// The plan as it is made: slots, replicas, hosts.
fn show(members: &Members, made: &mut CreationPlan, hosts: &[&str]) {
    info(&format!(
        ">>> Performing hash slots allocation on {} nodes...\n",
        hosts.len()
    ));
    for (at, (_, first, last)) in made.primaries.iter().enumerate() {
        print(&format!("Master[{at}] -> Slots {first} - {last}\n"));
    }
    let address = |at: usize| members.list[at].node.address();
    for (at, &(replica, primary)) in made.replicas.iter().enumerate() {
        if at == made.asked {
            print("Adding extra replicas...\n");
        }
        let (replica, primary) = (address(replica), address(primary));
        print(&format!("Adding replica {replica} to {primary}\n"));
    }
    if plan::shared_hosts(made, hosts).0 == 0 {
        return;
    }
    info(">>> Trying to optimize slaves allocation for anti-affinity\n");
    match plan::spread(made, hosts) {
        0 => success("[OK] Perfect anti-affinity obtained!\n"),
        WITH_PRIMARY.. => {
            warn("[WARNING] Some slaves are in the same host as their master\n");
        }
        _ => warn("[WARNING] Some slaves of the same master are in the same host\n"),
    }
}

/// Gives slots and epochs, and lets the nodes meet.
fn join(members: &mut Members, made: &CreationPlan) -> Outcome {
    for &(at, ..) in &made.primaries {
        let member = &mut members.list[at];
        let mut words = vec!["CLUSTER".to_owned(), "ADDSLOTSRANGE".to_owned()];
        for (first, last) in ranges(member.node.slots.iter().copied()) {
            words.extend([first.to_string(), last.to_string()]);
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        member.demand(&words)?;
    }
    info(">>> Nodes configuration updated\n");
    info(">>> Assign a different config epoch to each node\n");
    for (at, member) in members.list.iter_mut().enumerate() {
        let epoch = (at + 1).to_string();
        // A node that has an epoch keeps it; the nodes settle equal epochs by themselves.
        let _ = ask(&mut member.link, &["CLUSTER", "SET-CONFIG-EPOCH", &epoch]);
    }
    info(">>> Sending CLUSTER MEET messages to join the cluster\n");
    let place = members.list[0].node.meeting_place();
    let mut meet = vec!["CLUSTER", "MEET"];
    meet.extend(place.iter().map(String::as_str));
    for member in &mut members.list[1..] {
        if let Err(why) = ask(&mut member.link, &meet) {
            error("Failed to send CLUSTER MEET command.\n");
            return member.refuse(&why);
        }
    }
    thread::sleep(BEGIN);
    members.wait_for_join(true);
    for &(at, primary) in &made.replicas {
        let id = members.list[primary].node.id.clone();
        replicate(&mut members.list[at], &id)?;
    }
    Ok(())
}

/// Makes a node a replica, once it knows its primary.
pub(super) fn replicate(member: &mut Member, primary: &str) -> Outcome {
    let words = ["CLUSTER", "REPLICATE", primary];
    for _ in 1..REPLICATE_TRIES {
        match ask(&mut member.link, &words) {
            Ok(_) => return Ok(()),
            Err(why) if why.contains("Unknown node") => thread::sleep(BEGIN),
            Err(why) => return member.refuse(&why),
        }
    }
    member.demand(&words).map(drop)
}
