//! `add-node` and `del-node`: a node joins a cluster or leaves it.
//!
//!     add-node   check -> the node is empty -> functions -> MEET -> (wait -> REPLICATE)
//!     del-node   the node has no slots -> its replicas get another primary -> FORGET -> RESET SOFT

use std::thread;
use std::time::Duration;

use russet_resp::ReplyValue;

use super::check::{self, Kind};
use super::create::replicate;
use super::members::{Member, Members, ask};
use super::options::{ClusterOptions, place_of};
use super::screen::{CommandFailure, Outcome, fail, info, print, success, warn};
use crate::options::Options;

/// Adds the node of the first argument to the cluster of the second.
pub(super) fn add(login: &Options, options: &ClusterOptions) -> Outcome {
    let (Some(new), Some(known)) = (
        place_of(&options.arguments[0]),
        place_of(&options.arguments[1]),
    ) else {
        return super::wrong_place();
    };
    info(&format!(
        ">>> Adding node {}:{} to cluster {}:{}\n",
        new.0, new.1, known.0, known.1
    ));
    let mut members = Members::load(login, &known)?;
    check::check(&mut members, (login, options), Kind::Full)?;
    let primary = match (options.is_replica, &options.primary_id) {
        (false, _) => None,
        (true, Some(id)) => match members.at(id) {
            Some(at) if !members.list[at].node.is_replica() => Some(at),
            _ => return fail(&format!("[ERR] No such master ID {id}\n")),
        },
        (true, None) => {
            let at = members.least_copied(None).ok_or(CommandFailure)?;
            let address = members.list[at].node.address();
            print(&format!("Automatically selected master {address}\n"));
            Some(at)
        }
    };
    let mut member = match Member::single(login, &new.0, new.1) {
        Ok(member) => member,
        Err(CommandFailure) => {
            let (host, port) = &new;
            return fail(&format!(
                "[ERR] Sorry, can't connect to node {host}:{port}\n"
            ));
        }
    };
    member.must_be_empty()?;
    if primary.is_none() {
        copy_functions(&mut members.list[0], &mut member)?;
    }
    let address = member.node.address();
    info(&format!(
        ">>> Send CLUSTER MEET to node {address} to make it join the cluster.\n"
    ));
    let place = members.list[0].node.meeting_place();
    let mut meet = vec!["CLUSTER", "MEET"];
    meet.extend(place.iter().map(String::as_str));
    member.demand(&meet)?;
    if let Some(at) = primary {
        thread::sleep(Duration::from_secs(1));
        members.list.push(member);
        members.wait_for_join(false);
        let node = &members.list[at].node;
        let (id, address) = (node.id.clone(), node.address());
        info(&format!(">>> Configure node as replica of {address}.\n"));
        replicate(members.list.last_mut().expect("just added"), &id)?;
    }
    success("[OK] New node added correctly.\n");
    Ok(())
}

/// Gives a new primary the functions of the cluster, which each primary must have.
fn copy_functions(from: &mut Member, to: &mut Member) -> Outcome {
    info(">>> Getting functions from cluster\n");
    let dump = match ask(&mut from.link, &["FUNCTION", "DUMP"]) {
        Ok(ReplyValue::Bulk(dump)) => dump,
        Ok(other) => return from.refuse(&format!("unexpected reply {other:?}")),
        Err(why) => {
            warn(&format!(
                ">>> Failed retrieving Functions from the cluster, skip this step as Redis version \
                 do not support function command (error = '{why}')\n"
            ));
            return Ok(());
        }
    };
    let address = to.node.address();
    info(&format!(
        ">>> Send FUNCTION LIST to {address} to verify there is no functions in it\n"
    ));
    match ask(&mut to.link, &["FUNCTION", "LIST"]) {
        Ok(ReplyValue::Array(libraries)) if libraries.is_empty() => {}
        Ok(_) => {
            return fail(
                ">>> New node already contains functions and can not be added to the cluster. Use \
                 FUNCTION FLUSH and try again.\n",
            );
        }
        Err(why) => return fail(&format!(">>> Failed on CLUSTER LIST (error = '{why}')\n")),
    }
    info(&format!(">>> Send FUNCTION RESTORE to {address}\n"));
    let words: [&[u8]; 3] = [b"FUNCTION", b"RESTORE", &dump];
    let why = match to.link.ask(&words) {
        Ok(ReplyValue::Error(why)) => String::from_utf8_lossy(&why).into_owned(),
        Ok(_) => return Ok(()),
        Err(why) => crate::link::reason_of(&why),
    };
    fail(&format!(
        ">>> Failed loading functions to the new node (error = '{why}')\n"
    ))
}

/// Removes an empty node: its replicas get another primary, all others forget it.
pub(super) fn remove(login: &Options, options: &ClusterOptions) -> Outcome {
    let Some(place) = place_of(&options.arguments[0]) else {
        return super::wrong_place();
    };
    let id = &options.arguments[1];
    let (host, port) = &place;
    info(&format!(
        ">>> Removing node {id} from cluster {host}:{port}\n"
    ));
    let mut members = Members::load(login, &place)?;
    let Some(gone) = members.at(id) else {
        return fail(&format!("[ERR] No such node ID {id}\n"));
    };
    if !members.list[gone].node.slots.is_empty() {
        let address = members.list[gone].node.address();
        return fail(&format!(
            "[ERR] Node {address} is not empty! Reshard data away and try again.\n"
        ));
    }
    info(">>> Sending CLUSTER FORGET messages to the cluster...\n");
    for at in (0..members.list.len()).filter(|&at| at != gone) {
        if members.list[at].node.replicates.as_deref() == Some(id) {
            let other = members.least_copied(Some(gone)).ok_or(CommandFailure)?;
            let primary = members.list[other].node.id.clone();
            info(&format!(
                ">>> {} as replica of {}\n",
                members.list[at].node.address(),
                members.list[other].node.address()
            ));
            members.list[at].demand(&["CLUSTER", "REPLICATE", &primary])?;
            members.list[at].node.replicates = Some(primary);
            members.list[other].node.replicas += 1;
        }
        members.list[at].demand(&["CLUSTER", "FORGET", id])?;
    }
    info(">>> Sending CLUSTER RESET SOFT to the deleted node.\n");
    members.list[gone]
        .demand(&["CLUSTER", "RESET", "SOFT"])
        .map(drop)
}
