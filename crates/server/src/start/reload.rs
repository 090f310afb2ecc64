//! SIGHUP: the configuration is read again, from the same file and with the same options.
//!
//! Directives that have changed in it since it was last read are set, as by a single CONFIG SET:
//! all of them, or none if any value is refused. Directives that a running server cannot change are
//! named. Changes by CONFIG SET stay, unless the file changes the same directive. Certificates are
//! read again in any case.

use crate::origin::Origin;
use crate::state::Server;
use russet_config::{Config, DIRECTIVES, Flags, Gate, Problem, load};
use russet_keyspace::Keyspace;

impl Server {
    /// Reads the configuration again, and logs the result.
    pub(crate) fn reload_config(&mut self, keyspace: &mut Keyspace) {
        let Some(mut reload) = self.identity.reload.take() else {
            tracing::info!("Received SIGHUP, and there is no configuration file to be read again.");
            return;
        };
        tracing::info!("Received SIGHUP: the configuration is read again.");
        match load(&reload.sources) {
            Err(problems) => {
                let reports: Vec<String> = problems
                    .iter()
                    .map(Problem::report_without_values)
                    .collect();
                let why = reports.join("; ");
                tracing::warn!("Configuration not reloaded, nothing is changed: {why}");
            }
            Ok(new) => {
                if self.apply_config(keyspace, &reload.loaded, &new) {
                    reload.loaded = Box::new(new);
                }
            }
        }
        self.identity.reload = Some(reload);
    }

    /// Sets the directives that differ between `old` and `new`. `false`: a directive is refused,
    /// and none is set.
    fn apply_config(&mut self, keyspace: &mut Keyspace, old: &Config, new: &Config) -> bool {
        let (mut args, mut fixed): (Vec<Vec<u8>>, Vec<&str>) = Default::default();
        for directive in DIRECTIVES {
            let text = directive.text(new);
            let differs = text != directive.text(old);
            if differs && directive.flags.contains(Flags::IMMUTABLE) {
                fixed.push(directive.name);
            } else if differs || directive.name == CERTIFICATE && !text.is_empty() {
                args.extend([directive.name.into(), text]);
            }
        }
        // CONFIG REWRITE has written users and roles as they are: that is no change.
        let current = self.acl.config_with_users(&self.config);
        let same_users = old.users == new.users || current.users == new.users;
        let same_roles = old.roles == new.roles || current.roles == new.roles;
        let lines = [
            ("user", same_users),
            ("role", same_roles),
            (
                "rename-command",
                old.renamed_commands == new.renamed_commands,
            ),
        ];
        fixed.extend(lines.iter().filter(|(_, same)| !same).map(|(name, _)| name));
        let args: Vec<&[u8]> = args.iter().map(Vec::as_slice).collect();
        let set = if args.is_empty() {
            Ok(Vec::new())
        } else {
            self.set_all(keyspace, &args)
        };
        let set = match set {
            Ok(set) => set,
            Err(why) => {
                tracing::warn!("Configuration not reloaded, nothing is changed: {why}");
                return false;
            }
        };
        self.config.take_given(new);
        if set.is_empty() {
            tracing::info!("Configuration reloaded: nothing to set.")
        } else {
            tracing::info!("Configuration reloaded: {} set.", set.join(", "))
        }
        if !fixed.is_empty() {
            let names = fixed.join(", ");
            tracing::warn!("Changed in the configuration, in effect after a restart: {names}.");
        }
        true
    }

    /// Sets directives as CONFIG SET does; returns the names of the changed directives.
    fn set_all(
        &mut self,
        keyspace: &mut Keyspace,
        args: &[&[u8]],
    ) -> Result<Vec<&'static str>, String> {
        let gate = Gate {
            protected: true,
            loading: self.persist.loading.in_progress(),
        };
        let changes = self.config.set(args, gate).map_err(|e| e.to_string())?;
        let names = changes.names().to_vec();
        if let Err(refused) = self.settings_changed(keyspace, &names, Origin::Client) {
            let error = changes.roll_back(&mut self.config, refused.name, &refused.why);
            self.settings_restored(keyspace, &names, &refused, Origin::Client);
            return Err(error.to_string());
        }
        Ok(names)
    }
}

/// Set even if it is the same: the file may have another certificate.
const CERTIFICATE: &str = "tls-cert-file";
