//! Folders of simulated nodes: in memory where there is a file system for it.

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

/// Copies a folder with all in it.
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
            // A helper thread may have removed it.
            return Err(error);
        }
    }
    Ok(())
}
