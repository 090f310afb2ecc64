//! Users and roles in files: `user` and `role` lines of the configuration, or a file of their own
//! (`aclfile`).
//!
//! Only the configuration's file or the ACL file may have users, not both. A faulty line or file
//! ends the start. Roles are loaded first, because users refer to them. A password from
//! `requirepass-file` belongs to the default user, and is never written to the configuration's
//! file.
//!
//! Cost: O(rules), before the first connection. Syntax of rules and of the users file: `acl`. ACL
//! LOAD at run time: [`Acl::users_of_file`], then [`Acl::replace`].

use super::Acl;

use russet_acl::{
    FileUsers, LoadError, Role, Roles, RulesError, User, Users, parse_file, password_rule,
};
use russet_base::text::Printable;
use russet_config::{Config, FileLine};

const DEFAULT: &[u8] = b"default";

/// The reason is in the log.
#[derive(Debug)]
pub struct UsersNotLoaded;

impl Acl {
    /// Loads the users and roles of `user` and `role` lines, which it takes from the configuration,
    /// or of the users file, before any connection. The log has the reason of a failure.
    pub fn load(&mut self, config: &mut Config) -> Result<(), UsersNotLoaded> {
        let lines = std::mem::take(&mut config.users);
        let roles = std::mem::take(&mut config.roles);
        let declares = !lines.is_empty() || !roles.is_empty();
        if declares && !config.aclfile.is_empty() {
            tracing::warn!(
                "Configuring Redis with users defined in redis.conf and at the same setting an \
                 ACL file path is invalid. This setup is very likely to lead to configuration \
                 errors and security holes, please define either an ACL file or declare users \
                 directly in your redis.conf, but not both."
            );
            return Err(UsersNotLoaded);
        }
        for line in &roles {
            self.load_role(line, config)?;
        }
        for line in &lines {
            self.load_user(line, config)?;
        }
        if config.aclfile.is_empty() {
            self.open_accounts();
            return Ok(());
        }
        match self.users_of_file(config) {
            Ok(users) => {
                // No connection belongs to a user yet.
                let _ = self.replace(users);
                self.open_accounts();
                Ok(())
            }
            Err(error) => {
                tracing::warn!("Aborting Redis startup because of ACL errors: {error}");
                Err(UsersNotLoaded)
            }
        }
    }

    /// The accounts of all users, before any connection and any time.
    fn open_accounts(&mut self) {
        let _ = self.accounts.renew(&self.users, 0);
    }

    fn load_role(&mut self, line: &FileLine, config: &Config) -> Result<(), UsersNotLoaded> {
        let Some((name, rules)) = line.words.split_first() else {
            return Ok(());
        };
        let shown = Printable(name);
        let mut role = Role::new(config.acl_pubsub_default);
        let rules = rules.iter().map(|rule| &rule[..]);
        let applied = role.apply_all(rules, &self.commands, config.acl_pubsub_default);
        let why = match (Roles::check_name(name), applied) {
            (Ok(()), Ok(())) => {
                self.users.put_role(name, role);
                return Ok(());
            }
            (Err(why), _) => why.to_string(),
            (_, Err(error)) => rule_problem(&error),
        };
        tracing::warn!("Error loading ACL role '{shown}': {why}");
        tracing::warn!("Critical error while loading ACLs. Exiting.");
        Err(UsersNotLoaded)
    }

    fn load_user(&mut self, line: &FileLine, config: &Config) -> Result<(), UsersNotLoaded> {
        let Some((name, rules)) = line.words.split_first() else {
            return Ok(());
        };
        let shown = Printable(name);
        if !Users::is_name(name) {
            tracing::warn!("Spaces not allowed in ACL usernames");
            tracing::warn!("Critical error while loading ACLs. Exiting.");
            return Err(UsersNotLoaded);
        }
        let mut user = User::new(config.acl_pubsub_default);
        let rules = rules.iter().map(|rule| &rule[..]);
        let applied = user.apply_all(rules, self.terms(config));
        // CONFIG REWRITE leaves out a password that it does not own.
        if is_default_with_given_password(name, config) && user.has_no_login() {
            user.set_only_password(&config.requirepass);
        }
        if let Err(error) = applied {
            let why = rule_problem(&error);
            tracing::warn!("Error loading ACL rule {why} for the user named '{shown}'");
            tracing::warn!("Critical error while loading ACLs. Exiting.");
            return Err(UsersNotLoaded);
        }
        if !user.is_on() {
            tracing::info!(
                "The user '{shown}' is disabled (there is no 'on' modifier in the user \
                 description). Make sure this is not a configuration error."
            );
        }
        self.users.put(name, user);
        Ok(())
    }

    /// The users and roles of the users file; an error names all of its mistakes.
    pub(crate) fn users_of_file(&self, config: &Config) -> Result<FileUsers, LoadError> {
        let path = &config.aclfile;
        let channels = config.acl_pubsub_default;
        parse_file(
            &path.lossy(),
            path.path(),
            &self.commands,
            channels,
            config.dialect,
        )
    }

    /// The configuration with the current users, to be written to its file. Users of a separate
    /// file are left out.
    pub fn config_with_users(&self, config: &Config) -> Config {
        let mut config = config.clone();
        if config.aclfile.is_empty() {
            // A password from elsewhere (`requirepass-file`) is looked up there at each start.
            let given = config.is_given_from_elsewhere("requirepass");
            let given = given.then(|| password_rule(&config.requirepass));
            let line = |words: Vec<Vec<u8>>| {
                let is_default = words.get(1).is_some_and(|name| name == DEFAULT);
                let is_given = |word: &Vec<u8>| is_default && given.as_ref() == Some(word);
                let words = words.into_iter().skip(1);
                FileLine::written(words.filter(|word| !is_given(word)))
            };
            config.users = self.users.lines().map(line).collect();
            config.roles = self.users.role_lines().map(line).collect();
        }
        config
    }
}

fn is_default_with_given_password(name: &[u8], config: &Config) -> bool {
    name == DEFAULT && config.is_given_from_elsewhere("requirepass")
}

/// Rules that a role does not take.
const OF_USERS: [&[u8]; 4] = [b"on", b"off", b"nopass", b"resetpass"];

/// A rule and its error, redacted if the rule may contain a password.
pub(crate) fn rule_problem(error: &RulesError) -> String {
    match error {
        RulesError::Rule { rule, why, .. } => match rule.first() {
            Some(b'>' | b'<' | b'#' | b'!') => format!("'(redacted)': {why}"),
            // Most likely a password whose '>' is missing.
            Some(first)
                if first.is_ascii_alphanumeric()
                    && !rule.contains(&b'=')
                    && !OF_USERS.contains(&rule.as_slice()) =>
            {
                format!("'(redacted)': {why}")
            }
            _ => format!("'{}': {why}", Printable(rule)),
        },
        RulesError::Unmatched(word) => {
            format!(
                "'{}': Unmatched parenthesis in acl selector",
                Printable(word)
            )
        }
    }
}
