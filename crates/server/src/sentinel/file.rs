//! The file of a Sentinel: settings and saved state.

use crate::parts::run::identity::Identity;
use crate::parts::sentinel::SentinelDriver;
use crate::parts::users::Acl;
use russet_config::Config;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::{fs, io};

use rustix::fs::{Access, access};

use crate::state::Server;
use russet_config::{check_replaceable, replace_file, system_text};
use russet_sentinel::rewrite;

/// Whether a Sentinel can begin with this file; the error has the reason if not.
pub fn check_file(file: Option<&Path>) -> Result<(), String> {
    let Some(file) = file else {
        let text = "Sentinel needs config file on disk, even if it's just a stub.  Exiting...";
        return Err(text.to_owned());
    };
    check_replaceable(file).map_err(|error| {
        let why = system_text(&error);
        format!("Sentinel config file cannot be kept: {why}. Exiting...")
    })?;
    // The file is replaced by a rename in its folder: that works for another user's file, but
    // must not be done to a file that no user may write.
    let is_writable = access(file, Access::WRITE_OK).or_else(|error| {
        let has_writers =
            fs::metadata(file).is_ok_and(|meta| meta.permissions().mode() & 0o222 != 0);
        let folder = file.parent().unwrap_or(Path::new("/"));
        if has_writers && access(folder, Access::WRITE_OK).is_ok() {
            Ok(())
        } else {
            Err(error)
        }
    });
    is_writable.map_err(|error| {
        let why = system_text(&error.into());
        let file = file.display();
        format!("Sentinel config file {file} is not writable: {why}. Exiting...")
    })
}

impl Server {
    /// Saves the core's state with the server's own directives, synced; a failure is logged.
    pub(super) fn save_sentinel(&mut self) -> bool {
        let Some(driver) = &mut self.sentinel else {
            return true;
        };
        match try_save_sentinel(driver, &self.identity, &self.acl, &self.config) {
            Ok(()) => {
                tracing::info!("Sentinel new configuration saved on disk");
                true
            }
            Err(error) => {
                let why = system_text(&error);
                tracing::warn!(
                    "WARNING: Sentinel was not able to save the new configuration on disk!!!: {why}"
                );
                false
            }
        }
    }
}

fn try_save_sentinel(
    driver: &mut SentinelDriver,
    identity: &Identity,
    acl: &Acl,
    config: &Config,
) -> io::Result<()> {
    let Some(file) = &identity.config_file else {
        return Err(io::ErrorKind::NotFound.into());
    };
    let old = match fs::read(file) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        read => read?,
    };
    let config = acl.config_with_users(config);
    let text = rewrite(&driver.core.setup(), &config, &old);
    // A text that this process has saved is synced already.
    if text != old || text != driver.saved {
        replace_file(file, &text)?;
        driver.saved = text;
    }
    Ok(())
}
