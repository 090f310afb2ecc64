//! `reshard` and `rebalance`: slots move, asked for by number or by weight.
//!
//!     check -> count, target, sources (options or questions) -> table -> question -> moves
//!     weights -> check -> moves
//!
//! `moves` has the tables. A move that fails ends the command; slots that have moved stay moved.

use std::collections::{BTreeSet, HashMap};

use super::check::{self, Kind};
use super::members::Members;
use super::moves::{Rebalance, WeightedPrimary, rebalance as balance, reshard_table};
use super::moving;
use super::node::SLOTS;
use super::options::ClusterOptions;
use super::screen::{CommandFailure, Outcome, answer, fail, fail_plainly, info, print, warn};
use crate::options::Options;

/// Moves as many slots as asked for to one primary.
pub(super) fn reshard(members: &mut Members, login: &Options, options: &ClusterOptions) -> Outcome {
    if check::check(members, (login, options), Kind::Full).is_err() {
        return fail_plainly("*** Please fix your cluster problems before resharding");
    }
    let mut count = options.slots;
    while count == 0 || count > usize::from(SLOTS) {
        let question = format!("How many slots do you want to move (from 1 to {SLOTS})? ");
        let line = answer(&question).ok_or(CommandFailure)?;
        count = line.parse().unwrap_or(0);
    }
    let target = target(members, options)?;
    let sources = sources(members, options, target)?;
    if sources.is_empty() {
        return fail_plainly("*** No source nodes given, operation aborted.");
    }
    print(&format!(
        "\nReady to move {count} slots.\n  Source nodes:\n"
    ));
    for &at in &sources {
        print(&members.list[at].node.description(4, false));
    }
    print("  Destination node:\n");
    print(&members.list[target].node.description(4, false));
    print("  Resharding plan:\n");
    let slots: Vec<&BTreeSet<u16>> = sources
        .iter()
        .map(|&at| &members.list[at].node.slots)
        .collect();
    let table = reshard_table(&slots, count);
    for &(source, slot) in &table {
        let id = &members.list[sources[source]].node.id;
        print(&format!("    Moving slot {slot} from {id}\n"));
    }
    let question = "Do you want to proceed with the proposed reshard plan (yes/no)? ";
    if !options.is_yes && answer(question).as_deref() != Some("yes") {
        return Err(CommandFailure);
    }
    for (place, &from) in sources.iter().enumerate() {
        let given = table.iter().filter(|(source, _)| *source == place);
        let given: Vec<u16> = given.map(|(_, slot)| *slot).collect();
        if given.is_empty() {
            continue;
        }
        announce(members, given.len(), from, target);
        moving::slots(members, (login, options), (from, target), &given, true)?;
    }
    Ok(())
}

fn announce(members: &Members, count: usize, from: usize, to: usize) {
    let (from, to) = (&members.list[from].node, &members.list[to].node);
    print(&format!(
        "Moving {count} slots from {} to {}\n",
        from.address(),
        to.address()
    ));
}

/// The primary of an ID; a word about an ID that is none.
fn primary_of(members: &Members, id: &str) -> Option<usize> {
    let found = members.at(id);
    let found = found.filter(|&at| !members.list[at].node.is_replica());
    if found.is_none() {
        print(&format!(
            "*** The specified node ({id}) is not known or not a master, please retry.\n"
        ));
    }
    found
}

fn target(members: &Members, options: &ClusterOptions) -> Outcome<usize> {
    if let Some(id) = &options.to {
        return primary_of(members, id).ok_or(CommandFailure);
    }
    loop {
        let id = answer("What is the receiving node ID? ").ok_or(CommandFailure)?;
        if let Some(at) = primary_of(members, &id) {
            return Ok(at);
        }
    }
}

/// The primaries that give slots.
fn sources(members: &Members, options: &ClusterOptions, target: usize) -> Outcome<Vec<usize>> {
    let all = || members.primaries().filter(|&at| at != target).collect();
    let mut sources = Vec::new();
    let mut add = |id: &str| {
        let Some(at) = primary_of(members, id) else {
            return false;
        };
        if at == target {
            print("*** It is not possible to use the target node as source node.\n");
        } else if !sources.contains(&at) {
            sources.push(at);
        }
        true
    };
    if let Some(from) = &options.from {
        for id in from.split(',') {
            if id == "all" {
                return Ok(all());
            }
            if !add(id) {
                return Err(CommandFailure);
            }
        }
        return Ok(sources);
    }
    print(
        "Please enter all the source node IDs.\n  Type 'all' to use all the nodes as source nodes \
         for the hash slots.\n  Type 'done' once you entered all the source nodes IDs.\n",
    );
    for number in 1.. {
        let id = answer(&format!("Source node #{number}: ")).ok_or(CommandFailure)?;
        match id.as_str() {
            "done" => break,
            "all" => return Ok(all()),
            id => drop(add(id)),
        }
    }
    Ok(sources)
}

/// Weights by place in the list of members.
fn weights(members: &Members, options: &ClusterOptions) -> Outcome<HashMap<usize, f64>> {
    let mut weights = HashMap::new();
    for text in &options.weights {
        let Some((id, weight)) = text.split_once('=') else {
            return fail(&format!("*** invalid input {text}\n"));
        };
        let at = members.at_prefix(id);
        let Some(at) = at.filter(|&at| !members.list[at].node.is_replica()) else {
            return fail(&format!("*** No such master node {id}\n"));
        };
        let weight = weight
            .parse()
            .ok()
            .filter(|weight: &f64| weight.is_finite());
        let Some(weight) = weight.filter(|&weight| weight >= 0.0) else {
            return fail(&format!("*** invalid input {text}\n"));
        };
        weights.insert(at, weight);
    }
    Ok(weights)
}

/// Gives each primary slots by its weight.
pub(super) fn rebalance(
    members: &mut Members,
    login: &Options,
    options: &ClusterOptions,
) -> Outcome {
    let weights = weights(members, options)?;
    let weight_of = |at: usize| weights.get(&at).copied().unwrap_or(1.0);
    let involved: Vec<usize> = members
        .primaries()
        .filter(|&at| options.uses_empty || !members.list[at].node.slots.is_empty())
        .collect();
    if check::check(members, (login, options), Kind::Short).is_err() {
        return fail("*** Please fix your cluster problems before rebalancing\n");
    }
    let weighted: Vec<WeightedPrimary> = involved
        .iter()
        .map(|&at| WeightedPrimary {
            slots: members.list[at].node.slots.len(),
            weight: weight_of(at),
        })
        .collect();
    let Some(Rebalance { moves, balances }) = balance(&weighted, options.threshold) else {
        warn(&format!(
            "*** No rebalancing needed! All nodes are within the {:.2}% threshold.\n",
            options.threshold
        ));
        return Ok(());
    };
    let total: f64 = weighted.iter().map(|primary| primary.weight).sum();
    info(&format!(
        ">>> Rebalancing across {} nodes. Total weight = {total:.2}\n",
        involved.len()
    ));
    if login.is_verbose {
        for (place, balance) in balances.iter().enumerate() {
            let address = members.list[involved[place]].node.address();
            print(&format!("{address} balance is {balance} slots\n"));
        }
    }
    for (from, to, count) in moves {
        let (from, to) = (involved[from], involved[to]);
        announce(members, count, from, to);
        let table = reshard_table(&[&members.list[from].node.slots], count);
        if table.len() != count {
            return fail("*** Assertion failed: Reshard table != number of slots\n");
        }
        let slots: Vec<u16> = table.into_iter().map(|(_, slot)| slot).collect();
        if !options.simulates {
            moving::slots(members, (login, options), (from, to), &slots, false)?;
        } else {
            for slot in &slots {
                members.list[from].node.slots.remove(slot);
                members.list[to].node.slots.insert(*slot);
            }
        }
        print(&format!("{}\n", "#".repeat(count)));
    }
    Ok(())
}
