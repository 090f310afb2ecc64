//! Available memory: the machine's, or the limit of the process's control groups.
//!
//!     version 2   /proc/self/cgroup  0::/path          MOUNT/path/memory.max, memory.high
//!     version 1   /proc/self/cgroup  N:memory:/path    MOUNT/memory/path/memory.limit_in_bytes
//!
//! The same folders have the memory that all processes of a group use.
//!
//! Each ancestor of the process's group limits it as well. In a container the path may be a path of
//! the host that does not exist: then the mount's root is the container's group.

use std::path::{Path, PathBuf};

/// Where control groups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";

/// The source of the memory limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The machine's own memory.
    Machine,
    /// The least limit of the process's control group and its ancestors.
    Cgroup,
}

/// The names of a version's files.
struct Files {
    limits: &'static [&'static str],
    used: &'static str,
    /// In `memory.stat`: bytes of files, which the kernel drops when it needs memory.
    droppable: &'static str,
}

const VERSION_1: Files = Files {
    limits: &["memory.limit_in_bytes"],
    used: "memory.usage_in_bytes",
    droppable: "total_inactive_file",
};
const VERSION_2: Files = Files {
    limits: &["memory.max", "memory.high"],
    used: "memory.current",
    droppable: "inactive_file",
};

/// A group that limits the process.
struct Group {
    folder: PathBuf,
    files: &'static Files,
}

impl Group {
    fn number(&self, file: &str) -> Option<u64> {
        let text = std::fs::read_to_string(self.folder.join(file)).ok()?;
        text.trim().parse().ok()
    }

    /// `max` is no number, and version 1 shows a value above any machine's memory for it.
    fn limit(&self) -> Option<u64> {
        let limits = self.files.limits.iter();
        limits.filter_map(|file| self.number(file)).min()
    }

    /// Bytes that the group's processes use and that the kernel cannot drop.
    fn used(&self) -> Option<u64> {
        let stat = std::fs::read_to_string(self.folder.join("memory.stat")).unwrap_or_default();
        let droppable = stat.lines().find_map(|line| {
            let (name, bytes) = line.split_once(' ')?;
            (name == self.files.droppable).then(|| bytes.trim().parse::<u64>().ok())?
        });
        let used = self.number(self.files.used)?;
        Some(used.saturating_sub(droppable.unwrap_or(0)))
    }
}

/// The text of `/proc/self/cgroup`.
fn own_groups() -> String {
    std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default()
}

/// Bytes of memory that the process may use, and the source of that limit. Reads a few files.
pub fn available_bytes() -> (u64, Owner) {
    let system = rustix::system::sysinfo();
    let machine = system.totalram as u64 * u64::from(system.mem_unit.max(1));
    match limit_of(&own_groups(), Path::new(MOUNT)) {
        Some(limit) if limit < machine => (limit, Owner::Cgroup),
        _ => (machine, Owner::Machine),
    }
}

/// The least memory limit of the groups of a process of this machine, bytes. Reads a few files.
pub fn limit_of_process(pid: i64) -> Option<u64> {
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    limit_of(&groups, Path::new(MOUNT))
}

/// Whether a group of the process has less than a part in so many of its limit left. Reads a few
/// files.
pub(crate) fn is_short_of(parts: u64) -> bool {
    is_short(&own_groups(), Path::new(MOUNT), parts)
}

/// The least limit of the groups in `/proc/self/cgroup`, mounted at `mount`.
pub fn limit_of(groups: &str, mount: &Path) -> Option<u64> {
    let groups = groups_of(groups, mount);
    groups.iter().filter_map(Group::limit).min()
}

fn is_short(groups: &str, mount: &Path, parts: u64) -> bool {
    let is_full = |group: &Group| {
        let (limit, used) = (group.limit()?, group.used()?);
        Some(used > limit - limit / parts)
    };
    let groups = groups_of(groups, mount);
    groups.iter().any(|group| is_full(group).unwrap_or(false))
}

/// The groups named in `/proc/self/cgroup`, and their ancestors.
fn groups_of(groups: &str, mount: &Path) -> Vec<Group> {
    let mut found = Vec::new();
    for line in groups.lines() {
        let Some((_, rest)) = line.split_once(':') else {
            continue;
        };
        let Some((controllers, path)) = rest.split_once(':') else {
            continue;
        };
        let (mut folder, files) = if controllers.is_empty() {
            (mount.to_owned(), &VERSION_2)
        } else if controllers.split(',').any(|its| its == "memory") {
            (mount.join("memory"), &VERSION_1)
        } else {
            continue;
        };
        let mut add = |folder: &PathBuf| {
            let folder = folder.clone();
            found.push(Group { folder, files });
        };
        add(&folder);
        // `..` leaves the namespace; nothing is visible there.
        let names = path.split('/').filter(|name| !name.is_empty());
        for name in names.take_while(|name| *name != "..") {
            folder.push(name);
            add(&folder);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, file: &str, text: &str) {
        let file = root.join(file);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("made");
        std::fs::write(file, text).expect("written");
    }

    #[test]
    fn the_least_limit_on_the_way_up_holds() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        write(root, "a/memory.max", "5000\n");
        write(root, "a/memory.high", "max\n");
        write(root, "a/b/memory.max", "max\n");
        assert_eq!(limit_of("0::/a/b\n", root), Some(5000));
        write(root, "a/b/memory.high", "3000\n");
        assert_eq!(limit_of("0::/a/b\n", root), Some(3000));
        assert_eq!(limit_of("0::/\n", root), None);
        assert_eq!(limit_of("", root), None);
    }

    #[test]
    fn a_group_is_short_by_all_its_processes_but_not_by_files() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        write(root, "a/memory.max", "5000\n");
        write(root, "a/memory.current", "4600\n");
        write(root, "a/memory.stat", "anon 4500\ninactive_file 100\n");
        write(root, "a/b/memory.current", "10\n");
        assert!(!is_short("0::/a/b\n", root, 10));
        write(root, "a/memory.current", "4601\n");
        assert!(is_short("0::/a/b\n", root, 10));
        assert!(!is_short("0::/\n", root, 10));
        write(root, "memory/x/memory.limit_in_bytes", "1000\n");
        write(root, "memory/x/memory.usage_in_bytes", "950\n");
        assert!(is_short("3:memory:/x\n", root, 10));
        write(root, "memory/x/memory.stat", "total_inactive_file 50\n");
        assert!(!is_short("3:memory:/x\n", root, 10));
    }

    #[test]
    fn version_1_has_a_folder_for_memory() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        write(
            root,
            "memory/memory.limit_in_bytes",
            "9223372036854771712\n",
        );
        write(root, "memory/docker/x/memory.limit_in_bytes", "7000\n");
        let groups = "12:cpu,cpuacct:/docker/x\n3:memory:/docker/x\n0::/\n";
        assert_eq!(limit_of(groups, root), Some(7000));
    }

    #[test]
    fn in_a_container_the_mounts_root_is_its_group() {
        let folder = tempfile::tempdir().expect("a folder");
        write(folder.path(), "memory.max", "4096\n");
        assert_eq!(
            limit_of("0::/docker/of-the-host\n", folder.path()),
            Some(4096)
        );
        assert_eq!(limit_of("0::/../outside\n", folder.path()), Some(4096));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_machine_has_memory() {
        assert!(available_bytes().0 > 1 << 20);
    }
}
