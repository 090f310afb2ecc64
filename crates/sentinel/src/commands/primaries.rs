//! MONITOR, REMOVE and RESET: which primaries are watched.

use super::{Call, CallResult, ReplyCondition, error};
use crate::address::is_ip;
use crate::config::PrimarySettings;
use crate::explain::record;
use crate::groups;
use crate::shared::Reporter;
use russet_base::glob;
use russet_base::numbers::number::parse_i64;
use russet_host::Level;

/// `MONITOR name ip port quorum`. With `resolve-hostnames` a name is looked up at once, and refused
/// if it has no address.
pub(super) fn monitor(call: &mut Call<'_>) -> CallResult {
    let [_, _, name, host, port, quorum] = *call.args else {
        unreachable!("the row has the number of words");
    };
    let quorum = parse_i64(quorum).ok_or_else(|| error("ERR Invalid quorum"))?;
    let port = parse_i64(port).ok_or_else(|| error("ERR Invalid port"))?;
    if quorum <= 0 {
        return Err(error("ERR Quorum must be 1 or greater."));
    }
    let shared = &mut call.sentinel.shared;
    let checked_port = u16::try_from(port).unwrap_or(0);
    let no_address = || error("ERR Invalid IP address or hostname specified");
    let is_name = shared.globals.resolve_hostnames && !is_ip(host);
    if is_name && shared.names.ip_of(host).is_none() {
        let ip = (call.host.resolve)(host).ok_or_else(no_address)?;
        shared.names.learn(host, Some(ip));
    }
    let address = shared.address(host, checked_port).ok_or_else(no_address)?;
    if i64::from(checked_port) != port {
        return Err(error("ERR Invalid port number."));
    }
    if call.sentinel.primaries.contains_key(name) {
        return Err(error("ERR Duplicate master name."));
    }
    let periods = &shared.periods;
    let settings = PrimarySettings::new(
        quorum as usize,
        periods.default_down_after,
        periods.default_failover_timeout,
    );
    let primary = groups::new_primary(shared, name, address, settings);
    groups::report_monitored(shared, &primary);
    call.sentinel.primaries.insert(name.to_vec(), primary);
    call.ok_when_saved()
}

/// `REMOVE name`
pub(super) fn remove(call: &mut Call<'_>) -> CallResult {
    call.primary(call.args[2])?;
    let primaries = &mut call.sentinel.primaries;
    let primary = primaries.remove(call.args[2]).expect("looked up above");
    let shared = &mut call.sentinel.shared;
    let reporter = Reporter::new(&primary, shared);
    reporter.primary(shared, Level::Warning, "-monitor", "");
    groups::release(shared, primary);
    call.ok_when_saved()
}

/// `RESET pattern`: how many were reset.
pub(super) fn reset(call: &mut Call<'_>) -> CallResult {
    let (pattern, mut count) = (call.args[2], 0);
    let shared = &mut call.sentinel.shared;
    for primary in call.sentinel.primaries.values_mut() {
        if !glob::matches(pattern, &primary.name, false) {
            continue;
        }
        groups::reset(shared, primary, true);
        record::reset(shared, primary);
        let reporter = Reporter::new(primary, shared);
        reporter.primary(shared, Level::Warning, "+reset-master", "");
        count += 1;
    }
    if count > 0 {
        shared.out.persist();
    }
    call.reply.int(count);
    Ok(ReplyCondition::Send)
}
