//! Available memory: the machine's, or the limit of the process's control groups.
//!
//!     version 2   /proc/self/cgroup  0::/path          MOUNT/path/memory.max, memory.high
//!     version 1   /proc/self/cgroup  N:memory:/path    MOUNT/memory/path/memory.limit_in_bytes
//!
//! Each ancestor of the process's group limits it as well. In a container the path may be one of
//! the host's that does not exist: then the mount's root is the container's group.

use std::path::{Path, PathBuf};

/// Where control groups are mounted.
const MOUNT: &str = "/sys/fs/cgroup";

/// The source of the memory limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    Machine,
    Cgroup,
}

/// Bytes of memory that the process may use, and the source of that limit. Reads a few files.
pub fn available_bytes() -> (u64, Owner) {
    let system = rustix::system::sysinfo();
    let machine = system.totalram as u64 * u64::from(system.mem_unit.max(1));
    let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    match limit_of(&groups, Path::new(MOUNT)) {
        Some(limit) if limit < machine => (limit, Owner::Cgroup),
        _ => (machine, Owner::Machine),
    }
}

/// The least limit of the groups in `/proc/self/cgroup`, mounted at `mount`.
pub fn limit_of(groups: &str, mount: &Path) -> Option<u64> {
    let mut limits = groups.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        if controllers.is_empty() {
            return least_of(mount, path, &["memory.max", "memory.high"]);
        }
        let is_memory = controllers.split(',').any(|its| its == "memory");
        let v1 = || least_of(&mount.join("memory"), path, &["memory.limit_in_bytes"]);
        is_memory.then(v1).flatten()
    });
    let first = limits.next()?;
    Some(limits.fold(first, u64::min))
}

/// The least number in any of these files of the group at `path` and of its ancestors.
fn least_of(mount: &Path, path: &str, files: &[&str]) -> Option<u64> {
    // `..` leaves the namespace; nothing is visible there.
    let names = path.split('/').filter(|name| !name.is_empty());
    let mut group: PathBuf = mount.to_owned();
    let mut groups = vec![group.clone()];
    for name in names.take_while(|name| *name != "..") {
        group.push(name);
        groups.push(group.clone());
    }
    let limits = groups.iter().flat_map(|group| {
        let read = |file: &&str| std::fs::read_to_string(group.join(file)).ok();
        files.iter().filter_map(read)
    });
    // `max` is no number, and version 1 shows a value above any machine's memory for it.
    limits.filter_map(|text| text.trim().parse().ok()).min()
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
