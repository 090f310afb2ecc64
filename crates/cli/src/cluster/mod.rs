//! `--cluster`: redis-cli's commands for a whole cluster, with its words, questions and exit codes.
//!
//!     options -> members (all nodes, loaded from one) -> check -> a command
//!
//!     options     the words after --cluster, and its help      screen      colours and questions
//!     node        a line of CLUSTER NODES; no I/O              members     nodes and connections
//!     plan        primaries and replicas of a new cluster; no I/O
//!     moves       tables of slots that move; no I/O            moving      slots on their way
//!     check, fix  what is wrong, and mended                    create      a new cluster
//!     reshard     reshard, rebalance                           joining     add-node, del-node
//!     everywhere  call, set-timeout                            transfer    import, backup
//!
//! The client needs a connection to each node. Only commands of Redis are sent, so it works with
//! clusters of Redis and Valkey as well. The check of a cluster of russet ends with the findings of
//! CLUSTER EXPLAIN when something is wrong.

mod check;
mod create;
mod everywhere;
mod fix;
mod joining;
mod members;
mod moves;
mod moving;
mod node;
mod options;
mod plan;
mod reshard;
mod screen;
mod transfer;

pub(crate) use options::ClusterOptions;

use members::Members;
use screen::{CommandFailure, Outcome};

use crate::options::Options;
use crate::print::Form;

/// Runs a subcommand, and returns the exit status.
pub(crate) fn run(login: &Options, options: &ClusterOptions, form: Form) -> u8 {
    let Some(subcommand) = options::SUBCOMMANDS
        .iter()
        .find(|subcommand| subcommand.name == options.name)
    else {
        eprintln!("Unknown --cluster subcommand");
        return 1;
    };
    let (count, arity) = (options.arguments.len() as i32, subcommand.arity);
    if if arity < 0 {
        count < -arity
    } else {
        count != arity
    } {
        eprintln!("[ERR] Wrong number of arguments for specified --cluster sub command");
        return 1;
    }
    match dispatch(login, options, form) {
        Ok(()) => 0,
        Err(CommandFailure) => 1,
    }
}

fn dispatch(login: &Options, options: &ClusterOptions, form: Form) -> Outcome {
    match options.name.as_str() {
        "help" => {
            screen::print(&options::help());
            // Status 1, as in redis-cli.
            return Err(CommandFailure);
        }
        "create" => return create::create(login, options),
        "add-node" => return joining::add(login, options),
        "del-node" => return joining::remove(login, options),
        "import" => return transfer::import(login, options),
        "set-timeout" => everywhere::check_timeout(&options.arguments[1])?,
        _ => {}
    }
    let is_place_first = matches!(options.name.as_str(), "call" | "set-timeout" | "backup");
    let place = if is_place_first {
        options::place_of(&options.arguments[0])
    } else {
        options.place()
    };
    let Some(place) = place else {
        return wrong_place();
    };
    let mut members = Members::load(login, &place)?;
    let settings = (login, options);
    match options.name.as_str() {
        "info" => check::show_info(&mut members),
        "check" => {
            check::show_info(&mut members)?;
            let outcome = check::check(&mut members, settings, check::Kind::Full);
            if outcome.is_err() {
                check::explain(&mut members.list[0]);
            }
            outcome
        }
        "fix" => {
            check::show_info(&mut members)?;
            check::check(&mut members, settings, check::Kind::Fix)
        }
        "reshard" => reshard::reshard(&mut members, login, options),
        "rebalance" => reshard::rebalance(&mut members, login, options),
        "call" => everywhere::call(&mut members, options, form),
        "set-timeout" => everywhere::set_timeout(&mut members, &options.arguments[1]),
        "backup" => transfer::backup(&mut members, login, options),
        _ => Ok(()),
    }
}

/// The refusal of a place that is no host with a port.
fn wrong_place<T>() -> Outcome<T> {
    screen::fail_plainly(
        "[ERR] Invalid arguments: you need to pass either a valid address (ie. 120.0.0.1:7000) or \
         space separated IP and port (ie. 120.0.0.1 7000)",
    )
}
