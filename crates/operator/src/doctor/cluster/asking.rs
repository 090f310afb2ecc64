//! Asks the node that is given, and all nodes that it names. Several at a time, within a bounded
//! time.

use std::collections::BTreeMap;
use std::time::Instant;

use super::facts::{Cluster, Said};
use super::view::{NODES_MAX, View};
use crate::Target;
use crate::doctor::group::asking::{clock, each, late, now_us};
use crate::doctor::group::caller::{Caller, Limits};
use crate::doctor::group::facts::{Address, Fault, Fields, fields, info, time_us};
use russet_config::Login;
use russet_resp::ReplyValue;

/// The time limit of the whole, in time limits of a step.
const STEPS: u32 = 10;

/// The replies of all nodes of the target's cluster. Fails if the target does not answer, or is no
/// node.
pub(super) fn ask(target: &Target) -> Result<Cluster, Fault> {
    let limits = Limits {
        step: target.limit,
        end: Instant::now() + target.limit * STEPS,
    };
    let first = Address {
        host: target.host.clone(),
        port: target.port,
    };
    let login = Login {
        user: target.user.clone(),
        password: target.password.clone(),
    };
    let said = ask_node(&first, &login, limits)?;
    let myself = said.view.me.clone();
    let others = said.view.nodes.values().filter(|node| node.id != myself);
    let mut others: Vec<Address> = others.filter_map(|node| node.at.clone()).collect();
    let left_out = (others.len() > NODES_MAX)
        .then(|| format!("only {NODES_MAX} of {} nodes are asked", others.len()));
    others.truncate(NODES_MAX);
    let asked = each(others, limits, move |at| ask_node(at, &login, limits));
    let mut nodes: BTreeMap<Address, Result<Said, Fault>> = asked
        .into_iter()
        .map(|(at, result)| (at, late(result)))
        .collect();
    nodes.insert(first.clone(), Ok(said));
    Ok(Cluster {
        first,
        nodes,
        left_out,
    })
}

fn ask_node(at: &Address, login: &Login, limits: Limits) -> Result<Said, Fault> {
    let mut caller = Caller::open(at, login, limits)?;
    let view = match caller.run("CLUSTER NODES")? {
        ReplyValue::Bulk(text) | ReplyValue::Verbatim(text) => {
            View::parse(&String::from_utf8_lossy(&text))
        }
        _ => return Err(Fault::Odd("CLUSTER NODES has no text".to_owned())),
    };
    // Without permission for the rest, the checks do without it.
    let state = caller.run("CLUSTER INFO").map(|reply| info(&reply));
    let start = now_us();
    let time = caller.run("TIME").ok().as_ref().and_then(time_us);
    let config = caller.run("CONFIG GET cluster-*");
    let about = caller.run("INFO");
    let or_nothing = |said: Result<Fields, Fault>| said.unwrap_or_default();
    Ok(Said {
        view,
        state: or_nothing(state),
        clock: clock(start, time),
        info: or_nothing(about.map(|reply| info(&reply))),
        config: or_nothing(config.map(|reply| fields(&reply))),
    })
}
