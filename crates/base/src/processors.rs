//! The processors that threads run on, as `server-cpulist` and its relatives say.
//!
//! A list has numbers and ranges with commas between them: `0-3,8`, with a stride `0-10:2`. The
//! loop's thread takes `server-cpulist` at start ([`bind`]). A helper thread takes the list of its
//! work ([`bind_cpu_list`]), or keeps the list of the thread that started it.

use std::io;
use std::sync::OnceLock;

use rustix::thread::{CpuSet, sched_setaffinity};

/// The work of a thread or a child beside the loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CpuList {
    /// `bio-cpulist`: freeing, syncing, closing, resolving names.
    Helper,
    /// `bgsave-cpulist`: writing a snapshot.
    Snapshot,
    /// `aof-rewrite-cpulist`: writing the base of a log.
    Rewrite,
}

/// The lists by kind of work, in order; set once, at start.
static LISTS: OnceLock<[Option<CpuSet>; 3]> = OnceLock::new();

/// The processors of a list. `None`: it is no list, or names a processor beyond the 1,023rd.
/// O(processors).
pub fn parse(list: &[u8]) -> Option<CpuSet> {
    let mut set = CpuSet::new();
    for item in list.split(|&byte| byte == b',') {
        let item = std::str::from_utf8(item.trim_ascii()).ok()?;
        let (range, stride) = match item.split_once(':') {
            Some((range, stride)) if range.contains('-') => (range, number(stride)?),
            Some(_) => return None,
            None => (item, 1),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (number(first)?, number(last)?),
            None => (number(range)?, number(range)?),
        };
        if first > last || stride == 0 {
            return None;
        }
        (first..=last).step_by(stride).for_each(|cpu| set.set(cpu));
    }
    Some(set)
}

fn number(text: &str) -> Option<usize> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok())??;
    (number < CpuSet::MAX_CPU).then_some(number)
}

/// Moves the calling thread to the processors of a list, if the list is valid.
///
/// # Errors
///
/// The machine has none of the processors, or the process may use none.
pub fn bind(list: &[u8]) -> io::Result<()> {
    match parse(list) {
        Some(set) => Ok(sched_setaffinity(None, &set)?),
        None => Ok(()),
    }
}

/// Sets the lists of [`CpuList::Helper`], [`CpuList::Snapshot`] and [`CpuList::Rewrite`]; later
/// calls have no effect.
pub fn set_cpu_lists(lists: [Option<&[u8]>; 3]) {
    let _ = LISTS.set(lists.map(|list| list.and_then(parse)));
}

/// Moves the calling thread to the processors of its work, if a list is configured. The system may
/// refuse: then it stays where it is.
pub fn bind_cpu_list(work: CpuList) {
    let list = LISTS.get().and_then(|lists| lists[work as usize].as_ref());
    if let Some(set) = list {
        let _ = sched_setaffinity(None, set);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_have_numbers_ranges_and_strides() {
        let cpus = |list: &[u8]| {
            let set = parse(list)?;
            Some(
                (0..CpuSet::MAX_CPU)
                    .filter(|&cpu| set.is_set(cpu))
                    .collect::<Vec<_>>(),
            )
        };
        assert_eq!(cpus(b"0"), Some(vec![0]));
        assert_eq!(cpus(b"0-3,8"), Some(vec![0, 1, 2, 3, 8]));
        assert_eq!(cpus(b"0-10:4, 2"), Some(vec![0, 2, 4, 8]));
        for bad in [
            "",
            ",",
            "a",
            "-1",
            "3-1",
            "0-4:0",
            "1:2",
            "0-",
            "1024",
            "99999999999999999999",
        ] {
            assert_eq!(cpus(bad.as_bytes()), None, "{bad}");
        }
    }
}
