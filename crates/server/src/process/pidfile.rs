//! `pidfile`: a file with the number of the process.

use std::fs;
use std::path::PathBuf;

use russet_config::Config;

/// A pid file that was written. [`PidFile::remove`] removes it, not a drop: after a second SIGINT
/// another thread removes it.
#[derive(Clone, Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// Writes the configured file. Failure is only a warning: the server still starts.
    pub fn write(config: &Config, daemonized: bool) -> Option<PidFile> {
        let path = match config.pidfile.is_empty() {
            false => config.pidfile.path().to_owned(),
            true if daemonized => PathBuf::from(config.dialect.pidfile()),
            true => return None,
        };
        // The server may enter another folder before it removes the file.
        let path = std::path::absolute(&path).unwrap_or(path);
        match fs::write(&path, format!("{}\n", std::process::id())) {
            Ok(()) => Some(PidFile { path }),
            Err(error) => {
                let (path, why) = (path.display(), russet_config::system_text(&error));
                tracing::warn!("Failed to write PID file {path}: {why}");
                None
            }
        }
    }

    pub fn remove(&self) {
        tracing::info!("Removing the pid file.");
        self.remove_silently();
    }

    /// As [`PidFile::remove`], but without a log line.
    pub fn remove_silently(&self) {
        // The file may have been removed already.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_holds_the_pid_and_a_newline_and_goes_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("r.pid");
        let mut config = Config::default();
        assert!(PidFile::write(&config, false).is_none());
        config.pidfile = path.as_path().into();
        let file = PidFile::write(&config, false).unwrap();
        let pid = std::process::id();
        assert_eq!(fs::read_to_string(&path).unwrap(), format!("{pid}\n"));
        file.remove();
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_that_does_not_exist_is_no_reason_to_stop() {
        let config = Config {
            pidfile: "/nonexistent/r.pid".into(),
            ..Config::default()
        };
        assert!(PidFile::write(&config, true).is_none());
    }
}
