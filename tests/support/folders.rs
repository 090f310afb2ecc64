//! Folders of simulated nodes, in memory if the machine has a file system for it.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The folder of this process's runs of a simulation.
pub fn of_simulation(name: &str) -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let under = if memory.is_dir() {
        memory
    } else {
        std::env::temp_dir()
    };
    under.join(format!("russet-{name}-{}", std::process::id()))
}

/// Copies a folder and its contents.
pub fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else if let Err(error) = fs::copy(entry.path(), target)
            && error.kind() != ErrorKind::NotFound
        {
            // A helper thread may have removed the file.
            return Err(error);
        }
    }
    Ok(())
}
