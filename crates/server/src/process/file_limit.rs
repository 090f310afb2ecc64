//! `maxclients` against the limit on open files.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that the server itself needs: files, listeners, the poll.
const RESERVED: u64 = 32;
/// Step in which lower limits are tried.
const STEP: u64 = 16;

/// The result of raising the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileLimit {
    /// Enough for `maxclients`.
    Enough,
    /// Only this many clients can be served.
    Clients(u32),
    /// Not even a single client; only this many descriptors are allowed.
    TooLow(u64),
}

/// Raises the limit on open files for `maxclients`, as far as the system allows, and logs the
/// result.
pub fn raise_file_limit(maxclients: u32) -> FileLimit {
    let wanted = u64::from(maxclients) + RESERVED;
    let limit = getrlimit(Resource::Nofile);
    let old = limit.current.unwrap_or(u64::MAX);
    if old >= wanted {
        return FileLimit::Enough;
    }
    let (reached, error) = raise(old, wanted, limit.maximum);
    if reached >= wanted {
        tracing::info!(
            "Increased maximum number of open files to {wanted} (it was originally set to {old})."
        );
        return FileLimit::Enough;
    }
    if reached <= RESERVED {
        return FileLimit::TooLow(reached);
    }
    let clients = (reached - RESERVED) as u32;
    tracing::warn!(
        "You requested maxclients of {maxclients} requiring at least {wanted} max file descriptors."
    );
    if let Some(error) = error {
        let why = russet_config::system_text(&error.into());
        tracing::warn!(
            "Server can't set maximum open files to {wanted} because of OS error: {why}."
        );
    }
    tracing::warn!(
        "Current maximum open files is {reached}. maxclients has been reduced to {clients} to \
         compensate for low ulimit. If you need higher maxclients increase 'ulimit -n'."
    );
    FileLimit::Clients(clients)
}

/// Descriptors that are left when `maxclients` are connected.
pub fn spare_files(maxclients: u32) -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let spare = limit.saturating_sub(u64::from(maxclients) + RESERVED);
    usize::try_from(spare).unwrap_or(usize::MAX)
}

/// The highest limit up to `wanted` that the system grants, and the error if it is less.
fn raise(old: u64, wanted: u64, maximum: Option<u64>) -> (u64, Option<rustix::io::Errno>) {
    let mut first_error = None;
    let mut aim = wanted;
    while aim > old {
        // Only a privileged process may raise the maximum; then it is raised with the limit.
        let maximum = maximum.map(|maximum| maximum.max(aim));
        let new = Rlimit {
            current: Some(aim),
            maximum,
        };
        match setrlimit(Resource::Nofile, new) {
            Ok(()) => return (aim, first_error),
            Err(error) => {
                first_error.get_or_insert(error);
            }
        }
        // The current maximum always works; below it, steps find any other restriction.
        aim = match limit_below(aim, getrlimit(Resource::Nofile).maximum) {
            Some(hard) => hard,
            None => aim.saturating_sub(STEP),
        };
    }
    (old, first_error)
}

/// The maximum, if it is lower than `tried`.
fn limit_below(tried: u64, maximum: Option<u64>) -> Option<u64> {
    maximum.filter(|&maximum| maximum < tried)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_number_of_clients_needs_no_change() {
        let before = getrlimit(Resource::Nofile);
        assert_eq!(raise_file_limit(1), FileLimit::Enough);
        assert_eq!(getrlimit(Resource::Nofile), before);
    }

    #[test]
    fn a_maximum_below_the_aim_is_tried_next() {
        assert_eq!(limit_below(10_032, Some(4096)), Some(4096));
        assert_eq!(limit_below(4096, Some(4096)), None);
        assert_eq!(limit_below(4096, None), None);
    }
}
