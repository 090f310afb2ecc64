//! The machine that the doctor runs on, which matters if the server runs there too: kernel settings
//! and free space.
//!
//! Readings come from `/proc`, `/sys` and a statvfs; an unreadable value is `None`, and its check
//! gives no finding. The server's process is recognized by its id and executable, as the id may be
//! another process here; without it only the checks before a start are made. The server's own
//! figures are checked in `service`.

use std::fs;
use std::path::{Path, PathBuf};

use super::answers::Answers;
use super::report::human;
use russet_base::finding::Finding;
use russet_base::memory::cgroup;
use russet_base::text::system_text;

/// The readings; `None` if unreadable.
#[derive(Debug, Default)]
pub(super) struct Machine {
    /// The server's process runs on this machine.
    has_server: bool,
    overcommit: Option<i64>,
    /// The selected word, in brackets.
    huge_pages: Option<String>,
    somaxconn: Option<i64>,
    /// The process's limit of open files.
    files: Option<i64>,
    /// Swapped-out bytes of the process.
    swapped: Option<i64>,
    /// The limit of the process's control groups, bytes.
    group: Option<i64>,
    /// Free bytes in the server's directory.
    disk_free: Option<i64>,
    folder: PathBuf,
}

/// Less free space than this is too little for any data.
const FREE_MIN: i64 = 64 << 20;

/// Whether this process's user may make files there; an error: why not.
fn writable(folder: &Path) -> Result<(), String> {
    use rustix::fs::{Access, AtFlags, CWD, accessat};
    let may = accessat(
        CWD,
        folder,
        Access::WRITE_OK | Access::EXEC_OK,
        AtFlags::EACCESS,
    );
    may.map_err(|error| system_text(&error.into()))
}

fn number(path: &str) -> Option<i64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The n-th word after a name, in a file of lines as under /proc.
fn word(text: &str, name: &str, at: usize) -> Option<i64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line[name.len()..].split_whitespace().nth(at)?.parse().ok()
}

impl Machine {
    pub(super) fn read(answers: &Answers) -> Machine {
        let pid = answers.number("process_id");
        let proc =
            |file: &str| fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap_or_default();
        // The pid may be another process here: compare the executable with the server's.
        let executable = answers.info.get("executable").map_or("", String::as_str);
        let link = fs::read_link(format!("/proc/{pid}/exe")).unwrap_or_default();
        let has_server = !executable.is_empty()
            && link.to_string_lossy().trim_end_matches(" (deleted)") == executable
            || proc("comm").trim_end().contains("russet");
        let huge_pages = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/enabled").ok();
        let chosen = huge_pages.and_then(|text| {
            let (_, rest) = text.split_once('[')?;
            Some(rest.split_once(']')?.0.to_owned())
        });
        let folder = PathBuf::from(answers.config("dir"));
        let disk = rustix::fs::statvfs(&folder).ok().filter(|_| has_server);
        Machine {
            has_server,
            overcommit: number("/proc/sys/vm/overcommit_memory"),
            huge_pages: chosen,
            somaxconn: number("/proc/sys/net/core/somaxconn"),
            files: word(&proc("limits"), "Max open files", 0).filter(|_| has_server),
            swapped: word(&proc("status"), "VmSwap:", 0)
                .map(|kib| kib * 1024)
                .filter(|_| has_server),
            group: cgroup::limit_of_process(pid)
                .filter(|_| has_server)
                .and_then(|bytes| i64::try_from(bytes).ok()),
            disk_free: disk
                .map(|disk| i64::try_from(disk.f_bavail * disk.f_frsize).unwrap_or(i64::MAX)),
            folder,
        }
    }

    /// Memory that the server may use, bytes. The server reports the limit of its control group
    /// only with `maxmemory auto`.
    pub(super) fn memory(&self, answers: &Answers) -> i64 {
        let known = match answers.number("maxmemory_auto_memory") {
            0 => self.group,
            bytes => Some(bytes),
        };
        let total = answers.number("total_system_memory");
        known.map_or(total, |bytes| bytes.min(total))
    }

    pub(super) fn look(&self, answers: &Answers) -> Vec<Finding> {
        if !self.has_server {
            let text = "the server's process is not visible here: this machine was not checked";
            return vec![Finding::notice("machine", text)];
        }
        let looks = [
            self.check_overcommit(answers),
            self.check_huge_pages(answers),
            self.check_backlog(answers),
            self.check_files(answers),
            self.check_swap(),
            self.check_disk(answers),
        ];
        looks.into_iter().flatten().collect()
    }

    /// The checks that matter before a start, with the settings of the configuration file, if any.
    pub(super) fn check_without_server(&self, answers: &Answers) -> Vec<Finding> {
        let looks = [
            self.check_overcommit(answers),
            self.check_huge_pages(answers),
            (!answers.config.is_empty())
                .then(|| self.check_backlog(answers))
                .flatten(),
            self.check_folder(),
        ];
        looks.into_iter().flatten().collect()
    }

    /// `dir` of a server that does not run, for the user that asks.
    fn check_folder(&self) -> Option<Finding> {
        if self.folder.as_os_str().is_empty() {
            return None;
        }
        let folder = self.folder.display();
        let space = writable(&self.folder).and_then(|()| {
            rustix::fs::statvfs(&self.folder).map_err(|error| system_text(&error.into()))
        });
        Some(match space {
            Err(why) => Finding::critical(
                "folder",
                format!("dir {folder}: {why}"),
                "make the folder and give it to the server's user (chown), or set dir",
            ),
            Ok(disk) => {
                let free = i64::try_from(disk.f_bavail * disk.f_frsize).unwrap_or(i64::MAX);
                if free < FREE_MIN {
                    Finding::warning(
                        "disk",
                        format!("{} free in {folder}", human(free)),
                        "make room, or move dir to a larger disk",
                    )
                } else {
                    Finding::ok("disk", format!("{} free in {folder}", human(free)))
                }
            }
        })
    }

    fn check_overcommit(&self, answers: &Answers) -> Option<Finding> {
        let set = self.overcommit?;
        // Only a forked child can double the memory requested from the machine.
        let mend = "sysctl vm.overcommit_memory=1, and the same in /etc/sysctl.d/russet.conf; or \
                    snapshot-method loop";
        Some(match (set, answers.config("snapshot-method")) {
            (1, _) => Finding::ok("overcommit", "1"),
            (_, "loop") => Finding::ok("overcommit", format!("{set}; snapshots do not fork here")),
            (_, "fork") => Finding::warning(
                "overcommit",
                format!(
                    "vm.overcommit_memory is {set}: the fork for a snapshot may be refused, and the \
                     save with it (snapshot-method fork)"
                ),
                mend,
            ),
            _ => Finding::notice(
                "overcommit",
                format!(
                    "vm.overcommit_memory is {set}; this matters only to forks, and russet makes \
                     snapshots without a fork"
                ),
            ),
        })
    }

    fn check_huge_pages(&self, answers: &Answers) -> Option<Finding> {
        let set = self.huge_pages.as_deref()?;
        Some(match (set, answers.config("snapshot-method")) {
            ("always", "fork") => Finding::warning(
                "huge pages",
                "always: each write during a child's save copies 2 MiB instead of 4 KiB",
                "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled",
            ),
            (set, _) => Finding::ok("huge pages", set),
        })
    }

    fn check_backlog(&self, answers: &Answers) -> Option<Finding> {
        let (limit, wanted) = (self.somaxconn?, answers.config_number("tcp-backlog"));
        Some(if limit < wanted {
            Finding::warning(
                "backlog",
                format!(
                    "tcp-backlog {wanted} is cut to {limit}: in a burst connections are dropped"
                ),
                format!("sysctl net.core.somaxconn={wanted}"),
            )
        } else {
            Finding::ok("backlog", format!("{wanted} of at most {limit}"))
        })
    }

    fn check_files(&self, answers: &Answers) -> Option<Finding> {
        let (limit, clients) = (self.files?, answers.number("maxclients"));
        // Besides clients there are files, pipes and links.
        Some(if limit < clients + 32 {
            Finding::warning(
                "open files",
                format!("{limit}, too few for {clients} clients"),
                format!("LimitNOFILE={} in the unit, or ulimit -n", clients + 1000),
            )
        } else {
            Finding::ok("open files", format!("{limit}"))
        })
    }

    fn check_swap(&self) -> Option<Finding> {
        let swapped = self.swapped?;
        Some(if swapped > 16 << 20 {
            Finding::warning(
                "swap",
                format!(
                    "{} of the server are swapped out: reading them takes milliseconds",
                    human(swapped)
                ),
                "lower maxmemory or add memory; sysctl vm.swappiness=1",
            )
        } else {
            Finding::ok("swap", format!("{} swapped out", human(swapped)))
        })
    }

    fn check_disk(&self, answers: &Answers) -> Option<Finding> {
        let free = self.disk_free?;
        let aof = answers.is("aof_enabled", "1");
        if !aof && answers.config("save").is_empty() {
            return None;
        }
        // A rewrite writes all data once more before the old files are removed.
        let needed = answers
            .number("used_memory_dataset")
            .max(answers.number("aof_base_size"));
        let folder = self.folder.display();
        Some(if free < needed.saturating_mul(2) {
            Finding::warning(
                "disk",
                format!(
                    "{} free in {folder}, and a snapshot or rewrite needs up to {}",
                    human(free),
                    human(needed)
                ),
                "make room, or move dir to a larger disk",
            )
        } else {
            Finding::ok("disk", format!("{} free in {folder}", human(free)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{facts_of, warnings};
    use super::*;

    fn machine() -> Machine {
        Machine {
            has_server: true,
            overcommit: Some(1),
            huge_pages: Some("madvise".to_owned()),
            somaxconn: Some(4096),
            files: Some(65_536),
            swapped: Some(0),
            group: None,
            disk_free: Some(1 << 40),
            folder: "/var/lib/russet".into(),
        }
    }

    #[test]
    fn each_setting_that_hurts_is_named() {
        let answers = facts_of(
            &[
                ("maxclients", "10000"),
                ("aof_enabled", "1"),
                ("used_memory_dataset", "1000"),
            ],
            &[("tcp-backlog", "511"), ("snapshot-method", "fork")],
        );
        assert_eq!(warnings(&machine().look(&answers)), [""; 0]);
        let bad = Machine {
            overcommit: Some(0),
            huge_pages: Some("always".to_owned()),
            somaxconn: Some(128),
            files: Some(1024),
            swapped: Some(1 << 30),
            disk_free: Some(1500),
            ..machine()
        };
        let all = [
            "overcommit",
            "huge pages",
            "backlog",
            "open files",
            "swap",
            "disk",
        ];
        assert_eq!(warnings(&bad.look(&answers)), all);
        let elsewhere = Machine::default();
        assert_eq!(warnings(&elsewhere.look(&answers)), [""; 0]);
    }

    #[test]
    fn what_only_a_fork_minds_is_a_note() {
        let fresh = Machine {
            overcommit: Some(0),
            huge_pages: Some("always".to_owned()),
            ..machine()
        };
        let answers = facts_of(&[], &[("snapshot-method", "auto")]);
        let found = fresh.look(&answers);
        assert_eq!(warnings(&found), [""; 0]);
        assert!(
            found
                .iter()
                .any(|its| its.code == "overcommit" && its.remedy.is_none())
        );
    }

    #[test]
    fn numbers_are_read_out_of_lines() {
        let limits = "Limit  Soft Limit  Hard\nMax open files            1024                 4096                 files\n";
        assert_eq!(word(limits, "Max open files", 0), Some(1024));
        assert_eq!(word("VmSwap:\t   12 kB\n", "VmSwap:", 0), Some(12));
        assert_eq!(word("", "VmSwap:", 0), None);
    }
}
